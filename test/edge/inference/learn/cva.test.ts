// Goal: the states are the directions of the past that tell of the future, and nothing else is a state.
import assert from "node:assert/strict";
import { test } from "node:test";
import { CvaChart } from "../../../../edge/inference/charts/cva-chart.ts";
import { fitVariates } from "../../../../edge/inference/learn/cva.ts";
import { matrixFrom, rowOf, type Matrix } from "../../../../edge/inference/learn/matrix.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const options = { lags: 2, ridge: 1e-6, correlation: 0.5 };

/** Two slow causes in four inputs of variance 1, and two inputs of noise. */
function rows(seed: number, count: number): Matrix {
  const random = seededRandom(seed);
  let [a, b] = [0, 0];
  return matrixFrom(
    Array.from({ length: count }, () => {
      a = 0.95 * a + Math.sqrt(1 - 0.95 ** 2) * gaussian(random);
      b = 0.8 * b + 0.6 * gaussian(random);
      const noise = (): number => 0.3 * gaussian(random);
      return [
        a + noise(),
        b + noise(),
        (a + b) / Math.SQRT2 + noise(),
        a - noise(),
        gaussian(random),
        gaussian(random),
      ];
    }),
  );
}

test("two causes are two states, and noise has one only because there must be one", () => {
  assert.equal(fitVariates(rows(1, 5000), options).states.rows, 2);
  const random = seededRandom(2);
  const noise = matrixFrom(Array.from({ length: 5000 }, () => [gaussian(random), gaussian(random)]));
  assert.equal(fitVariates(noise, options).states.rows, 1);
  assert.throws(() => fitVariates(noise, { ...options, lags: 3000 }), /too few/);
});

test("on normal rows T² of the states and of the rest are as large as their numbers", () => {
  const variates = fitVariates(rows(1, 5000), options);
  const chart = new CvaChart({ kind: "cva", smoothing: 0.1, lags: 2, ...variates });
  const other = rows(3, 20_000);
  const sums = new Float64Array(4);
  const none = new Uint8Array(6);
  for (let r = 0; r < other.rows; r++) {
    chart.measure(rowOf(other, r).slice(), none);
    chart.statistics.forEach((value, i) => (sums[i]! += value / other.rows));
  }
  assert(Math.abs(sums[0]! - 2) < 0.2 && Math.abs(sums[1]! - 10) < 0.5, sums.join(" "));
});

test("a missing input is filled by what the others and the rows before let expect", () => {
  const chart = new CvaChart({ kind: "cva", smoothing: 0.1, lags: 2, ...fitVariates(rows(1, 5000), options) });
  const other = rows(4, 2000);
  const missing = Uint8Array.of(1, 0, 0, 0, 0, 0);
  let error = 0;
  let spread = 0;
  for (let r = 0; r < other.rows; r++) {
    const row = rowOf(other, r).slice();
    const truth = row[0]!;
    row[0] = Number.NaN;
    chart.measure(row, missing);
    error += (row[0] - truth) ** 2;
    spread += truth ** 2;
  }
  assert(error < 0.25 * spread, `${error} of ${spread}`);
});
