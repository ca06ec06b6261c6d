import { covarianceOf, eigenOf, matrixOf, type Matrix } from "./matrix.ts";

/** The main directions of normal data, and how far it spreads in each. */
export interface Pca {
  readonly inputs: number;
  readonly components: number;
  /** One component per row, the widest first. */
  readonly loadings: Matrix;
  /** Variance along each component. */
  readonly variances: Float64Array;
}

/** Keeps as many components as explain `share` of the variance. Rows have mean 0 and nothing missing. */
export function fitPca(rows: Matrix, share: number): Pca {
  const { values, vectors } = eigenOf(covarianceOf(rows));
  const components = componentsFor(values, share);
  const loadings = matrixOf(components, rows.columns);
  loadings.data.set(vectors.data.subarray(0, components * rows.columns));
  return { inputs: rows.columns, components, loadings, variances: values.slice(0, components) };
}

function componentsFor(values: Float64Array, share: number): number {
  const total = values.reduce((sum, value) => sum + Math.max(value, 0), 0);
  let explained = 0;
  for (let i = 0; i < values.length; i++) {
    // A direction without variance has no scale to judge by: it belongs to the residual.
    if (explained >= share * total || values[i]! <= 1e-10 * values[0]!) return Math.max(i, 1);
    explained += values[i]!;
  }
  return values.length;
}

/** How far a row is from normal: T² within the model's directions, Q beside them (Jackson and Mudholkar 1979). */
export class PcaDistance {
  readonly #pca: Pca;
  readonly #scores: Float64Array;
  readonly #residual: Float64Array;
  t2 = 0;
  q = 0;

  constructor(pca: Pca) {
    this.#pca = pca;
    this.#scores = new Float64Array(pca.components);
    this.#residual = new Float64Array(pca.inputs);
  }

  /** Sets `t2` and `q` for a scaled row without missing numbers. */
  measure(row: Float64Array): void {
    const { inputs, components, loadings, variances } = this.#pca;
    const p = loadings.data;
    const residual = this.#residual;
    residual.set(row);
    let t2 = 0;
    for (let a = 0, at = 0; a < components; a++, at += inputs) {
      let score = 0;
      for (let j = 0; j < inputs; j++) score += p[at + j]! * row[j]!;
      this.#scores[a] = score;
      t2 += (score * score) / variances[a]!;
      for (let j = 0; j < inputs; j++) residual[j]! -= p[at + j]! * score;
    }
    let q = 0;
    for (let j = 0; j < inputs; j++) q += residual[j]! * residual[j]!;
    this.t2 = t2;
    this.q = q;
  }

  /** What each input of the row measured last adds to Q. */
  contributionsToQ(into: Float64Array): void {
    for (let j = 0; j < into.length; j++) into[j] = this.#residual[j]! ** 2;
  }

  /** What each input of the row measured last adds to T²: z_j Σ_a t_a p_aj / λ_a. An input may take away. */
  contributionsToT2(row: Float64Array, into: Float64Array): void {
    const { inputs, components, loadings, variances } = this.#pca;
    for (let j = 0; j < inputs; j++) {
      let sum = 0;
      for (let a = 0; a < components; a++) sum += (this.#scores[a]! * loadings.data[a * inputs + j]!) / variances[a]!;
      into[j] = row[j]! * sum;
    }
  }

  /** Puts what the model expects in the place of missing numbers: a few steps of projection from where the row was last. */
  fillMissing(row: Float64Array, missing: Uint8Array): void {
    for (let j = 0; j < row.length; j++) if (missing[j] === 1) row[j] = 0;
    for (let step = 0; step < 5; step++) {
      this.measure(row);
      for (let j = 0; j < row.length; j++) if (missing[j] === 1) row[j]! -= this.#residual[j]!;
    }
  }
}
