import { backwardSolve, forwardSolve, inverseOf, type Matrix } from "../learn/matrix.ts";
import type { StateReader, StateWriter } from "../state.ts";
import { smooth, type Chart } from "./chart.ts";

/** A vector autoregression of order 1: x(t) = A x(t-1) + e(t), with L Lᵀ the covariance of e on normal data. */
export interface VarModel {
  readonly kind: "var";
  readonly smoothing: number;
  readonly coefficients: Matrix;
  readonly lower: Matrix;
}

/**
 * What a row brings that the row before did not announce (its innovation e), as eᵀ (L Lᵀ)⁻¹ e, raw and smoothed. Sees
 * faults that a controller compensates and that hide in each row's usual spread; needs rows at an even pace.
 */
export class VarChart implements Chart {
  readonly statistics = new Float64Array(2);
  readonly names = ["T² of the innovation", "T² of the innovation smoothed"];
  readonly settlingRows: number;
  readonly #model: VarModel;
  readonly #before: Float64Array;
  readonly #innovation: Float64Array;
  readonly #mean: Float64Array;
  readonly #white: Float64Array;
  readonly #expected: Float64Array;
  readonly #precision: Matrix;
  #follows = false;

  constructor(model: VarModel) {
    const inputs = model.coefficients.rows;
    this.#model = model;
    this.settlingRows = Math.ceil(1 / model.smoothing);
    this.#before = new Float64Array(inputs);
    this.#innovation = new Float64Array(inputs);
    this.#mean = new Float64Array(inputs);
    this.#white = new Float64Array(inputs);
    this.#expected = new Float64Array(inputs);
    this.#precision = inverseOf(model.lower);
  }

  measure(row: Float64Array, missing: Uint8Array): void {
    this.#innovate(row, missing);
    this.#before.set(row);
    this.#follows = true;
    smooth(this.#mean, this.#innovation, this.#model.smoothing);
    this.statistics[0] = this.#distance(this.#innovation);
    this.statistics[1] = this.#distance(this.#mean);
  }

  /** Without a row before there is no innovation. What is missing is as the rest of the row lets expect. */
  #innovate(row: Float64Array, missing: Uint8Array): void {
    const { data, columns } = this.#model.coefficients;
    const innovation = this.#innovation;
    for (let i = 0; i < columns; i++) {
      let expected = 0;
      for (let j = 0; j < columns; j++) expected += data[i * columns + j]! * this.#before[j]!;
      this.#expected[i] = expected;
      innovation[i] = this.#follows && missing[i] === 0 ? row[i]! - expected : 0;
    }
    if (!missing.includes(1)) return;
    this.#fill(innovation, missing);
    for (let i = 0; i < columns; i++) if (missing[i] === 1) row[i] = this.#expected[i]! + innovation[i]!;
  }

  /** The most likely innovations of the missing inputs, given the others: Gauss–Seidel on (S⁻¹ e) = 0 for them. */
  #fill(innovation: Float64Array, missing: Uint8Array): void {
    const { data, columns } = this.#precision;
    for (let step = 0; step < 5; step++) {
      for (let i = 0; i < columns; i++) {
        if (missing[i] === 0) continue;
        let rest = 0;
        for (let j = 0; j < columns; j++) if (j !== i) rest += data[i * columns + j]! * innovation[j]!;
        innovation[i] = -rest / data[i * columns + i]!;
      }
    }
  }

  #distance(innovation: Float64Array): number {
    const white = this.#white;
    white.set(innovation);
    forwardSolve(this.#model.lower, white);
    let sum = 0;
    for (let i = 0; i < white.length; i++) sum += white[i]! * white[i]!;
    return sum;
  }

  /** e_i (S⁻¹ e)_i: the sum over all inputs is the statistic. */
  contributions(statistic: number, into: Float64Array): void {
    const innovation = statistic === 0 ? this.#innovation : this.#mean;
    into.set(innovation);
    forwardSolve(this.#model.lower, into);
    backwardSolve(this.#model.lower, into);
    for (let i = 0; i < into.length; i++) into[i]! *= innovation[i]!;
  }

  forgetContext(): void {
    this.#follows = false;
    this.#before.fill(0);
    this.#mean.fill(0);
  }

  save(to: StateWriter): void {
    to.number(this.#follows ? 1 : 0);
    to.numbers(this.#before);
    to.numbers(this.#mean);
  }

  load(from: StateReader): void {
    this.#follows = from.number() === 1;
    from.numbers(this.#before);
    from.numbers(this.#mean);
  }
}
