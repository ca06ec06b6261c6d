import type { StateReader, StateWriter } from "../state.ts";

const windowValues = 15;
const middle = windowValues >> 1;
/** A spike is this many deviations from the median of its neighbours; 1.4826 MAD is a deviation of a Gaussian. */
const deviations = 6 * 1.4826;
/** Memory for spikes, in values, and how many in it are reported where there were none before. */
const recentValues = 64;
const spikesMin = 2.5;
/** What is usual is learned from the first values, and then slowly: a contact that comes loose must not become usual. */
const firstValues = 150;
const usualWeight = 1 / 4096;

/**
 * Hampel's filter (1974): a value is a spike where it is far from the median of the 7 before and the 7 after it. A
 * step to another level is none. One spike is nothing; several of late, more than this metric is used to, are a
 * loose contact.
 */
export class Hampel {
  readonly #arrived = new Float64Array(windowValues);
  readonly #sorted = new Float64Array(windowValues);
  #count = 0;
  #judged = 0;
  #last = Number.NaN;
  /** The smallest change that was ever seen: a deviation below it is rounding. */
  #resolution = Infinity;
  #usualMad = 0;
  #recent = 0;
  #usual = 0;
  /** The spike seen last, and the median beside it. */
  spike = Number.NaN;
  beside = Number.NaN;

  /** Takes the next value; true while there are too many spikes. With `learn` false what is usual stays as it is. */
  observe(value: number, learn: boolean): boolean {
    const step = Math.abs(value - this.#last);
    if (step > 0 && step < this.#resolution) this.#resolution = step;
    this.#last = value;
    this.#push(value);
    if (this.#count < windowValues) return false;
    const judged = this.#arrived[(this.#count + middle) % windowValues]!;
    const median = this.#sorted[middle]!;
    const mad = this.#mad(median);
    const isSpike = Math.abs(judged - median) > deviations * Math.max(mad, this.#usualMad, this.#resolution);
    if (isSpike) {
      this.spike = judged;
      this.beside = median;
    }
    this.#recent += ((isSpike ? 1 : 0) - this.#recent) / recentValues;
    const expected = this.#usual * recentValues;
    const tooMany = this.#recent * recentValues > spikesMin + expected + 4 * Math.sqrt(expected / 2);
    if (learn && (!tooMany || this.#judged < firstValues)) this.#learn(isSpike, mad);
    return tooMany;
  }

  #learn(isSpike: boolean, mad: number): void {
    if (this.#judged < firstValues) this.#judged++;
    const weight = this.#judged < firstValues ? 1 / this.#judged : usualWeight;
    this.#usual += ((isSpike ? 1 : 0) - this.#usual) * weight;
    this.#usualMad += (mad - this.#usualMad) * weight;
  }

  /** Replaces the oldest of the sorted values by the new one; those between the two places move by one. */
  #push(value: number): void {
    const sorted = this.#sorted;
    const at = this.#count % windowValues;
    const filled = Math.min(this.#count, windowValues);
    let place = filled;
    if (filled === windowValues) place = sorted.indexOf(this.#arrived[at]!);
    for (; place > 0 && sorted[place - 1]! > value; place--) sorted[place] = sorted[place - 1]!;
    for (; place < filled - 1 && sorted[place + 1]! < value; place++) sorted[place] = sorted[place + 1]!;
    sorted[place] = value;
    this.#arrived[at] = value;
    // The ring's place and "full" are all that the count says: it never grows beyond two rounds.
    this.#count = this.#count + 1 === 2 * windowValues ? windowValues : this.#count + 1;
  }

  /** The median of distances: the window is sorted, so the nearest values are beside the median. */
  #mad(median: number): number {
    let below = middle;
    let above = middle;
    let distance = 0;
    for (let found = 1; found <= middle; found++) {
      const down = below > 0 ? median - this.#sorted[below - 1]! : Infinity;
      const up = above < windowValues - 1 ? this.#sorted[above + 1]! - median : Infinity;
      if (down <= up) below--;
      else above++;
      distance = Math.min(down, up);
    }
    return distance;
  }

  save(to: StateWriter): void {
    to.numbers(this.#arrived);
    to.numbers(this.#sorted);
    for (const value of [this.#count, this.#judged, this.#last, this.#resolution, this.#usualMad]) to.number(value);
    for (const value of [this.#recent, this.#usual, this.spike, this.beside]) to.number(value);
  }

  load(from: StateReader): void {
    from.numbers(this.#arrived);
    from.numbers(this.#sorted);
    this.#count = from.number();
    this.#judged = from.number();
    this.#last = from.number();
    this.#resolution = from.number();
    this.#usualMad = from.number();
    this.#recent = from.number();
    this.#usual = from.number();
    this.spike = from.number();
    this.beside = from.number();
  }
}
