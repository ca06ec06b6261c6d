import { quantileOf } from "./quantile.ts";

/** Part of the values that is taken as the tail. */
const tailPart = 0.1;
/** With so many values beyond a quantile there is nothing to guess. */
const beyondMin = 5;
/** Fewer excesses show no tail. */
export const excessesMin = 2 * beyondMin;

/** A generalised Pareto distribution of how far values go beyond a level. */
export interface Tail {
  shape: number;
  scale: number;
}

/**
 * Fits the tail by probability-weighted moments (Hosking and Wallis 1987). `excesses` holds `count` numbers above 0,
 * the smallest first. False where all are alike: there is no tail then.
 */
export function fitTail(excesses: Float64Array, count: number, into: Tail): boolean {
  let b0 = 0;
  let b1 = 0;
  for (let i = 0; i < count; i++) {
    const excess = excesses[i]!;
    b0 += excess / count;
    b1 += (excess * (count - 1 - i)) / ((count - 1) * count);
  }
  if (!(b0 - 2 * b1 > 1e-9 * b0)) return false;
  into.shape = 2 - b0 / (b0 - 2 * b1);
  into.scale = (2 * b0 * b1) / (b0 - 2 * b1);
  return true;
}

/** The excess that one beyond the level exceeds with probability `beyond`. */
export function excessAt({ shape, scale }: Tail, beyond: number): number {
  return Math.abs(shape) < 1e-9 ? -scale * Math.log(beyond) : (scale / shape) * (beyond ** -shape - 1);
}

/**
 * The value that a new one exceeds with probability `risk`, also where the values are too few to have shown it: peaks
 * over threshold as in SPOT (Siffer et al. 2017).
 */
export function tailQuantile(values: Float64Array, risk: number): number {
  const empirical = quantileOf(values, 1 - risk);
  if (risk * values.length >= beyondMin) return empirical;
  const level = quantileOf(values, 1 - tailPart);
  const excesses = values
    .filter((value) => value > level)
    .map((value) => value - level)
    .sort();
  const n = excesses.length;
  if (n < excessesMin) return empirical;
  const tail: Tail = { shape: 0, scale: 0 };
  if (!fitTail(excesses, n, tail)) return level + excesses.at(-1)!;
  return level + excessAt(tail, (risk * values.length) / n);
}
