import { quantileOf } from "./quantile.ts";

/** Part of the values that is taken as the tail. */
const tailPart = 0.1;
/** With so many values beyond a quantile there is nothing to guess. */
const beyondMin = 5;

/**
 * The value that a new one exceeds with probability `risk`, also where the values are too few to have shown it: peaks
 * over threshold as in SPOT (Siffer et al. 2017), a generalised Pareto tail fitted by probability-weighted moments
 * (Hosking and Wallis 1987).
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
  if (n < 2 * beyondMin) return empirical;
  let b0 = 0;
  let b1 = 0;
  excesses.forEach((excess, i) => {
    b0 += excess / n;
    b1 += (excess * (n - 1 - i)) / ((n - 1) * n);
  });
  // All excesses alike: there is no tail to fit.
  if (!(b0 - 2 * b1 > 1e-9 * b0)) return level + excesses.at(-1)!;
  const shape = 2 - b0 / (b0 - 2 * b1);
  const scale = (2 * b0 * b1) / (b0 - 2 * b1);
  const beyond = (risk * values.length) / n;
  const excess = Math.abs(shape) < 1e-9 ? -scale * Math.log(beyond) : (scale / shape) * (beyond ** -shape - 1);
  return level + excess;
}
