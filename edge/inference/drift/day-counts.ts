import type { StateReader, StateWriter } from "../state.ts";
import { bins } from "./psi.ts";

const hours = 24;
const hourMicros = 3_600_000_000;
const countMax = 65_535;

/** How many samples of the last 24 hours fell into each bin, for several channels together. By the samples' own time. */
export class DayCounts {
  readonly #counts: Uint16Array;
  readonly #channels: number;
  #firstHour = Number.NaN;
  #hour = Number.NaN;

  constructor(channels: number) {
    this.#channels = channels;
    this.#counts = new Uint16Array(channels * hours * bins);
  }

  /** True once a whole day was seen, with its shifts and its night. */
  get isDay(): boolean {
    return this.#hour - this.#firstHour >= hours;
  }

  /** What comes late counts as of now. */
  moveTo(timeMicros: number): void {
    const hour = Math.floor(timeMicros / hourMicros);
    if (hour <= this.#hour) return;
    if (Number.isNaN(this.#hour)) this.#firstHour = hour;
    const passed = Math.min(hour - this.#hour, hours);
    for (let h = 0; h < passed; h++) this.#forget((hour - h) % hours);
    this.#hour = hour;
  }

  add(channel: number, bin: number): void {
    const at = (channel * hours + (this.#hour % hours)) * bins + bin;
    if (this.#counts[at]! < countMax) this.#counts[at]!++;
  }

  #forget(part: number): void {
    for (let channel = 0; channel < this.#channels; channel++) {
      const at = (channel * hours + part) * bins;
      this.#counts.fill(0, at, at + bins);
    }
  }

  of(channel: number): Float64Array {
    const counts = new Float64Array(bins);
    const first = channel * hours * bins;
    for (let i = 0; i < hours * bins; i++) counts[i % bins]! += this.#counts[first + i]!;
    return counts;
  }

  save(to: StateWriter): void {
    to.number(this.#firstHour);
    to.number(this.#hour);
    to.counts(this.#counts);
  }

  load(from: StateReader): void {
    this.#firstHour = from.number();
    this.#hour = from.number();
    from.counts(this.#counts);
  }
}
