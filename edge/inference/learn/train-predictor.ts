import { TidegateError } from "../../../src/errors.ts";
import { expectedOf, type Expected } from "../drift/histogram.ts";
import type { Feature } from "../features/feature.ts";
import { GbdtModel, type Link } from "../formats/gbdt.ts";
import { readTrees, writeTrees } from "../formats/gbdt-weights.ts";
import { makeGolden, type Golden } from "../package/golden.ts";
import { intervalAt, type PackagedInterval } from "../package/interval.ts";
import type { Manifest } from "../package/manifest.ts";
import type { RowRecipe } from "../rows/row-scorer.ts";
import type { RowTable } from "../rows/row-table.ts";
import { boostDefaults, fitTrees, type BoostOptions } from "../trees/boost.ts";
import { probability, type Trees } from "../trees/trees.ts";
import { bandOf, columnOf, constantInputs, waveformRows } from "./columns.ts";
import { fitIntervals } from "./conformal.ts";
import { examplesOf, splitExamples, type Examples, type Split } from "./examples.ts";
import { areaUnderCurve, meanOf, meanSquaredError } from "./figures.ts";
import { fitPlatt } from "./platt.ts";

export interface PredictorOptions {
  readonly features: readonly Feature[];
  readonly boost: Pick<BoostOptions, "trees" | "depth" | "rate" | "seed">;
  /** Labels that are larger are cut: long before its end a machine shows nothing of it. */
  readonly cap: number | undefined;
  /** Part of truths that an interval is to hold. */
  readonly coverage: number;
}

export interface TrainedPredictor {
  readonly recipe: RowRecipe<GbdtModel>;
  readonly golden: Golden;
  readonly usual: readonly (readonly [number, number])[];
  readonly constant: readonly string[];
  readonly expected: Expected;
  /** Of the labels that were fitted. */
  readonly range: readonly [number, number];
  readonly prediction: Omit<NonNullable<Manifest["prediction"]>, "step">;
}

/** Ranges of the prediction that have intervals of their own. */
const rangesMax = 10;
const fittedMin = 200;
const testedMin = 50;
/** Fewer events say nothing about when one comes. */
const eventsMin = 20;
const goldenRows = 300;

/**
 * Fits boosted trees to a target, calibrates them on rows that they were not fitted on, and tests them on rows that
 * nothing was fitted on. Throws TRAINING_DATA.
 */
export function trainPredictor(table: RowTable, options: PredictorOptions): TrainedPredictor {
  const { inputs } = table.shape;
  const { features, cap } = options;
  const examples = examplesOf(table, features, cap);
  const split = splitExamples(examples);
  const kind = targetKind(table);
  requireEnough(split, kind);
  const made = kind === "quantity" ? predictQuantity(split, options) : predictProbability(split, options);
  const longest = table.segments.reduce((a, b) => (b.rows.length > a.rows.length ? b : a));
  const recipe = { inputs, features, model: made.model };
  const { fitted, tested } = split;
  return {
    recipe,
    golden: makeGolden(recipe, longest.rows.slice(0, waveformRows(features) + goldenRows)),
    usual: inputs.map((_, i) => bandOf(table.segments, i)),
    constant: constantInputs(table.segments, inputs),
    expected: expectedOf(
      { inputs: inputs.map((_, i) => columnOf(table.segments, i)), outputs: made.heldOutputs },
      table.shape.periodMs,
      "beyond",
    ),
    range: made.range,
    prediction: {
      ...(made.interval === undefined ? {} : { interval: made.interval }),
      split: split.by,
      rowsFitted: fitted.labels.length,
      rowsCalibrated: split.folds.reduce((sum, { held }) => sum + held.labels.length, 0),
      rowsTested: tested.labels.length,
      devicesTested: new Set(tested.devices).size,
      tested: made.tested,
    },
  };
}

interface Made {
  readonly model: GbdtModel;
  readonly range: readonly [number, number];
  readonly interval?: PackagedInterval;
  /** For rows of models that did not see them. */
  readonly heldOutputs: Float64Array;
  readonly tested: NonNullable<Manifest["prediction"]>["tested"];
}

function predictQuantity(split: Split, { boost, cap, coverage }: PredictorOptions): Made {
  const { fitted, tested } = split;
  const range = [
    fitted.labels.reduce((a, b) => Math.min(a, b)),
    fitted.labels.reduce((a, b) => Math.max(a, b)),
  ] as const;
  const link: Link = { kind: "range", low: range[0], high: range[1] };
  const fit = (of: Examples): GbdtModel => packaged(fitTrees(of.rows, of.labels, { ...boostDefaults, ...boost }), link);
  const { model, held } = fitFolds(split, fit);
  // Labels that were cut are only known to be so large; of others nothing is known beyond what they are.
  const bounds = cap === undefined ? ([-Infinity, Infinity] as const) : range;
  const { edges, lower, upper } = fitIntervals(held.outputs, held.labels, { coverage, ranges: rangesMax, bounds });
  const interval = {
    coverage,
    edges: [...edges],
    lower: [...lower].map(orOpen),
    upper: [...upper].map(orOpen),
    ...(cap === undefined ? {} : { least: range[0], openFrom: cap }),
  };
  const outputs = outputsOf(model, tested);
  const intervals = Array.from(outputs, (output) => intervalAt(interval, output));
  const covered = intervals.filter(({ low, high }, i) => {
    const truth = tested.labels[i]!;
    return truth >= (low ?? -Infinity) && truth <= (high ?? Infinity);
  });
  const widths = intervals.flatMap(({ low, high }) => (low === undefined ? [] : [(high ?? range[1]) - low]));
  const always = new Float64Array(outputs.length).fill(meanOf(fitted.labels));
  return {
    model,
    range,
    interval,
    heldOutputs: held.outputs,
    tested: {
      rmse: Math.sqrt(meanSquaredError(outputs, tested.labels)),
      rmseOfMean: Math.sqrt(meanSquaredError(always, tested.labels)),
      coverage: covered.length / intervals.length,
      width: meanOf(widths),
    },
  };
}

function predictProbability(split: Split, { boost }: PredictorOptions): Made {
  const { fitted, tested } = split;
  const options = { ...boostDefaults, ...boost, loss: "logistic" as const };
  // Log odds: what is calibrated is what the trees say.
  const plain: Link = { kind: "range", low: -Infinity, high: Infinity };
  const { model, held } = fitFolds(split, (of) => packaged(fitTrees(of.rows, of.labels, options), plain));
  const { slope, offset } = fitPlatt(held.outputs, held.labels);
  if (!(slope > 0)) throw tooPoor("on rows that were not fitted the trees say the opposite of what is true");
  const { trees } = model;
  const calibrated = { ...trees, base: slope * trees.base + offset, leaves: trees.leaves.map((leaf) => slope * leaf) };
  const final = packaged(calibrated, { kind: "logistic" });
  const outputs = outputsOf(final, tested);
  const always = new Float64Array(outputs.length).fill(meanOf(fitted.labels));
  const rocAuc = areaUnderCurve(tested.labels, outputs);
  return {
    model: final,
    range: [0, 1],
    heldOutputs: held.outputs.map((logOdds) => probability(slope * logOdds + offset)),
    tested: {
      brier: meanSquaredError(outputs, tested.labels),
      brierOfMean: meanSquaredError(always, tested.labels),
      ...(Number.isNaN(rocAuc) ? {} : { rocAuc }),
    },
  };
}

/** The model of all rows that may be fitted, and outputs for held-out rows of models that did not see them. */
function fitFolds({ fitted, folds }: Split, fit: (examples: Examples) => GbdtModel) {
  const model = fit(fitted);
  const parts = folds.map(({ learned, held }) => ({
    labels: held.labels,
    outputs: outputsOf(learned === fitted ? model : fit(learned), held),
  }));
  return {
    model,
    held: {
      labels: Float64Array.from(parts.flatMap(({ labels }) => [...labels])),
      outputs: Float64Array.from(parts.flatMap(({ outputs }) => [...outputs])),
    },
  };
}

/** As it will be read from the package: what is tested here is what will be served. */
function packaged(trees: Trees, link: Link): GbdtModel {
  return new GbdtModel(readTrees(writeTrees(trees), trees.inputs), link);
}

function outputsOf(model: GbdtModel, { rows }: Examples): Float64Array {
  const run = model.start();
  return Float64Array.from({ length: rows.rows }, (_, r) =>
    run.observe(rows.data.subarray(r * rows.columns, (r + 1) * rows.columns)),
  );
}

/** JSON knows no infinity. */
function orOpen(end: number): number | null {
  return Number.isFinite(end) ? end : null;
}

/** Of a target that is 0 or 1 wherever it is known, its probability is predicted. */
export function targetKind({ segments }: RowTable): "quantity" | "probability" {
  const isBinary = (label: number): boolean => label === 0 || label === 1 || Number.isNaN(label);
  return segments.every(({ labels }) => labels.every(isBinary)) ? "probability" : "quantity";
}

function requireEnough({ fitted, tested }: Split, kind: "quantity" | "probability"): void {
  const [rows, test] = [fitted.labels.length, tested.labels.length];
  if (rows < fittedMin || test < testedMin) {
    throw tooPoor(
      `there are ${rows} rows with a target to fit and ${test} to test; needed are ${fittedMin} and ${testedMin}`,
    );
  }
  if (fitted.labels.every((label) => label === fitted.labels[0])) throw tooPoor("the target never changes");
  if (kind === "quantity") return;
  const events = fitted.labels.reduce((count, label) => count + label, 0);
  if (Math.min(events, rows - events) >= eventsMin) return;
  throw tooPoor(`of ${rows} rows ${events} have the label 1; needed are ${eventsMin} of either label`);
}

function tooPoor(message: string): TidegateError {
  return new TidegateError("TRAINING_DATA", message, {
    hint: "Give more machines or more time, and a target in the rows: docs/models/boosted-trees.md.",
  });
}
