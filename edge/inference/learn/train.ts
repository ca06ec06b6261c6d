import { TidegateError } from "../../../src/errors.ts";
import { expectedOf, type Expected } from "../drift/histogram.ts";
import { Episode } from "../episode.ts";
import type { Feature } from "../features/feature.ts";
import { FeaturePipeline } from "../features/pipeline.ts";
import { BuiltinModel } from "../formats/builtin.ts";
import { modelOf, weightsOf } from "../formats/builtin-weights.ts";
import { makeGolden, type Golden } from "../package/golden.ts";
import { RowScorer, type RowRecipe } from "../rows/row-scorer.ts";
import type { RowTable, Segment } from "../rows/row-table.ts";
import { onAlertScale } from "../rows/score-scale.ts";
import { bandOf, columnOf, constantInputs, waveformRows } from "./columns.ts";
import { fitCva, fitMspc, fitVar, withLimits, type Fit, type LimitOptions } from "./fit-rows.ts";
import { matrixFrom, type Matrix } from "./matrix.ts";
import { quantileOf } from "./quantile.ts";

export interface TrainOptions {
  readonly method: "mspc" | "var" | "cva";
  readonly features: readonly Feature[];
  readonly limits: LimitOptions;
}

export interface Trained {
  readonly recipe: RowRecipe<BuiltinModel>;
  readonly golden: Golden;
  /** Scores below are normal again. */
  readonly clear: number;
  /** Per input, where 98 of 100 of the values lay. */
  readonly usual: readonly (readonly [number, number])[];
  readonly expected: Expected;
  readonly rowsFitted: number;
  readonly rowsForLimits: number;
  readonly rowsTested: number;
  /** Part of the tested rows above the limit, and how often that would have been an alert. */
  readonly falseAlarmsTested: number;
  readonly episodesTested: number;
  /** Inputs that never changed: nothing can be learned of them. */
  readonly constant: readonly string[];
}

/** The earliest rows of each device are fitted, the next ones set the limits, the last ones only tell how good it is. */
const fittedPart = 0.6;
const limitsPart = 0.2;
const fittedPerFeatureMin = 20;
const fittedMin = 200;
const limitsMin = 100;
/** Golden rows beyond those that the model needs to settle. */
const goldenRows = 60;
const clearQuantile = 0.99;

/** Fits, sets limits and tests, on parts of the data in the order of time. Throws TRAINING_DATA. */
export function train(table: RowTable, { method, features, limits }: TrainOptions): Trained {
  const { inputs } = table.shape;
  const [fitted, forLimits, tested] = split(table.segments);
  const fitRows = featureRows(fitted, inputs, features);
  const limitRows = featureRows(forLimits, inputs, features);
  requireEnough(fitRows.rows, limitRows.rows, features.length, table.rows);
  const model = withLimits(fitOf(method, fitRows), limitRows, limits);
  if (![...model.limits].every((limit) => limit > 0 && Number.isFinite(limit))) {
    throw tooPoor("the rows that set the limits are all alike, or miss too much");
  }
  // As it will be read from the package: what is tested here is what will be served.
  const recipe = { inputs, features, model: new BuiltinModel(modelOf(weightsOf(model), features.length)) };
  const calm = Float64Array.from(scoresOf(recipe, forLimits).flat());
  const clear = Math.min(0.95, Math.max(0.1, quantileOf(calm, clearQuantile)));
  const usual = inputs.map((_, i) => bandOf(fitted, i));
  const longest = [...fitted, ...forLimits].reduce((a, b) => (b.rows.length > a.rows.length ? b : a));
  const settling = new RowScorer(recipe).settlingRows;
  return {
    recipe,
    golden: makeGolden(recipe, longest.rows.slice(0, settling + waveformRows(features) + goldenRows)),
    clear,
    usual,
    expected: expectedOf(
      { inputs: inputs.map((_, i) => columnOf([...fitted, ...forLimits], i)), outputs: calm },
      table.shape.periodMs,
      "even",
    ),
    rowsFitted: fitRows.rows,
    rowsForLimits: limitRows.rows,
    constant: constantInputs(fitted, inputs),
    ...testOf(recipe, tested, clear, table.shape.periodMs),
  };
}

function fitOf(method: TrainOptions["method"], rows: Matrix): Fit {
  try {
    switch (method) {
      case "mspc":
        return fitMspc(rows);
      case "var":
        return fitVar(rows);
      case "cva":
        return fitCva(rows);
    }
  } catch (error) {
    if (error instanceof RangeError) throw tooPoor(`the rows cannot be fitted: ${error.message}`);
    throw error;
  }
}

/** Per device in the order of time; a segment that reaches over a border is cut there. */
function split(segments: readonly Segment[]): readonly [Segment[], Segment[], Segment[]] {
  const parts: [Segment[], Segment[], Segment[]] = [[], [], []];
  for (const own of Map.groupBy(segments, ({ device }) => device).values()) {
    const total = own.reduce((sum, { rows }) => sum + rows.length, 0);
    const borders = [0, Math.floor(fittedPart * total), Math.floor((fittedPart + limitsPart) * total), total];
    let first = 0;
    for (const { device, rows } of own) {
      for (const [p, part] of parts.entries()) {
        const cut = rows.slice(Math.max(0, borders[p]! - first), Math.max(0, borders[p + 1]! - first));
        if (cut.length > 0) part.push({ device, rows: cut, labels: [] });
      }
      first += rows.length;
    }
  }
  return parts;
}

/** Rows with more than half of the features missing are judged by nobody, so nothing is learned from them either. */
function featureRows(segments: readonly Segment[], inputs: readonly string[], features: readonly Feature[]): Matrix {
  const result: Float64Array[] = [];
  for (const { rows } of segments) {
    const pipeline = new FeaturePipeline(inputs, features);
    for (const row of rows) {
      const made = new Float64Array(features.length);
      pipeline.observe(row, made);
      const missing = made.reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
      if (missing <= features.length / 2) result.push(made);
    }
  }
  return matrixFrom(result);
}

function requireEnough(fitted: number, forLimits: number, features: number, rows: number): void {
  const wanted = Math.max(fittedMin, fittedPerFeatureMin * features);
  if (fitted >= wanted && forLimits >= limitsMin) return;
  throw tooPoor(
    `${rows} rows leave ${fitted} usable ones to fit and ${forLimits} for the limits; needed are ${wanted} and ${limitsMin}`,
  );
}

function tooPoor(message: string): TidegateError {
  return new TidegateError("TRAINING_DATA", message, {
    hint: "Give more time of normal operation, a period in which every metric reports, or fewer metrics.",
  });
}

/** Scores of the rows that were judged, per segment. */
function scoresOf(recipe: RowRecipe, segments: readonly Segment[]): number[][] {
  return segments.map(({ rows }) => {
    const scorer = new RowScorer(recipe);
    return rows.flatMap((row) => {
      const wasLearning = scorer.learning;
      const score = scorer.observe(row);
      return wasLearning || scorer.quality === "bad" ? [] : [score];
    });
  });
}

function testOf(recipe: RowRecipe, segments: readonly Segment[], clear: number, periodMs: number) {
  const judged = scoresOf(recipe, segments);
  const scores = judged.flat();
  let episodesTested = 0;
  for (const segment of judged) {
    const episode = new Episode();
    for (const [r, score] of segment.entries()) {
      if (episode.step(onAlertScale(score, clear), score, false, r * periodMs * 1000) === "raise") episodesTested++;
    }
  }
  const above = scores.filter((score) => score >= 1).length;
  return { rowsTested: scores.length, falseAlarmsTested: above / Math.max(1, scores.length), episodesTested };
}
