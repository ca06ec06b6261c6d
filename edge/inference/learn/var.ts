import {
  backwardSolve,
  choleskyOf,
  covarianceOf,
  forwardSolve,
  matrixOf,
  rowOf,
  rowsOf,
  type Matrix,
} from "./matrix.ts";

/** x(t) = A x(t-1) + e(t) by ridge regression on scaled rows, and the e(t) that remain. */
export function fitAutoregression(rows: Matrix, ridge: number): { coefficients: Matrix; innovations: Matrix } {
  const n = rows.columns;
  const before = rowsOf(rows, 0, rows.rows - 1);
  const after = rowsOf(rows, 1, rows.rows);
  const covariance = covarianceOf(before);
  for (let i = 0; i < n; i++) covariance.data[i * n + i]! += ridge;
  const lower = choleskyOf(covariance);
  const coefficients = crossCovariance(after, before);
  for (let i = 0; i < n; i++) {
    forwardSolve(lower, rowOf(coefficients, i));
    backwardSolve(lower, rowOf(coefficients, i));
  }
  return { coefficients, innovations: innovationsOf(coefficients, before, after) };
}

/** Row i, column j: how input i after goes with input j before. */
function crossCovariance(after: Matrix, before: Matrix): Matrix {
  const n = after.columns;
  const result = matrixOf(n, n);
  for (let r = 0; r < after.rows; r++) {
    for (let i = 0; i < n; i++) {
      const value = after.data[r * n + i]! / Math.max(after.rows - 1, 1);
      for (let j = 0; j < n; j++) result.data[i * n + j]! += value * before.data[r * n + j]!;
    }
  }
  return result;
}

function innovationsOf(coefficients: Matrix, before: Matrix, after: Matrix): Matrix {
  const n = after.columns;
  const result = matrixOf(after.rows, n);
  for (let r = 0; r < after.rows; r++) {
    for (let i = 0; i < n; i++) {
      let expected = 0;
      for (let j = 0; j < n; j++) expected += coefficients.data[i * n + j]! * before.data[r * n + j]!;
      result.data[r * n + i] = after.data[r * n + i]! - expected;
    }
  }
  return result;
}
