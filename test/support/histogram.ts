const stepsPerDoubling = 32;
const slots = 64 * stepsPerDoubling;

/** Latencies in logarithmic slots of about 2 %: constant memory, however many are counted. */
export class Histogram {
  readonly #counts = new Float64Array(slots);
  #total = 0;
  #max = 0;

  /** Counts a latency; anything below a microsecond counts as one. */
  add(ms: number): void {
    const slot = Math.floor(Math.log2(Math.max(1, ms * 1000)) * stepsPerDoubling);
    this.#counts[Math.min(slots - 1, slot)]! += 1;
    this.#total += 1;
    if (ms > this.#max) this.#max = ms;
  }

  /** The latency in milliseconds that this share of all were at or below (upper edge of its slot); 0 when empty. */
  quantile(share: number): number {
    let left = Math.ceil(share * this.#total);
    if (left === 0) return 0;
    const slot = this.#counts.findIndex((count) => (left -= count) <= 0);
    return Math.min(this.#max, 2 ** ((slot + 1) / stepsPerDoubling) / 1000);
  }

  get max(): number {
    return this.#max;
  }
}
