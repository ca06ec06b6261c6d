import { boostDefaults } from "../../inference/trees/boost.ts";
import {
  targetKind,
  trainPredictor,
  type PredictorOptions,
  type TrainedPredictor,
} from "../../inference/learn/train-predictor.ts";
import type { Manifest } from "../../inference/package/manifest.ts";
import type { RowTable } from "../../inference/rows/row-table.ts";
import { count, counted } from "../words.ts";
import type { TrainFlags } from "./train-flags.ts";
import type { TrainOutcome } from "./train-outcome.ts";

/** A change of the prediction by less than this part of its range says nothing new. */
const stepPart = 0.01;

export function trainPrediction(
  table: RowTable,
  features: PredictorOptions["features"],
  flags: TrainFlags,
  unitOf: (metric: string) => { readonly unit: string },
): TrainOutcome {
  const { target = "", cap, coverage = 0.9 } = flags;
  const { trees = boostDefaults.trees, depth = boostDefaults.depth, rate = boostDefaults.rate, seed = 1 } = flags;
  table.end();
  // Before the work: a unit that is missing is not worth a minute of waiting.
  const unit = targetKind(table) === "quantity" ? unitOf(target).unit : undefined;
  const trained = trainPredictor(table, { features, cap, coverage, boost: { trees, depth, rate, seed } });
  const { recipe, golden, usual, constant, expected, prediction, range } = trained;
  const step = flags.step ?? stepPart * (range[1] - range[0]);
  return {
    recipe,
    golden,
    usual,
    constant,
    about: {
      format: "gbdt",
      method: "gbdt",
      output: outputOf(target, unit, range),
      prediction: { ...prediction, step },
      expected,
    },
    lines: linesOf(trained, coverage),
  };
}

function outputOf(name: string, unit: string | undefined, range: readonly [number, number]): Manifest["output"] {
  if (unit === undefined) return { kind: "probability", name, meaning: `The chance that ${name} is 1.` };
  return { kind: "quantity", name, unit, range: [...range], meaning: `What ${name} is.` };
}

function linesOf({ prediction }: TrainedPredictor, coverage: number): string[] {
  const { rowsFitted, rowsCalibrated, rowsTested, devicesTested, split, tested } = prediction;
  const figure = (value: number | undefined): string => (value ?? Number.NaN).toPrecision(3);
  const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;
  const by =
    split === "device" ? `${counted(devicesTested, "device")} that nothing was fitted on` : "the last 20 % of the time";
  const figures =
    tested.rmse !== undefined
      ? `error (RMSE) ${figure(tested.rmse)}, always the mean ${figure(tested.rmseOfMean)}`
      : `Brier score ${figure(tested.brier)}, always the mean ${figure(tested.brierOfMean)}; ROC-AUC ${figure(tested.rocAuc)}`;
  const lines = [
    `fitted    on ${count(rowsFitted)}, calibrated on ${count(rowsCalibrated)}`,
    `tested    on ${count(rowsTested)} rows of ${by}: ${figures}`,
  ];
  if (tested.coverage === undefined) return lines;
  const width = figure(tested.width);
  return [
    ...lines,
    `interval  holds ${percent(tested.coverage)} of the tested truths, wanted ${percent(coverage)}; ${width} wide on average`,
  ];
}
