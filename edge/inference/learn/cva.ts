import {
  choleskyOf,
  covarianceOf,
  eigenOf,
  forwardSolve,
  matrixOf,
  productOf,
  rowOf,
  rowsOf,
  transposeOf,
  type Matrix,
} from "./matrix.ts";

/**
 * The directions of the past that go most with the future (Larimore 1990), on scaled rows: both are whitened, and the
 * right singular vectors of their covariance are taken, down to a canonical correlation.
 */
export function fitVariates(
  rows: Matrix,
  { lags, ridge, correlation }: { readonly lags: number; readonly ridge: number; readonly correlation: number },
): { lower: Matrix; states: Matrix } {
  const count = rows.rows - 2 * lags + 1;
  if (count < 2) throw new RangeError(`${rows.rows} rows are too few for ${lags} lags`);
  const past = stretches(rows, count, (r, lag) => r + lags - 1 - lag, lags);
  const future = stretches(rows, count, (r, lag) => r + lags + lag, lags);
  const lower = choleskyOf(withRidge(covarianceOf(past), ridge));
  const whitePast = whitened(past, lower);
  const whiteFuture = whitened(future, choleskyOf(withRidge(covarianceOf(future), ridge)));
  const cross = productOf(transposeOf(whiteFuture), whitePast);
  for (let i = 0; i < cross.data.length; i++) cross.data[i]! /= count - 1;
  const { values, vectors } = eigenOf(productOf(transposeOf(cross), cross));
  const states = Math.max(1, values.findLastIndex((value) => value >= correlation * correlation) + 1);
  return { lower, states: { ...rowsOf(vectors, 0, states), data: vectors.data.slice(0, states * vectors.columns) } };
}

function stretches(rows: Matrix, count: number, at: (row: number, lag: number) => number, lags: number): Matrix {
  const result = matrixOf(count, lags * rows.columns);
  for (let r = 0; r < count; r++) {
    for (let lag = 0; lag < lags; lag++) rowOf(result, r).set(rowOf(rows, at(r, lag)), lag * rows.columns);
  }
  return result;
}

function withRidge(covariance: Matrix, ridge: number): Matrix {
  for (let i = 0; i < covariance.rows; i++) covariance.data[i * covariance.columns + i]! += ridge;
  return covariance;
}

function whitened(rows: Matrix, lower: Matrix): Matrix {
  const result = { ...rows, data: rows.data.slice() };
  for (let r = 0; r < rows.rows; r++) forwardSolve(lower, rowOf(result, r));
  return result;
}
