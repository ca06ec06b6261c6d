import type { PredictionRecord } from "../../../src/wire/predictions.ts";
import type { Interval } from "../package/interval.ts";
import type { ServedModel } from "./served-model.ts";

/** What was predicted from one row. */
export interface PredictedRow {
  readonly output: number;
  readonly interval: Interval;
  readonly uncertain: boolean;
  readonly values: Float64Array;
  /** Of each input on the prediction. */
  readonly effects: Float64Array;
  /** Of the machine's age. */
  readonly age: number;
}

/** Effects that are smaller than this part of all together are not worth a line. */
const partMin = 0.02;
const contributionsMax = 16;

/** The prediction as a record carries it, but for whose it is and when. */
export function predictionOf(
  { name: model, version, purpose, recipe }: ServedModel,
  row: PredictedRow,
): Pick<
  PredictionRecord,
  "model" | "version" | "output" | "name" | "value" | "unit" | "interval" | "quality" | "base" | "contributions"
> {
  if (purpose.kind !== "predicts") throw new TypeError(`${model} does not predict`);
  const { output, interval } = purpose;
  return {
    model,
    version,
    output: output.kind,
    name: output.name,
    value: row.output,
    unit: output.kind === "quantity" ? output.unit : "1",
    ...(interval === undefined ? {} : { interval: { coverage: interval.coverage, ...row.interval } }),
    ...(row.uncertain ? { quality: "uncertain" as const } : {}),
    base: recipe.model.base,
    contributions: contributionsOf(recipe.inputs, row),
  };
}

function contributionsOf(
  inputs: readonly string[],
  { values, effects, age }: PredictedRow,
): PredictionRecord["contributions"] {
  const all: PredictionRecord["contributions"] = inputs.map((metric, i) => {
    const value = values[i]!;
    return Number.isFinite(value) ? { metric, value, effect: effects[i]! } : { metric, effect: effects[i]! };
  });
  all.push({ metric: "age", effect: age });
  const total = all.reduce((sum, { effect }) => sum + Math.abs(effect), 0);
  return all
    .filter(({ effect }) => Math.abs(effect) > partMin * total)
    .sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect))
    .slice(0, contributionsMax);
}
