import type { StateReader, StateWriter } from "../state.ts";
import { Adwin } from "./adwin.ts";
import { Kswin } from "./kswin.ts";
import { Psi } from "./psi.ts";

/** One sample a minute: values of a second follow each other too closely to be evidence. */
const sampleMicros = 60_000_000;
/** A day is the reference, and the newest day is compared with it: machines have shifts. */
const referenceSamples = 1440;
/** Tests come seldom: they cost some 20 µs. */
const testEverySamples = 15;
/** Samples of neighbouring minutes still follow each other: so many count as one. */
const dependentSamples = 20;
/** What is worth telling, however sure it is. */
const psiWarn = 0.1;
const psiDegraded = 0.25;
/** Discoveries in this time add up; after so long without one all is well again. */
const memoryMicros = 24 * 3600 * 1_000_000;
/** Discoveries within that time from which the metric is degraded. */
const degradedFrom = 12;

export const channels = ["input", "score-mean", "score-spread"] as const;
export type DriftChannel = (typeof channels)[number];
export type DriftState = "learning" | "ok" | "warn" | "degraded";

/**
 * Whether the data of one metric still is what its model learned. Inputs are compared with those of the first day
 * (PSI); scores with those before (ADWIN: their mean; KSWIN: their distribution), since a model that no longer fits is
 * surprised more often. About 3 kB.
 */
export class Drift {
  readonly #input = new Psi(referenceSamples);
  readonly #scoreMean = new Adwin();
  readonly #scoreSpread = new Kswin();
  #minute = Number.NaN;
  #scoreSum = 0;
  #scoreCount = 0;
  #discoveries = 0;
  #lastMicros = Number.NaN;
  #lastChannel = 0;
  #samples = 0;
  /** By channel, of the last test that was not decided on; what is too small to matter has none. */
  readonly pValues = new Float64Array(channels.length).fill(1);

  get state(): DriftState {
    if (this.#input.known < 1) return "learning";
    if (this.#discoveries === 0) return "ok";
    return this.#discoveries >= degradedFrom || this.#input.index() >= psiDegraded ? "degraded" : "warn";
  }

  /** Which channel was discovered last. */
  get channel(): DriftChannel {
    return channels[this.#lastChannel]!;
  }

  /** How far the inputs of the last day are from the reference; NaN before there is a day. */
  get index(): number {
    return this.#input.index();
  }

  /** Takes a value that was judged normal, or at least not part of an episode, with its score. */
  observe(value: number, score: number, timeMicros: number): void {
    this.#scoreSum += score;
    this.#scoreCount++;
    // Late data does not open a minute anew.
    const minute = Math.floor(timeMicros / sampleMicros);
    if (minute <= this.#minute) return;
    this.#minute = minute;
    this.#input.add(value);
    const mean = this.#scoreSum / this.#scoreCount;
    this.#scoreMean.add(mean);
    this.#scoreSpread.add(mean);
    this.#scoreSum = 0;
    this.#scoreCount = 0;
    if (++this.#samples % testEverySamples === 0 && this.#input.known >= 1) this.#test();
  }

  #test(): void {
    const index = this.#input.index();
    this.pValues[0] = index >= psiWarn ? this.#input.test(index, referenceSamples / dependentSamples) : 1;
    this.pValues[1] = this.#scoreMean.test();
    this.pValues[2] = this.#scoreSpread.test();
  }

  /** Takes the p-values up to `limit` for discoveries. Each is decided on once. */
  decide(limit: number, timeMicros: number): void {
    if (timeMicros - this.#lastMicros > memoryMicros) this.#discoveries = 0;
    const channel = this.pValues.findIndex((p) => p <= limit);
    if (channel >= 0) {
      if (this.pValues[1]! <= limit) this.#scoreMean.forgetOld();
      if (this.pValues[2]! <= limit) this.#scoreSpread.forgetOld();
      this.#lastChannel = channel;
      this.#discoveries++;
      this.#lastMicros = timeMicros;
    }
    this.pValues.fill(1);
  }

  save(to: StateWriter): void {
    this.#input.save(to);
    this.#scoreMean.save(to);
    this.#scoreSpread.save(to);
    for (const value of [this.#minute, this.#scoreSum, this.#scoreCount, this.#discoveries]) to.number(value);
    to.number(this.#lastMicros);
    to.number(this.#lastChannel);
    to.number(this.#samples);
    to.numbers(this.pValues);
  }

  load(from: StateReader): void {
    this.#input.load(from);
    this.#scoreMean.load(from);
    this.#scoreSpread.load(from);
    this.#minute = from.number();
    this.#scoreSum = from.number();
    this.#scoreCount = from.number();
    this.#discoveries = from.number();
    this.#lastMicros = from.number();
    this.#lastChannel = from.number();
    this.#samples = from.number();
    from.numbers(this.pValues);
  }
}
