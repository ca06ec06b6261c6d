/**
 * What a metric did lately, in bounded memory: the newest value is looked at once a second, and `buckets` buckets
 * cover whatever time has passed, up to an hour. When they are full, neighbours are merged and the buckets get twice as long.
 */
export class Trend {
  static readonly bucketsMax = 120;
  /** After this many seconds per bucket the oldest is dropped instead: 120 buckets of 32 s are an hour. */
  static readonly bucketSecondsMax = 32;

  #bucketSeconds = 1;
  #inBucket = 0;
  readonly #times: number[] = [];
  readonly #low: (number | null)[] = [];
  readonly #high: (number | null)[] = [];
  readonly #last: (number | null)[] = [];

  /** One look per second; null where the device was silent or the value bad. */
  sample(timeMs: number, value: number | null): void {
    if (this.#inBucket === 0) {
      this.#makeRoom();
      this.#times.push(timeMs);
      this.#low.push(value);
      this.#high.push(value);
      this.#last.push(value);
    } else if (value !== null) {
      const at = this.#times.length - 1;
      this.#low[at] = least(this.#low[at]!, value);
      this.#high[at] = most(this.#high[at]!, value);
      this.#last[at] = value;
    }
    this.#inBucket = (this.#inBucket + 1) % this.#bucketSeconds;
  }

  #makeRoom(): void {
    if (this.#times.length < Trend.bucketsMax) return;
    if (this.#bucketSeconds < Trend.bucketSecondsMax) {
      this.#merge();
      return;
    }
    for (const column of [this.#times, this.#low, this.#high, this.#last]) column.shift();
  }

  #merge(): void {
    const half = this.#times.length / 2;
    for (let i = 0; i < half; i++) {
      this.#times[i] = this.#times[2 * i]!;
      this.#low[i] = least(this.#low[2 * i]!, this.#low[2 * i + 1]!);
      this.#high[i] = most(this.#high[2 * i]!, this.#high[2 * i + 1]!);
      this.#last[i] = this.#last[2 * i + 1] ?? this.#last[2 * i]!;
    }
    for (const column of [this.#times, this.#low, this.#high, this.#last]) column.length = half;
    this.#bucketSeconds *= 2;
  }

  get view(): {
    bucketMs: number;
    timesMs: readonly number[];
    low: readonly (number | null)[];
    high: readonly (number | null)[];
    last: readonly (number | null)[];
  } {
    return {
      bucketMs: this.#bucketSeconds * 1_000,
      timesMs: this.#times,
      low: this.#low,
      high: this.#high,
      last: this.#last,
    };
  }

  /** At most 60 points. */
  get spark(): readonly (number | null)[] {
    if (this.#last.length <= 60) return this.#last;
    return this.#last.filter((_, i) => (this.#last.length - 1 - i) % 2 === 0);
  }
}

function least(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b);
}

function most(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}
