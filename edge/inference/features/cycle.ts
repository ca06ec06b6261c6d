import type { StateReader, StateWriter } from "../state.ts";
import type { CycleFeature } from "./feature.ts";
import type { Step } from "./step.ts";
import type { Window } from "./window.ts";

/** A number per stroke, batch or charge. Missing values are left out; a missing trigger begins nothing. */
export class Cycle implements Step {
  readonly #of: CycleFeature["of"];
  readonly #above: number;
  readonly #input: number;
  readonly #trigger: number;
  /** Where the trigger was: NaN before it was known, so that no cycle begins with the first row. */
  #was = Number.NaN;
  #begun = 0;
  #rows = 0;
  #count = 0;
  #sum = 0;
  #least = Infinity;
  #most = -Infinity;
  #complete = Number.NaN;

  constructor({ of, above }: CycleFeature, input: number, trigger: number) {
    this.#of = of;
    this.#above = above;
    this.#input = input;
    this.#trigger = trigger;
  }

  read(windows: readonly Window[]): number {
    const trigger = windows[this.#trigger]!.back(0);
    if (this.#was < this.#above && trigger >= this.#above) this.#begin();
    if (!Number.isNaN(trigger)) this.#was = trigger;
    const value = windows[this.#input]!.back(0);
    this.#rows++;
    if (!Number.isNaN(value)) {
      this.#count++;
      this.#sum += value;
      if (value < this.#least) this.#least = value;
      if (value > this.#most) this.#most = value;
    }
    return this.#complete;
  }

  #begin(): void {
    // What came before the first trigger is a part of a cycle only.
    if (this.#begun === 1) this.#complete = this.#result();
    this.#begun = 1;
    this.#rows = 0;
    this.#count = 0;
    this.#sum = 0;
    this.#least = Infinity;
    this.#most = -Infinity;
  }

  #result(): number {
    if (this.#of === "rows") return this.#rows;
    if (this.#count === 0) return Number.NaN;
    switch (this.#of) {
      case "mean":
        return this.#sum / this.#count;
      case "min":
        return this.#least;
      case "max":
        return this.#most;
      case "range":
        return this.#most - this.#least;
    }
  }

  save(to: StateWriter): void {
    for (const value of [this.#was, this.#begun, this.#rows, this.#count]) to.number(value);
    for (const value of [this.#sum, this.#least, this.#most, this.#complete]) to.number(value);
  }

  load(from: StateReader): void {
    this.#was = from.number();
    this.#begun = from.number();
    this.#rows = from.number();
    this.#count = from.number();
    this.#sum = from.number();
    this.#least = from.number();
    this.#most = from.number();
    this.#complete = from.number();
  }
}
