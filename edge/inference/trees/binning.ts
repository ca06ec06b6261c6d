import type { Matrix } from "../learn/matrix.ts";

/** Training rows as numbers of bins, column after column: what trees are grown from. */
export interface Binned {
  readonly rows: number;
  readonly columns: number;
  /** Bin of row r in column c at c × rows + r. Bin 0 is also what is missing. */
  readonly bins: Uint8Array;
  /** Per column the upper edge of each bin but the last, so that bin b holds values in (edge b-1, edge b]. */
  readonly edges: readonly Float64Array[];
}

/** So that the number of a bin fits into a byte, with one to spare. */
export const binsMax = 255;

/** Cuts every column into at most 255 bins that hold about as many rows each. */
export function binned(matrix: Matrix): Binned {
  const { rows, columns } = matrix;
  const bins = new Uint8Array(rows * columns);
  const edges: Float64Array[] = [];
  for (let c = 0; c < columns; c++) {
    const values = Float64Array.from({ length: rows }, (_, r) => matrix.data[r * columns + c]!);
    const columnEdges = edgesOf(values);
    edges.push(columnEdges);
    for (let r = 0; r < rows; r++) bins[c * rows + r] = binOf(values[r]!, columnEdges);
  }
  return { rows, columns, bins, edges };
}

/** Halfway between neighbours, so that a value of tomorrow falls where it is closer. */
function edgesOf(values: Float64Array): Float64Array {
  const sorted = values.filter(Number.isFinite).sort();
  const edges: number[] = [];
  for (let b = 1; b < binsMax; b++) {
    const at = Math.floor((b * sorted.length) / binsMax);
    const next = upperBound(sorted, sorted[at]!);
    if (next >= sorted.length) break;
    const edge = sorted[next - 1]! + (sorted[next]! - sorted[next - 1]!) / 2;
    if (edge > (edges.at(-1) ?? -Infinity)) edges.push(edge);
  }
  return Float64Array.from(edges);
}

/** The first index whose member is larger. */
function upperBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Bins whose upper edge is below the value; 0 for what is missing. */
function binOf(value: number, edges: Float64Array): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value > edges[middle]!) low = middle + 1;
    else high = middle;
  }
  return low;
}
