import type { StateReader, StateWriter } from "../state.ts";

/** Buckets of 1, 2, 4 … 2048 samples, at most so many of each: up to 12,000 samples. */
const levels = 12;
const bucketsPerLevel = 3;
/** A part of the window below this has no mean to speak of. */
const partMin = 16;

/**
 * Adaptive windowing (ADWIN, Bifet and Gavaldà 2007): keeps as long a window as has one mean. `test` says how likely it
 * is that its newer part is not above its older one; `forgetOld` leaves only the newer part. Here it looks for a mean
 * that has grown, since scores that become smaller are no trouble.
 */
export class Adwin {
  /** Per level `bucketsPerLevel` sums and sums of squares, the oldest first. */
  readonly #sums = new Float64Array(levels * bucketsPerLevel);
  readonly #squares = new Float64Array(levels * bucketsPerLevel);
  readonly #counts = new Float64Array(levels);
  #cut = Number.NaN;

  add(sample: number): void {
    let sum = sample;
    let squares = sample * sample;
    for (let level = 0; level < levels; level++) {
      const first = level * bucketsPerLevel;
      const count = this.#counts[level]!;
      if (count < bucketsPerLevel) {
        this.#sums[first + count] = sum;
        this.#squares[first + count] = squares;
        this.#counts[level] = count + 1;
        return;
      }
      // Full: its two oldest become one of the next level, the rest moves up, and the new one is the newest.
      const olderSum = this.#sums[first]! + this.#sums[first + 1]!;
      const olderSquares = this.#squares[first]! + this.#squares[first + 1]!;
      this.#sums[first] = this.#sums[first + 2]!;
      this.#squares[first] = this.#squares[first + 2]!;
      this.#sums[first + 1] = sum;
      this.#squares[first + 1] = squares;
      this.#counts[level] = 2;
      sum = olderSum;
      squares = olderSquares;
    }
    // Out of the last level falls what is older than the window can be.
  }

  /** Probability that chance alone parts the window so much at any of its cuts; 1 where there is too little. */
  test(): number {
    let total = 0;
    let totalSum = 0;
    let totalSquares = 0;
    for (let level = 0; level < levels; level++) {
      for (let i = 0; i < this.#counts[level]!; i++) {
        total += 2 ** level;
        totalSum += this.#sums[level * bucketsPerLevel + i]!;
        totalSquares += this.#squares[level * bucketsPerLevel + i]!;
      }
    }
    const variance = Math.max(totalSquares / total - (totalSum / total) ** 2, 0);
    let older = 0;
    let olderSum = 0;
    let most = 0;
    let cuts = 0;
    this.#cut = Number.NaN;
    for (let level = levels - 1; level >= 0; level--) {
      for (let i = 0; i < this.#counts[level]!; i++) {
        older += 2 ** level;
        olderSum += this.#sums[level * bucketsPerLevel + i]!;
        const newer = total - older;
        if (older < partMin || newer < partMin) continue;
        cuts++;
        const evidence = evidenceOf((totalSum - olderSum) / newer - olderSum / older, older, newer, variance);
        if (!(evidence > most)) continue;
        most = evidence;
        this.#cut = older;
      }
    }
    return Math.min(1, 2 * cuts * Math.exp(-most));
  }

  /** Drops what is older than the clearest cut of the last `test`. */
  forgetOld(): void {
    let left = this.#cut;
    for (let level = levels - 1; level >= 0 && left > 0; level--) {
      const first = level * bucketsPerLevel;
      while (this.#counts[level]! > 0 && left > 0) {
        left -= 2 ** level;
        this.#sums.copyWithin(first, first + 1, first + bucketsPerLevel);
        this.#squares.copyWithin(first, first + 1, first + bucketsPerLevel);
        this.#counts[level]!--;
      }
    }
  }

  save(to: StateWriter): void {
    to.numbers(this.#sums);
    to.numbers(this.#squares);
    to.numbers(this.#counts);
  }

  load(from: StateReader): void {
    from.numbers(this.#sums);
    from.numbers(this.#squares);
    from.numbers(this.#counts);
  }
}

/**
 * The bound of the paper, ε = √(2 σ² L / m) + 2 L / 3m with 1/m = 1/n₀ + 1/n₁, solved for L: the logarithm of how
 * unlikely the difference is.
 */
function evidenceOf(difference: number, older: number, newer: number, variance: number): number {
  if (!(difference > 0)) return 0;
  const m = 1 / (1 / older + 1 / newer);
  const a = 2 / (3 * m);
  const b = Math.sqrt((2 * variance) / m);
  const root = (-b + Math.sqrt(b * b + 4 * a * difference)) / (2 * a);
  return root * root;
}
