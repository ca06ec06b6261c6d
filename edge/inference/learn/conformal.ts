/**
 * Intervals that hold the truth as often as they say, whatever the model (split conformal prediction; Vovk, Gammerman
 * and Shafer 2005; Papadopoulos et al. 2002), from errors on rows that the model was not fitted on. Errors are taken
 * per range of the prediction (Mondrian), since a machine near its end is predicted more exactly than a new one.
 */
export interface Intervals {
  /** Upper end of each range of predictions but the last. */
  readonly edges: Float64Array;
  /** Per range: what is added to the prediction for the lower and for the upper end. */
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Fewer errors than this per range say nothing about a tail. */
const errorsMin = 200;

export interface IntervalOptions {
  /** Wanted part of truths within the interval. */
  readonly coverage: number;
  /** At most so many ranges of the prediction. */
  readonly ranges: number;
  /** Truths lie between; from the upper bound on they are only known to be so large: such an interval is open above. */
  readonly bounds: readonly [number, number];
}

/** Errors may be missed on both sides alike; a side on which nothing can be missed leaves its part to the other. */
export function fitIntervals(
  predictions: Float64Array,
  truths: Float64Array,
  { coverage, ranges, bounds }: IntervalOptions,
): Intervals {
  const order = Array.from(predictions, (_, i) => i).sort((a, b) => predictions[a]! - predictions[b]!);
  const used = Math.max(1, Math.min(ranges, Math.floor(order.length / errorsMin)));
  const starts = Array.from({ length: used + 1 }, (_, k) => Math.floor((k * order.length) / used));
  const edges = Float64Array.from(starts.slice(1, -1), (at) => predictions[order[at]!]!);
  const lower = new Float64Array(used);
  const upper = new Float64Array(used);
  for (let k = 0; k < used; k++) {
    const members = order.slice(starts[k], starts[k + 1]);
    const errors = Float64Array.from(members, (i) => truths[i]! - predictions[i]!).sort();
    const missed = (inside: (error: number, prediction: number) => boolean): number =>
      members.filter((i) => !inside(truths[i]! - predictions[i]!, predictions[i]!)).length / members.length;
    const below = (end: number): number => missed((error, p) => error >= end || p + end <= bounds[0]);
    const above = (end: number): number => missed((error, p) => error <= end || p + end >= bounds[1]);
    upper[k] = upperTail(errors, (1 - coverage) / 2);
    lower[k] = lowerTail(errors, 1 - coverage - above(upper[k]!));
    upper[k] = upperTail(errors, 1 - coverage - below(lower[k]!));
  }
  return { edges, lower, upper };
}

/** The smallest error that at most `share` of new errors exceed: rank ⌈(n + 1)(1 - share)⌉ of n. */
function upperTail(sorted: Float64Array, share: number): number {
  return sorted[Math.ceil((sorted.length + 1) * (1 - share)) - 1] ?? Infinity;
}

function lowerTail(sorted: Float64Array, share: number): number {
  return sorted[sorted.length - Math.ceil((sorted.length + 1) * (1 - share))] ?? -Infinity;
}

export function intervalOf({ edges, lower, upper }: Intervals, prediction: number): readonly [number, number] {
  const range = rangeOf(edges, prediction);
  return [prediction + lower[range]!, prediction + upper[range]!];
}

/** Which range a prediction lies in. */
export function rangeOf(edges: ArrayLike<number>, prediction: number): number {
  let range = 0;
  while (range < edges.length && prediction >= edges[range]!) range++;
  return range;
}
