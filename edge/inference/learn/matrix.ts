/** Numbers in rows, one after another. NaN is a missing number where a function says that it takes them. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export function matrixOf(rows: number, columns: number): Matrix {
  return { rows, columns, data: new Float64Array(rows * columns) };
}

export function matrixFrom(rows: readonly ArrayLike<number>[]): Matrix {
  const matrix = matrixOf(rows.length, rows[0]?.length ?? 0);
  rows.forEach((row, i) => matrix.data.set(row, i * matrix.columns));
  return matrix;
}

/** A view, not a copy. */
export function rowOf({ data, columns }: Matrix, row: number): Float64Array {
  return data.subarray(row * columns, (row + 1) * columns);
}

/** Rows from `first` to before `end`: a view. */
export function rowsOf({ data, columns }: Matrix, first: number, end: number): Matrix {
  return { rows: end - first, columns, data: data.subarray(first * columns, end * columns) };
}

/** XᵀX / (rows - 1) of rows whose mean is 0. */
export function covarianceOf({ rows, columns, data }: Matrix): Matrix {
  const sum = matrixOf(columns, columns);
  for (let r = 0; r < rows; r++) addOuter(sum.data, data, r * columns, columns);
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j <= i; j++) {
      sum.data[i * columns + j]! /= Math.max(rows - 1, 1);
      sum.data[j * columns + i] = sum.data[i * columns + j]!;
    }
  }
  return sum;
}

function addOuter(sum: Float64Array, data: Float64Array, first: number, columns: number): void {
  for (let i = 0; i < columns; i++) {
    const value = data[first + i]!;
    for (let j = 0; j <= i; j++) sum[i * columns + j]! += value * data[first + j]!;
  }
}

export function transposeOf({ rows, columns, data }: Matrix): Matrix {
  const result = matrixOf(columns, rows);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result.data[c * rows + r] = data[r * columns + c]!;
  return result;
}

export function productOf(a: Matrix, b: Matrix): Matrix {
  const result = matrixOf(a.rows, b.columns);
  for (let r = 0; r < a.rows; r++) {
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[r * a.columns + k]!;
      for (let c = 0; c < b.columns; c++) result.data[r * b.columns + c]! += factor * b.data[k * b.columns + c]!;
    }
  }
  return result;
}

export interface Eigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** One vector of length 1 per row, in the order of the values. */
  readonly vectors: Matrix;
}

/**
 * Eigenvalues and vectors of a symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, §8.5): slower than
 * others, accurate to the last digits, and the same on every machine. The sign of a vector is chosen so that its
 * largest element is positive.
 */
export function eigenOf(symmetric: Matrix): Eigen {
  const n = symmetric.rows;
  const a = symmetric.data.slice();
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  for (let sweep = 0; sweep < 60 && offDiagonal(a, n) > 0; sweep++) {
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(a, v, n, p, q);
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j]! - a[i * n + i]!);
  const vectors = matrixOf(n, n);
  order.forEach((from, to) => rowOf(vectors, to).set(positive(v.subarray(from * n, (from + 1) * n))));
  return { values: Float64Array.from(order, (i) => a[i * n + i]!), vectors };
}

/** Sum of squares beside the diagonal; 0 once it is nothing beside the diagonal's own. */
function offDiagonal(a: Float64Array, n: number): number {
  let off = 0;
  let diagonal = 0;
  for (let i = 0; i < n; i++) {
    diagonal += a[i * n + i]! ** 2;
    for (let j = 0; j < i; j++) off += a[i * n + j]! ** 2;
  }
  return off > 1e-28 * diagonal ? off : 0;
}

/** Makes a[p][q] zero. `v` holds the vectors as rows. */
function rotate(a: Float64Array, v: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q]!;
  if (apq === 0) return;
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, c, s);
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, c, s);
  for (let k = 0; k < n; k++) turn(v, p * n + k, q * n + k, c, s);
}

function turn(data: Float64Array, i: number, j: number, c: number, s: number): void {
  const x = data[i]!;
  const y = data[j]!;
  data[i] = c * x - s * y;
  data[j] = s * x + c * y;
}

function positive(vector: Float64Array): Float64Array {
  let largest = 0;
  for (const x of vector) if (Math.abs(x) > Math.abs(largest)) largest = x;
  return largest < 0 ? vector.map((x) => -x) : vector;
}

/** Lower triangle L of a symmetric positive definite matrix, L Lᵀ = A. Throws a RangeError where it is not. */
export function choleskyOf({ rows: n, data }: Matrix): Matrix {
  const lower = matrixOf(n, n);
  const l = lower.data;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = data[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i !== j) l[i * n + j] = sum / l[j * n + j]!;
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else throw new RangeError("the matrix is not positive definite");
    }
  }
  return lower;
}

/** Replaces `x` by L⁻¹ x. */
export function forwardSolve({ rows: n, data: l }: Matrix, x: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = x[i]!;
    for (let k = 0; k < i; k++) sum -= l[i * n + k]! * x[k]!;
    x[i] = sum / l[i * n + i]!;
  }
}

/** Replaces `x` by L⁻ᵀ x. */
export function backwardSolve({ rows: n, data: l }: Matrix, x: Float64Array): void {
  for (let i = n - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let k = i + 1; k < n; k++) sum -= l[k * n + i]! * x[k]!;
    x[i] = sum / l[i * n + i]!;
  }
}

/** (L Lᵀ)⁻¹. */
export function inverseOf(lower: Matrix): Matrix {
  const inverse = matrixOf(lower.rows, lower.rows);
  for (let i = 0; i < lower.rows; i++) {
    const row = rowOf(inverse, i);
    row[i] = 1;
    forwardSolve(lower, row);
    backwardSolve(lower, row);
  }
  return inverse;
}
