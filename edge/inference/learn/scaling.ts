import { rowOf, type Matrix } from "./matrix.ts";

/** Mean and deviation of every column, fitted on normal data. */
export interface Scaling {
  readonly means: Float64Array;
  readonly deviations: Float64Array;
}

/** Leaves out missing numbers. A column that never changes is scaled by 1. */
export function scalingOf(matrix: Matrix): Scaling {
  const { rows, columns } = matrix;
  const means = new Float64Array(columns);
  const deviations = new Float64Array(columns);
  for (let c = 0; c < columns; c++) {
    let count = 0;
    let sum = 0;
    for (let r = 0; r < rows; r++) {
      const value = matrix.data[r * columns + c]!;
      if (Number.isNaN(value)) continue;
      count++;
      sum += value;
    }
    const mean = count === 0 ? 0 : sum / count;
    let squares = 0;
    for (let r = 0; r < rows; r++) {
      const difference = matrix.data[r * columns + c]! - mean;
      if (!Number.isNaN(difference)) squares += difference * difference;
    }
    means[c] = mean;
    const deviation = Math.sqrt(squares / Math.max(count - 1, 1));
    // Below the resolution of the numbers themselves it is rounding, not variation.
    deviations[c] = deviation > 1e-12 * Math.abs(mean) ? deviation : 1;
  }
  return { means, deviations };
}

/** `into` = (row - means) / deviations; missing stays missing. */
export function scaleRow({ means, deviations }: Scaling, row: Float64Array, into: Float64Array): void {
  for (let c = 0; c < means.length; c++) into[c] = (row[c]! - means[c]!) / deviations[c]!;
}

export function scaled(scaling: Scaling, matrix: Matrix): Matrix {
  const result = { ...matrix, data: new Float64Array(matrix.data.length) };
  for (let r = 0; r < matrix.rows; r++) scaleRow(scaling, rowOf(matrix, r), rowOf(result, r));
  return result;
}
