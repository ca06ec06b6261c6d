import { backwardSolve, forwardSolve, matrixOf, rowOf, type Matrix } from "../learn/matrix.ts";
import type { StateReader, StateWriter } from "../state.ts";
import { smooth, type Chart } from "./chart.ts";

/** Canonical variates: what the last rows say of those to come. */
export interface CvaModel {
  readonly kind: "cva";
  readonly smoothing: number;
  /** Rows of the past that are looked at, this one among them. */
  readonly lags: number;
  /** L Lᵀ is the covariance of the past: all its rows one after another, the newest first. */
  readonly lower: Matrix;
  /** One state per row: a direction of the whitened past that tells most of the future. */
  readonly states: Matrix;
}

/**
 * How far the past of a row is from normal, as T² of the states that matter for what follows and of the rest of the
 * past, each raw and smoothed (Odiowei and Cao 2010). Needs rows at an even pace.
 */
export class CvaChart implements Chart {
  readonly statistics = new Float64Array(4);
  readonly names = ["T² of the states", "Q", "T² of the states smoothed", "Q smoothed"];
  readonly settlingRows: number;
  readonly #model: CvaModel;
  readonly #inputs: number;
  readonly #past: Float64Array;
  readonly #mean: Float64Array;
  readonly #white: Float64Array;
  readonly #part: Float64Array;
  /** Made when they are needed for the first time: M_ii along and beside the states, rows of Σ⁻¹ for this row's inputs. */
  #diagonals: readonly Float64Array[] | undefined;
  #precision: Matrix | undefined;

  constructor(model: CvaModel) {
    this.#model = model;
    this.settlingRows = Math.ceil(1 / model.smoothing) + model.lags;
    const length = model.lower.rows;
    this.#inputs = length / model.lags;
    this.#past = new Float64Array(length);
    this.#mean = new Float64Array(length);
    this.#white = new Float64Array(length);
    this.#part = new Float64Array(length);
  }

  measure(row: Float64Array, missing: Uint8Array): void {
    const past = this.#past;
    past.copyWithin(this.#inputs, 0);
    past.set(row);
    if (missing.includes(1)) this.#fill(row, missing);
    smooth(this.#mean, past, this.#model.smoothing);
    this.#distances(past, 0);
    this.#distances(this.#mean, 2);
  }

  /** The most likely values of the missing inputs, given all else of the past: Gauss–Seidel on (Σ⁻¹ p) = 0 for them. */
  #fill(row: Float64Array, missing: Uint8Array): void {
    const { data, columns } = (this.#precision ??= this.#precisionOfRow());
    const past = this.#past;
    for (let i = 0; i < this.#inputs; i++) if (missing[i] === 1) past[i] = 0;
    for (let step = 0; step < 5; step++) {
      for (let i = 0; i < this.#inputs; i++) {
        if (missing[i] === 0) continue;
        let rest = 0;
        for (let j = 0; j < columns; j++) if (j !== i) rest += data[i * columns + j]! * past[j]!;
        past[i] = -rest / data[i * columns + i]!;
      }
    }
    row.set(past.subarray(0, this.#inputs));
  }

  #precisionOfRow(): Matrix {
    const result = matrixOf(this.#inputs, this.#past.length);
    for (let i = 0; i < this.#inputs; i++) {
      const row = rowOf(result, i);
      row[i] = 1;
      forwardSolve(this.#model.lower, row);
      backwardSolve(this.#model.lower, row);
    }
    return result;
  }

  #distances(past: Float64Array, first: number): void {
    this.#whiten(past);
    let known = 0;
    let whole = 0;
    const { data, rows, columns } = this.#model.states;
    for (let s = 0; s < rows; s++) {
      let state = 0;
      for (let i = 0; i < columns; i++) state += data[s * columns + i]! * this.#white[i]!;
      known += state * state;
    }
    for (const value of this.#white) whole += value * value;
    this.statistics[first] = known;
    this.statistics[first + 1] = Math.max(whole - known, 0);
  }

  #whiten(past: Float64Array): void {
    this.#white.set(past);
    forwardSolve(this.#model.lower, this.#white);
  }

  /**
   * By reconstruction (Alcala and Qin 2009): how much smaller the statistic pᵀ M p could be if one number of the past
   * were another, (M p)²_i / M_ii, summed over the rows of the past. A share of the statistic itself would smear.
   */
  contributions(statistic: number, into: Float64Array): void {
    const isState = statistic % 2 === 0;
    const part = this.#part;
    this.#whiten(statistic < 2 ? this.#past : this.#mean);
    this.#project(this.#white, isState);
    backwardSolve(this.#model.lower, part);
    this.#diagonals ??= [this.#diagonalOf(true), this.#diagonalOf(false)];
    const diagonal = this.#diagonals[isState ? 0 : 1]!;
    into.fill(0);
    const sums = part.map((value, i) => (diagonal[i]! > 0 ? (value * value) / diagonal[i]! : 0));
    for (let i = 0; i < sums.length; i++) into[i % this.#inputs]! += sums[i]!;
  }

  /** Sets `part` to what of a whitened past lies along the states, or beside them. */
  #project(white: Float64Array, along: boolean): void {
    const { data, rows, columns } = this.#model.states;
    const part = this.#part;
    part.fill(0);
    for (let s = 0; s < rows; s++) {
      let state = 0;
      for (let i = 0; i < columns; i++) state += data[s * columns + i]! * white[i]!;
      for (let i = 0; i < columns; i++) part[i]! += state * data[s * columns + i]!;
    }
    if (!along) for (let i = 0; i < part.length; i++) part[i] = white[i]! - part[i]!;
  }

  /** M_ii = |P L⁻¹ e_i|². */
  #diagonalOf(along: boolean): Float64Array {
    const unit = new Float64Array(this.#past.length);
    const kept = this.#part.slice();
    const result = unit.map((_, i) => {
      unit.fill(0);
      unit[i] = 1;
      forwardSolve(this.#model.lower, unit);
      this.#project(unit, along);
      return this.#part.reduce((sum, value) => sum + value * value, 0);
    });
    this.#part.set(kept);
    return result;
  }

  forgetContext(): void {
    this.#past.fill(0);
    this.#mean.fill(0);
  }

  save(to: StateWriter): void {
    to.numbers(this.#past);
    to.numbers(this.#mean);
  }

  load(from: StateReader): void {
    from.numbers(this.#past);
    from.numbers(this.#mean);
  }
}
