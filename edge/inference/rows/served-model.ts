import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { Histogram } from "../drift/histogram.ts";
import { isLifelong } from "../features/pipeline.ts";
import type { PackagedInterval } from "../package/interval.ts";
import type { FollowOptions, Manifest } from "../package/manifest.ts";
import type { ModelPackage } from "../package/model-package.ts";
import { rowShapeOf, type RowShape } from "./row-joiner.ts";
import type { RowRecipe } from "./row-scorer.ts";

/** What a model is for: it finds what is not normal, or it tells what will be. */
export type Purpose = Detects | Predicts;

interface Detects {
  readonly kind: "detects";
  /** Scores below are normal again. */
  readonly clear: number;
  /** How the limit of each device follows its scores; undefined where it is that of the package. */
  readonly follow: FollowOptions | undefined;
}

export interface Predicts {
  readonly kind: "predicts";
  readonly output: Exclude<Manifest["output"], { readonly kind: "score" }>;
  readonly interval: PackagedInterval | undefined;
  /** A change by less says nothing new. */
  readonly step: number;
  /** Root of the mean squared error on what nothing was fitted on. */
  readonly testedError: number | undefined;
}

/** A packaged model as the scorer runs it. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  /** Of name, version and content: state that was saved under another one does not fit. */
  readonly id: string;
  readonly shape: RowShape;
  readonly recipe: RowRecipe;
  readonly purpose: Purpose;
  /**
   * Models with the same one make the same features of the same rows, and of a machine's whole life: one may go on from
   * what another has seen of it. Undefined where features look back no further than their windows.
   */
  readonly life: string | undefined;
  /** In the order of the inputs. */
  readonly units: readonly string[];
  readonly usual: readonly (readonly [number, number])[];
  /** How inputs and output were distributed in training; undefined where the package does not say. */
  readonly expected: {
    readonly inputs: readonly (Histogram | undefined)[];
    readonly output: Histogram | undefined;
  };
}

export function servedModel({ manifest, recipe }: ModelPackage): ServedModel {
  const { name, version, inputs, features } = manifest;
  const shape = rowShapeOf(manifest);
  const content = createHash("sha256").update(JSON.stringify(manifest)).digest("hex").slice(0, 16);
  return {
    name,
    version,
    id: `${name} ${version} ${content}`,
    shape,
    recipe,
    purpose: purposeOf(manifest),
    life: features.some(isLifelong) ? JSON.stringify([shape, features]) : undefined,
    units: inputs.map(({ unit }) => unit),
    usual: inputs.map(({ usual }) => usual),
    expected: {
      inputs: inputs.map((_, i) => manifest.expected?.inputs[i] ?? undefined),
      output: manifest.expected?.output ?? undefined,
    },
  };
}

/** What the manifest must hold for it was checked when it was read. */
function purposeOf({ output, threshold, prediction }: Manifest): Purpose {
  if (output.kind === "score") {
    assert(threshold !== undefined);
    return { kind: "detects", clear: threshold.clear, follow: threshold.follow };
  }
  assert(prediction !== undefined);
  return {
    kind: "predicts",
    output,
    interval: prediction.interval,
    step: prediction.step,
    testedError: prediction.tested.rmse,
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
