import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { unreadable } from "../../../src/config/unreadable.ts";
import { formatKey } from "../../../src/config/problems.ts";
import { validate } from "../../../src/config/validate.ts";
import { TidegateError } from "../../../src/errors.ts";
import { FeaturePipeline } from "../../inference/features/pipeline.ts";
import { featuresMax, featuresSchema, type PackagedFeature } from "../../inference/package/manifest.ts";

/** Lists of features that need no file. `life` knows the machine from its first row. */
export const recipes = ["value", "trend", "life"] as const;
export type Recipe = (typeof recipes)[number];

/** Throws USAGE where they are too many. */
export function recipeFeatures(recipe: Recipe, metrics: readonly string[]): PackagedFeature[] {
  const age: PackagedFeature[] = recipe === "life" ? [{ kind: "age" }] : [];
  const features = [...age, ...metrics.flatMap((input) => featuresOfMetric(recipe, input))];
  if (features.length <= featuresMax) return features;
  throw new TidegateError(
    "USAGE",
    `--recipe ${recipe} makes ${features.length} features of ${metrics.length} metrics`,
    {
      hint: `At most ${featuresMax} are possible: name fewer metrics, or give --features.`,
    },
  );
}

function featuresOfMetric(recipe: Recipe, input: string): PackagedFeature[] {
  const value: PackagedFeature = { kind: "value", input };
  if (recipe === "value") return [value];
  const trend: PackagedFeature[] = [
    value,
    { kind: "mean", input, rows: 5 },
    { kind: "mean", input, rows: 15 },
    { kind: "mean", input, rows: 30 },
    { kind: "slope", input, rows: 30 },
  ];
  return recipe === "trend" ? trend : [...trend, { kind: "drift", input, rows: 15, firstRows: 20 }];
}

/** Of a JSON file. Throws CONFIG_UNREADABLE and USAGE. */
export function readFeatures(file: string, metrics: readonly string[]): PackagedFeature[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw unreadable(file, cause);
    throw new TidegateError("USAGE", `${file} is not JSON: ${cause.message}`, { cause });
  }
  const [fault] = validate(featuresSchema, value);
  if (fault !== undefined) throw new TidegateError("USAGE", `${file}: ${formatKey(fault.path)} ${fault.message}`);
  const features = value as PackagedFeature[];
  const named = features.flatMap((feature) =>
    "input" in feature ? [feature.input] : "left" in feature ? [feature.left, feature.right] : [],
  );
  const unknown = named.find((input) => !metrics.includes(input));
  if (unknown !== undefined) throw new TidegateError("USAGE", `${file} names ${unknown}, which is not among --metrics`);
  try {
    assert.equal(new FeaturePipeline(metrics, features).features, features.length);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new TidegateError("USAGE", `${file}: ${cause.message}`, { cause });
  }
  return features;
}
