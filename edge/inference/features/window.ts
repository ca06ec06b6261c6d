import type { StateReader, StateWriter } from "../state.ts";

/** The last values of one input. Sums are taken anew each time, from old to new: nothing can add up. */
export class Window {
  readonly #values: Float64Array;
  #at = 0;

  constructor(length: number) {
    this.#values = new Float64Array(length).fill(Number.NaN);
  }

  push(value: number): void {
    this.#at = (this.#at + 1) % this.#values.length;
    this.#values[this.#at] = value;
  }

  /** The value so many rows ago; NaN before there were so many. */
  back(rows: number): number {
    const at = this.#at - rows;
    return this.#values[at < 0 ? at + this.#values.length : at]!;
  }

  mean(rows: number): number {
    let sum = 0;
    let count = 0;
    for (let i = rows - 1; i >= 0; i--) {
      const value = this.back(i);
      if (Number.isNaN(value)) continue;
      sum += value;
      count++;
    }
    return sum / count;
  }

  slope(rows: number): number {
    const mean = this.mean(rows);
    let count = 0;
    let sumOfTimes = 0;
    for (let i = rows - 1; i >= 0; i--) {
      if (Number.isNaN(this.back(i))) continue;
      sumOfTimes -= i;
      count++;
    }
    const meanTime = sumOfTimes / count;
    let products = 0;
    let squares = 0;
    for (let i = rows - 1; i >= 0; i--) {
      const value = this.back(i);
      if (Number.isNaN(value)) continue;
      const time = -i - meanTime;
      products += time * (value - mean);
      squares += time * time;
    }
    return squares === 0 ? 0 : products / squares;
  }

  save(to: StateWriter): void {
    to.number(this.#at);
    to.numbers(this.#values);
  }

  load(from: StateReader): void {
    this.#at = from.number();
    from.numbers(this.#values);
  }
}
