import assert from "node:assert/strict";
import { quantileOf } from "./learn/quantile.ts";
import { excessAt, excessesMin, fitTail, type Tail } from "./learn/tail.ts";
import type { StateReader, StateWriter } from "./state.ts";

export interface SpotOptions {
  /** How often a normal value may be above the threshold. */
  readonly risk: number;
  /** Values that are only learned from. */
  readonly firstValues: number;
  /** Part of the values that counts as the tail: the level is set so that so many of the first ones are above it. */
  readonly tailPart: number;
}

export const spotDefaults: SpotOptions = { risk: 1e-4, firstValues: 1000, tailPart: 0.05 };

/** The newest excesses are kept: 256 fit a tail well enough, and let it change. */
const excessesMax = 256;
/**
 * An excess counts as at most this many times the threshold's. Leaving out what is above the threshold, as the paper
 * does, cuts the tail off a little more with each fit until every tenth value is an alarm; counting it whole lets one
 * outlier decide.
 */
const cut = 2;
/** A tail may end this soon: where 256 excesses say sooner, the end that they show is too near by one part in 256. */
const shapeMin = -0.3;
/** How many values the share above the level reaches back, in effect. */
const shareValues = 20_000;

/**
 * A threshold that a stream of scores sets for itself (SPOT, Siffer et al. 2017): so high that a normal score is above
 * it with the given risk, whatever the scores are distributed like. The first values set a level; how far later ones
 * go beyond it, and how often, gives the tail that is extrapolated. Whoever has decided that something is wrong no
 * longer lets it learn. At most 8 kB of state, 2 kB once it has a threshold.
 */
export class Spot {
  readonly #options: SpotOptions;
  /** Until there are enough of them. */
  #first: Float64Array;
  readonly #arrived = new Float64Array(excessesMax);
  readonly #sorted = new Float64Array(excessesMax);
  readonly #tail: Tail = { shape: 0, scale: 0 };
  #seen = 0;
  #level = Number.NaN;
  #share = 0;
  #excesses = 0;
  #at = 0;
  /** Scores above are abnormal. Infinity while it learns. */
  threshold = Infinity;

  constructor(options: SpotOptions = spotDefaults) {
    const { risk, firstValues, tailPart } = options;
    assert(risk > 0 && risk < tailPart && tailPart < 1 && firstValues * tailPart >= excessesMin);
    this.#options = options;
    this.#first = new Float64Array(firstValues);
  }

  get learning(): boolean {
    return this.#seen < this.#options.firstValues;
  }

  /** Takes the next score, which is a number; true where it is above the threshold. With `learn` false nothing moves. */
  observe(score: number, learn: boolean): boolean {
    const isAbove = score > this.threshold;
    if (learn) this.#learn(score);
    return isAbove;
  }

  #learn(score: number): void {
    if (this.learning) {
      this.#first[this.#seen++] = score;
      if (!this.learning) this.#start();
      return;
    }
    const excess = score - this.#level;
    this.#share += ((excess > 0 ? 1 : 0) - this.#share) / shareValues;
    if (!(excess > 0)) return;
    this.#keep(Math.min(excess, cut * (this.threshold - this.#level)));
    this.#setThreshold();
  }

  #start(): void {
    this.#level = quantileOf(this.#first, 1 - this.#options.tailPart);
    let above = 0;
    for (const score of this.#first) {
      if (!(score > this.#level)) continue;
      above++;
      this.#keep(score - this.#level);
    }
    this.#share = above / this.#first.length;
    this.#first = new Float64Array();
    this.#setThreshold();
  }

  /** Puts the excess into its place of the sorted ones; those between it and the place of the oldest move by one. */
  #keep(excess: number): void {
    const sorted = this.#sorted;
    const isFull = this.#excesses === excessesMax;
    let place = isFull ? sorted.indexOf(this.#arrived[this.#at]!) : this.#excesses++;
    const last = this.#excesses - 1;
    for (; place > 0 && sorted[place - 1]! > excess; place--) sorted[place] = sorted[place - 1]!;
    for (; place < last && sorted[place + 1]! < excess; place++) sorted[place] = sorted[place + 1]!;
    sorted[place] = excess;
    this.#arrived[this.#at] = excess;
    this.#at = (this.#at + 1) % excessesMax;
  }

  #setThreshold(): void {
    const largest = this.#sorted[this.#excesses - 1] ?? 0;
    if (this.#excesses < excessesMin || !fitTail(this.#sorted, this.#excesses, this.#tail)) {
      // No tail to go by: what was seen is normal, and anything beyond it is not.
      this.threshold = this.#level + largest;
      return;
    }
    if (this.#tail.shape < shapeMin) {
      // The mean excess stays: scale / (1 - shape).
      this.#tail.scale *= (1 - shapeMin) / (1 - this.#tail.shape);
      this.#tail.shape = shapeMin;
    }
    const beyond = Math.min(1, this.#options.risk / this.#share);
    this.threshold = this.#level + excessAt(this.#tail, beyond);
  }

  save(to: StateWriter): void {
    for (const value of [this.#seen, this.#level, this.#share, this.#excesses, this.#at]) to.number(value);
    to.number(this.threshold);
    to.numbers(this.learning ? this.#first.subarray(0, this.#seen) : this.#arrived.subarray(0, this.#excesses));
  }

  load(from: StateReader): void {
    this.#seen = from.number();
    this.#level = from.number();
    this.#share = from.number();
    this.#excesses = from.number();
    this.#at = from.number();
    this.threshold = from.number();
    if (!(this.#seen <= this.#options.firstValues && this.#excesses <= excessesMax)) {
      throw new RangeError("the state of a threshold is of another layout");
    }
    this.#first = new Float64Array(this.learning ? this.#options.firstValues : 0);
    if (this.learning) {
      from.numbers(this.#first.subarray(0, this.#seen));
      return;
    }
    const kept = this.#arrived.subarray(0, this.#excesses);
    from.numbers(kept);
    this.#sorted.set(kept);
    this.#sorted.subarray(0, this.#excesses).sort();
  }
}
