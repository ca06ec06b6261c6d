import type { StateReader, StateWriter } from "../state.ts";
import type { Step } from "./step.ts";
import type { Window } from "./window.ts";

/** How far the mean of the last rows is from that of the machine's first rows. */
export class Drift implements Step {
  readonly #input: number;
  readonly #rows: number;
  readonly #firstRows: number;
  #count = 0;
  #sum = 0;

  constructor(input: number, rows: number, firstRows: number) {
    this.#input = input;
    this.#rows = rows;
    this.#firstRows = firstRows;
  }

  read(windows: readonly Window[], _rows: number, age: number): number {
    const window = windows[this.#input]!;
    const value = window.back(0);
    if (age <= this.#firstRows && !Number.isNaN(value)) {
      this.#count++;
      this.#sum += value;
    }
    return window.mean(this.#rows) - this.#sum / this.#count;
  }

  save(to: StateWriter): void {
    to.number(this.#count);
    to.number(this.#sum);
  }

  load(from: StateReader): void {
    this.#count = from.number();
    this.#sum = from.number();
  }
}
