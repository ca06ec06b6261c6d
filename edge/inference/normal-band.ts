import type { StateReader, StateWriter } from "./state.ts";

const bucketMicros = 300_000_000;
const buckets = 12;

/** Smallest and largest normal value of the last hour, for people: the sentence "normal 1.8 to 2.6 over the last hour". */
export class NormalBand {
  /** Start, least and most per five minutes, the newest at `#at`. */
  readonly #starts = new Float64Array(buckets).fill(Number.NaN);
  readonly #least = new Float64Array(buckets).fill(Infinity);
  readonly #most = new Float64Array(buckets).fill(-Infinity);
  #at = 0;

  learn(value: number, timeMicros: number): void {
    const start = this.#starts[this.#at]!;
    if (!(timeMicros - start < bucketMicros)) this.#next(timeMicros);
    if (value < this.#least[this.#at]!) this.#least[this.#at] = value;
    if (value > this.#most[this.#at]!) this.#most[this.#at] = value;
  }

  #next(timeMicros: number): void {
    if (!Number.isNaN(this.#starts[this.#at]!)) this.#at = (this.#at + 1) % buckets;
    this.#starts[this.#at] = timeMicros;
    this.#least[this.#at] = Infinity;
    this.#most[this.#at] = -Infinity;
  }

  /** Undefined before anything was learned. */
  read(
    timeMicros: number,
  ): { readonly least: number; readonly most: number; readonly sinceMicros: number } | undefined {
    let least = Infinity;
    let most = -Infinity;
    let sinceMicros = Infinity;
    for (let i = 0; i < buckets; i++) {
      const start = this.#starts[i]!;
      if (Number.isNaN(start)) continue;
      least = Math.min(least, this.#least[i]!);
      most = Math.max(most, this.#most[i]!);
      sinceMicros = Math.min(sinceMicros, start);
    }
    return least > most ? undefined : { least, most, sinceMicros: Math.min(sinceMicros, timeMicros) };
  }

  /** How far outside of the band a value is; 0 inside. */
  distance(value: number, timeMicros: number): number {
    const band = this.read(timeMicros);
    if (band === undefined) return 0;
    return Math.max(band.least - value, value - band.most, 0);
  }

  save(to: StateWriter): void {
    to.numbers(this.#starts);
    to.numbers(this.#least);
    to.numbers(this.#most);
    to.number(this.#at);
  }

  load(from: StateReader): void {
    from.numbers(this.#starts);
    from.numbers(this.#least);
    from.numbers(this.#most);
    this.#at = from.number();
  }
}
