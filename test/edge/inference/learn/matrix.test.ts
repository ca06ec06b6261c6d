// Goal: the linear algebra below the models is exact: what is taken apart can be put together again.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  backwardSolve,
  choleskyOf,
  covarianceOf,
  eigenOf,
  forwardSolve,
  matrixFrom,
  matrixOf,
  productOf,
  rowOf,
  transposeOf,
  type Matrix,
} from "../../../../edge/inference/learn/matrix.ts";
import { quantileOf } from "../../../../edge/inference/learn/quantile.ts";
import { scaled, scalingOf } from "../../../../edge/inference/learn/scaling.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const sizes = fc.integer({ min: 1, max: 12 });

function randomMatrix(seed: number, rows: number, columns: number): Matrix {
  const random = seededRandom(seed);
  return { rows, columns, data: new Float64Array(rows * columns).map(() => gaussian(random)) };
}

function close(a: Matrix, b: Matrix): void {
  a.data.forEach((value, i) => assert(Math.abs(value - b.data[i]!) < 1e-9, `element ${i}: ${value} and ${b.data[i]}`));
}

test("eigenvectors are orthogonal, sorted, and rebuild the matrix", () => {
  fc.assert(
    fc.property(fc.nat(), sizes, (seed, n) => {
      const a = covarianceOf(randomMatrix(seed, 2 * n + 2, n));
      const { values, vectors } = eigenOf(a);
      assert.deepEqual(values, values.toSorted().toReversed());
      const identity = matrixOf(n, n);
      for (let i = 0; i < n; i++) identity.data[i * n + i] = 1;
      close(productOf(vectors, transposeOf(vectors)), identity);
      const stretched = { ...vectors, data: vectors.data.map((x, i) => x * values[Math.floor(i / n)]!) };
      close(productOf(transposeOf(vectors), stretched), a);
    }),
  );
});

test("a symmetric positive definite system is solved; another matrix is refused", () => {
  fc.assert(
    fc.property(fc.nat(), sizes, (seed, n) => {
      const a = covarianceOf(randomMatrix(seed, 3 * n + 3, n));
      const wanted = randomMatrix(seed + 1, n, 1);
      const x = productOf(a, wanted).data;
      const lower = choleskyOf(a);
      forwardSolve(lower, x);
      backwardSolve(lower, x);
      x.forEach((value, i) => assert(Math.abs(value - wanted.data[i]!) < 1e-4 * (1 + Math.abs(value))));
    }),
  );
  assert.throws(
    () =>
      choleskyOf(
        matrixFrom([
          [1, 2],
          [2, 1],
        ]),
      ),
    RangeError,
  );
});

test("scaling gives mean 0 and deviation 1, leaves gaps as gaps and a constant at 0", () => {
  const rows = matrixFrom([
    [1, 5, 0.1],
    [2, 5, Number.NaN],
    [6, 5, 0.3],
  ]);
  const result = scaled(scalingOf(rows), rows);
  const column = (c: number): number[] => [0, 1, 2].map((r) => rowOf(result, r)[c]!);
  assert(Math.abs(column(0).reduce((a, b) => a + b)) < 1e-12);
  assert(Math.abs(column(0).reduce((a, b) => a + b * b, 0) / 2 - 1) < 1e-12);
  assert.deepEqual(column(1), [0, 0, 0]);
  assert(Number.isNaN(column(2)[1]) && Math.abs(column(2)[0]! + column(2)[2]!) < 1e-12);
});

test("quantiles are linear between neighbours", () => {
  const values = Float64Array.from([4, 1, 3, 2]);
  assert.deepEqual(
    [0, 0.5, 1].map((share) => quantileOf(values, share)),
    [1, 2.5, 4],
  );
  assert(Number.isNaN(quantileOf(new Float64Array(0), 0.5)));
});
