import type { StateReader, StateWriter } from "../state.ts";

/** The newest samples, and the ones before them that they are compared with. */
const newest = 30;
const olderOnes = 90;
const windowSamples = newest + olderOnes;

/**
 * Windowed test of Kolmogorov and Smirnov (KSWIN, Raab, Heusinger and Schleif 2020): are the newest samples drawn
 * larger than those before? The paper draws the older ones at random to save time; with so few all of them are taken,
 * which needs no luck and gives the same answer after a restart.
 */
export class Kswin {
  readonly #ring = new Float64Array(windowSamples);
  readonly #sortedNew = new Float64Array(newest);
  readonly #sortedOld = new Float64Array(olderOnes);
  #at = 0;
  #count = 0;

  add(sample: number): void {
    this.#ring[this.#at] = sample;
    this.#at = (this.#at + 1) % windowSamples;
    if (this.#count < windowSamples) this.#count++;
  }

  /** Probability that chance alone makes the newest so much larger; 1 until the window is full. */
  test(): number {
    if (this.#count < windowSamples) return 1;
    for (let i = 0; i < windowSamples; i++) {
      const sample = this.#ring[(this.#at + i) % windowSamples]!;
      if (i < olderOnes) this.#sortedOld[i] = sample;
      else this.#sortedNew[i - olderOnes] = sample;
    }
    const distance = distanceAbove(this.#sortedNew.sort(), this.#sortedOld.sort());
    // One-sided: P(D⁺ > d) ≤ exp(-2 d² n m / (n + m)).
    return Math.exp((-2 * distance * distance * newest * olderOnes) / windowSamples);
  }

  /** Starts anew: what comes is compared with what comes before it. */
  forgetOld(): void {
    this.#count = 0;
    this.#at = 0;
    this.#ring.fill(0);
  }

  save(to: StateWriter): void {
    to.numbers(this.#ring);
    to.number(this.#at);
    to.number(this.#count);
  }

  load(from: StateReader): void {
    from.numbers(this.#ring);
    this.#at = from.number();
    this.#count = from.number();
  }
}

/** The most by which the share of `b` at or below a number exceeds that of `a`. Both are sorted. */
function distanceAbove(a: Float64Array, b: Float64Array): number {
  let i = 0;
  let most = 0;
  for (let j = 0; j < b.length; j++) {
    // The last of equal numbers counts for all of them.
    if (b[j] === b[j + 1]) continue;
    while (i < a.length && a[i]! <= b[j]!) i++;
    most = Math.max(most, (j + 1) / b.length - i / a.length);
  }
  return most;
}
