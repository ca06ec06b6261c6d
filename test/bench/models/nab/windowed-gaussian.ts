/*
 * The benchmark's own simple detector, to check the scorer against published values: how far is a value in the tail
 * of a Gaussian over the last 6,400 values, moved by 100 at a time?
 */
const windowRows = 6400;
const stepRows = 100;

export function windowedGaussian(values: Float64Array): Float64Array {
  const scores = new Float64Array(values.length);
  let first = 0;
  let end = 0;
  let mean = 0;
  let deviation = 0;
  for (let i = 0; i < values.length; i++) {
    if (end > 0) scores[i] = 1 - tail(Math.abs(values[i]! - mean) / deviation);
    if (i < windowRows) end = i + 1;
    else if ((i - windowRows) % stepRows === stepRows - 1) {
      first += stepRows;
      end = i + 1;
    } else continue;
    const window = values.subarray(first, end);
    mean = window.reduce((sum, value) => sum + value, 0) / window.length;
    deviation = Math.sqrt(window.reduce((sum, value) => sum + (value - mean) ** 2, 0) / window.length) || 1e-6;
  }
  return scores;
}

/** P(Z > z). */
function tail(z: number): number {
  return 0.5 * erfc(z / Math.SQRT2);
}

/** Complementary error function for x ≥ 0: series below 2, continued fraction (Lentz) above. Relative error below 1e-14. */
function erfc(x: number): number {
  return x < 2 ? 1 - erfSeries(x) : erfcFraction(x);
}

function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function erfcFraction(x: number): number {
  let fraction = x;
  for (let n = 200; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
