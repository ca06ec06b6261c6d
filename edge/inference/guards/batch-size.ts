import type { StateReader, StateWriter } from "../state.ts";

/** Batches of 1, 2, 4 … 128 values can be chosen; those up to 16 times as large show whether they may. */
const levels = 12;
const further = 4;
/** Of the largest batches that are looked at; 16 times as many of those that are chosen. */
const batchesMin = 64;
/** Batches may follow the one before this closely … */
const correlationMax = 0.15;
/** … and the variance of larger batches may be this many times what chance alone leaves of it. */
const wanderMax = 1.5;

/** Of each level: batches, their mean, sum of squares about it, sum of squared differences, the last one, one that waits. */
const fields = 6;

/**
 * Finds how many values must be averaged until the averages no longer follow each other: charts take every point for
 * news, and a slow process measured fast would alarm them all day (Runger and Willemain 1995). A process that has no
 * such size wanders, and is never found.
 */
export class BatchSize {
  readonly #state = new Float64Array(levels * fields).fill(Number.NaN);
  /** Values per batch; 0 until it is known. */
  size = 0;
  /** Of the batches of that size, when it was found. */
  mean = 0;
  variance = 0;

  constructor() {
    for (let level = 0; level < levels; level++) this.#state.fill(0, level * fields, level * fields + 4);
  }

  observe(value: number): void {
    let batch = value;
    for (let level = 0; level < levels && this.size === 0; level++) {
      this.#count(level, batch);
      const waiting = this.#state[level * fields + 5]!;
      this.#state[level * fields + 5] = Number.isNaN(waiting) ? batch : Number.NaN;
      if (Number.isNaN(waiting)) return;
      batch = (waiting + batch) / 2;
    }
  }

  #count(level: number, batch: number): void {
    const state = this.#state;
    const at = level * fields;
    const count = ++state[at]!;
    const difference = batch - state[at + 1]!;
    state[at + 1]! += difference / count;
    state[at + 2]! += difference * (batch - state[at + 1]!);
    const step = batch - state[at + 4]!;
    if (count > 1) state[at + 3]! += step * step;
    state[at + 4] = batch;
    // Looked at seldom, and less and less: whoever looks often enough finds what he wants by chance.
    if (count >= batchesMin && (count & (count - 1)) === 0 && level >= further) this.#consider(level - further);
  }

  #consider(level: number): void {
    const state = this.#state;
    const at = level * fields;
    // Von Neumann's ratio of squared differences and squares is 2 (1 - correlation).
    if (!(1 - state[at + 3]! / state[at + 2]! / 2 < correlationMax)) return;
    const variance = this.#variance(level);
    for (let more = 1; more <= further; more++) {
      if (this.#variance(level + more) * 2 ** more > wanderMax * variance) return;
    }
    this.size = 2 ** level;
    this.mean = state[at + 1]!;
    this.variance = variance;
  }

  #variance(level: number): number {
    return this.#state[level * fields + 2]! / this.#state[level * fields]!;
  }

  save(to: StateWriter): void {
    to.numbers(this.#state);
    to.number(this.size);
    to.number(this.mean);
    to.number(this.variance);
  }

  load(from: StateReader): void {
    from.numbers(this.#state);
    this.size = from.number();
    this.mean = from.number();
    this.variance = from.number();
  }
}
