import { createHash } from "node:crypto";
import { TidegateError } from "../../../src/errors.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { ModelPackage } from "../package/model-package.ts";
import type { RowShape } from "./row-joiner.ts";
import type { RowRecipe } from "./row-scorer.ts";

/** A packaged model as the scorer runs it. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  /** Of name, version and content: state that was saved under another one does not fit. */
  readonly id: string;
  readonly shape: RowShape;
  readonly recipe: RowRecipe;
  /** Scores below are normal again. */
  readonly clear: number;
  /** In the order of the inputs. */
  readonly units: readonly string[];
  readonly usual: readonly (readonly [number, number])[];
}

export function servedModel({ manifest, recipe }: ModelPackage): ServedModel {
  const { name, version, inputs, rows, threshold } = manifest;
  if (threshold === undefined) {
    throw new TidegateError("MODEL_INVALID", `${name} predicts, and this gateway runs detectors only`, {
      hint: "Promote a detector: its output is a score.",
    });
  }
  const content = createHash("sha256").update(JSON.stringify(manifest)).digest("hex").slice(0, 16);
  return {
    name,
    version,
    id: `${name} ${version} ${content}`,
    shape: { inputs: recipe.inputs, ...rows },
    recipe,
    clear: threshold.clear,
    units: inputs.map(({ unit }) => unit),
    usual: inputs.map(({ usual }) => usual),
  };
}

/** Why a device of the profile cannot be scored by the model; undefined where it can. */
export function profileFault({ shape, units }: ServedModel, profile: CompiledProfile): string | undefined {
  for (const [i, metric] of shape.inputs.entries()) {
    const unit = profile.specOf(metric)?.unit;
    if (unit === undefined) return `profile ${profile.id} has no metric ${metric}`;
    if (unit !== units[i]) return `${metric} is in ${unit} by profile ${profile.id}, and the model wants ${units[i]}`;
  }
  return undefined;
}
