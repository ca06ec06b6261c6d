import type { StateReader, StateWriter } from "../state.ts";

/** Measures a row of scaled inputs in one or more ways, each a number from 0 (normal) upwards. */
export interface Chart {
  /** Set by `measure`, in an order that never changes. */
  readonly statistics: Float64Array;
  /** What each of them measures, in the field's words. */
  readonly names: readonly string[];
  /** Rows after a start or a gap until smoothed statistics mean something. */
  readonly settlingRows: number;
  /** `missing` is 1 where an input has no number: it is replaced in `row` by what the model expects. */
  measure(row: Float64Array, missing: Uint8Array): void;
  /** What each input adds to a statistic measured last; an input may take away. */
  contributions(statistic: number, into: Float64Array): void;
  forgetContext(): void;
  save(to: StateWriter): void;
  load(from: StateReader): void;
}

/** Moves an exponentially weighted mean of rows on. */
export function smooth(mean: Float64Array, row: Float64Array, weight: number): void {
  for (let i = 0; i < mean.length; i++) mean[i]! += weight * (row[i]! - mean[i]!);
}
