import type { Feature } from "../features/feature.ts";
import type { Segment } from "../rows/row-table.ts";
import { quantileOf } from "./quantile.ts";

/* What training of any kind wants to know of its rows. */

/** Between these lay 98 of 100 values of an input. */
export function bandOf(segments: readonly Segment[], input: number): readonly [number, number] {
  const values = columnOf(segments, input);
  return values.length === 0 ? [0, 0] : [quantileOf(values, 0.01), quantileOf(values, 0.99)];
}

/** The inputs that never change: nothing can be learned of them. */
export function constantInputs(segments: readonly Segment[], inputs: readonly string[]): string[] {
  return inputs.filter((_, i) => {
    const values = columnOf(segments, i);
    return values.every((value) => value === values[0]);
  });
}

/** All that is known of an input. */
export function columnOf(segments: readonly Segment[], input: number): Float64Array {
  return Float64Array.from(segments.flatMap(({ rows }) => rows.map((row) => row[input]!)).filter(Number.isFinite));
}

/** The longest waveform: before it is complete its features are not known. */
export function waveformRows(features: readonly Feature[]): number {
  return Math.max(0, ...features.map((feature) => ("everyRows" in feature ? feature.rows : 0)));
}
