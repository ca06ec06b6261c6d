import type { ScoreQuality } from "../detector.ts";
import type { Feature } from "../features/feature.ts";
import { intervalAt, type Interval } from "../package/interval.ts";
import type { ModelPackage } from "../package/model-package.ts";
import type { Manifest } from "../package/manifest.ts";
import { RowJoiner, rowShapeOf, type RowSink } from "./row-joiner.ts";
import { RowScorer } from "./row-scorer.ts";
import type { Reading } from "./row-table.ts";

/** What a model says of a row, and what made it say so. Missing numbers are NaN. */
export interface RowExplanation {
  readonly timeMicros: number;
  /** Rows of the device up to this one. */
  readonly rows: number;
  /** True where there were too few of them for the model to judge. */
  readonly learning: boolean;
  readonly quality: ScoreQuality;
  /** A score in units of the limit, a probability or a quantity. */
  readonly output: number;
  readonly interval: Interval;
  /** What the contributions of a prediction add to. */
  readonly base: number;
  /** What a score is the largest of, in units of its limit. */
  readonly statistics: readonly { readonly name: string; readonly ratio: number }[];
  readonly inputs: readonly { readonly metric: string; readonly value: number; readonly contribution: number }[];
  /** Empty of a network, whose features are looked at together by metric. */
  readonly features: readonly { readonly feature: Feature; readonly value: number; readonly contribution: number }[];
}

/**
 * Explains the last row of one device's readings, in the order of time; the rows before it are what its features and the
 * model look back on. By the code that scores live. Undefined where the readings hold no input of the model.
 */
export function explainLastRow(
  { manifest, recipe }: Pick<ModelPackage, "manifest" | "recipe">,
  readings: Iterable<Reading>,
): RowExplanation | undefined {
  const scorer = new RowScorer(recipe);
  const last = { rows: 0, timeMicros: 0, output: Number.NaN, learning: true, values: new Float64Array() };
  const sink = {
    row: (values: Float64Array, timeMicros: number) => {
      last.learning = scorer.learning;
      last.output = scorer.observe(values);
      last.values = values.slice();
      last.timeMicros = timeMicros;
      last.rows++;
    },
    gap: () => scorer.gap(),
  };
  joinRows(manifest, readings, sink);
  if (last.rows === 0) return undefined;
  const { rows, timeMicros, output, learning, values } = last;
  const ofInputs = new Float64Array(recipe.inputs.length);
  scorer.contributions(ofInputs);
  const ofFeatures = new Float64Array(recipe.features.length);
  scorer.run.contributions(ofFeatures);
  const interval = manifest.prediction?.interval;
  return {
    timeMicros,
    rows,
    learning,
    quality: scorer.quality,
    output,
    interval: interval === undefined ? {} : intervalAt(interval, output),
    base: recipe.model.base,
    statistics: scorer.run.statistics?.() ?? [],
    inputs: recipe.inputs.map((metric, i) => ({ metric, value: values[i]!, contribution: ofInputs[i]! })),
    features: recipe.features.map((feature, i) => ({
      feature,
      value: scorer.features[i]!,
      contribution: ofFeatures[i]!,
    })),
  };
}

/** Gives the rows of one device's readings to the sink, as a gateway does, and the last one as it is. */
export function joinRows(
  manifest: Pick<Manifest, "inputs" | "rows">,
  readings: Iterable<Reading>,
  sink: RowSink,
): void {
  const joiner = new RowJoiner(rowShapeOf(manifest));
  for (const reading of readings) joiner.take(reading, reading.timeMicros, sink);
  joiner.end(sink);
}

/** A feature in words, for a table. */
export function featureText(feature: Feature): string {
  switch (feature.kind) {
    case "age":
      return "age in rows";
    case "value":
      return feature.input;
    case "lag":
      return `${feature.input} ${feature.rows} rows ago`;
    case "mean":
    case "slope":
    case "rms":
    case "peak":
    case "crest":
    case "kurtosis":
    case "peak-frequency":
      return `${feature.kind} of ${feature.input} over ${feature.rows} rows`;
    case "drift":
      return `drift of ${feature.input} over ${feature.rows} rows from its first ${feature.firstRows}`;
    case "band":
      return `${feature.input} between ${feature.low} and ${feature.high} cycles per row`;
    case "cycle":
      return `${feature.of} of ${feature.input} in the last cycle of ${feature.trigger}`;
    case "difference":
    case "product":
    case "ratio":
      return `${feature.kind} of ${feature.left} and ${feature.right}`;
  }
}
