import { createHash } from "node:crypto";
import { formatWireTime } from "../../src/observation/time.ts";
import type { StateReader, StateWriter } from "./state.ts";

/*
 * An episode is one abnormal stretch of one metric. Chatter is kept from being born: it takes several abnormal
 * values to open one, a lower score for a while to close it, and a rest before the next.
 */

/** Scores from here on are abnormal. */
export const raiseThreshold = 0.7;
/** Scores below are normal again; between the two nothing changes. */
export const clearThreshold = 0.3;
/** Abnormal values that are not taken back by normal ones before an episode opens. */
const raiseValues = 3;
const clearValues = 15;
const restValues = 30;
const restMicros = 60_000_000;
const updateMicros = 10_000_000;
/** An update is worth a person's attention when the deviation grew by this factor. */
const updateGrowth = 1.5;
/** An abnormal state that lasts this long is taken as the new normal: the detector starts to learn anew. */
const episodeMicrosMax = 24 * 3600 * 1_000_000;

export type EpisodeStep = "raise" | "update" | "clear" | "outlast" | undefined;

/** The alert state of one metric. Time is the values' own; values that come late do not move it back. */
export class Episode {
  #open = false;
  #startedMicros = Number.NaN;
  #clearedMicros = Number.NaN;
  #evidence = 0;
  #normalRun = 0;
  #restLeft = 0;
  #reportedMicros = Number.NaN;
  #reportedDeviation = 0;
  /** Which model opened it; an index that the scorer understands. */
  model = 0;

  get open(): boolean {
    return this.#open;
  }

  /** When the open episode, or else the last one, was raised. */
  get startedMicros(): number {
    return this.#startedMicros;
  }

  /**
   * Takes one scored value. `certain` findings need no repetition. `deviation` is how far the value is from normal,
   * in any unit: it only decides whether an open episode is worth an update.
   */
  step(score: number, deviation: number, certain: boolean, timeMicros: number): EpisodeStep {
    return this.open
      ? this.#stepOpen(score, deviation, timeMicros)
      : this.#stepClosed(score, deviation, certain, timeMicros);
  }

  #stepClosed(score: number, deviation: number, certain: boolean, timeMicros: number): EpisodeStep {
    if (this.#restLeft > 0) this.#restLeft--;
    if (score < raiseThreshold) {
      if (this.#evidence > 0) this.#evidence--;
      return undefined;
    }
    this.#evidence = certain ? raiseValues : Math.min(this.#evidence + 1, raiseValues);
    if (this.#evidence < raiseValues || this.#resting(timeMicros)) return undefined;
    this.#open = true;
    this.#startedMicros = timeMicros;
    this.#normalRun = 0;
    this.#report(deviation, timeMicros);
    return "raise";
  }

  #stepOpen(score: number, deviation: number, timeMicros: number): EpisodeStep {
    if (timeMicros - this.#startedMicros > episodeMicrosMax) {
      this.#close(timeMicros);
      return "outlast";
    }
    this.#normalRun = score < clearThreshold ? this.#normalRun + 1 : 0;
    if (this.#normalRun >= clearValues) {
      this.#close(timeMicros);
      return "clear";
    }
    const worse = score >= raiseThreshold && deviation > this.#reportedDeviation * updateGrowth;
    if (!worse || timeMicros - this.#reportedMicros < updateMicros) return undefined;
    this.#report(deviation, timeMicros);
    return "update";
  }

  #resting(timeMicros: number): boolean {
    return this.#restLeft > 0 || timeMicros - this.#clearedMicros < restMicros;
  }

  #report(deviation: number, timeMicros: number): void {
    this.#reportedMicros = timeMicros;
    this.#reportedDeviation = deviation;
  }

  #close(timeMicros: number): void {
    this.#open = false;
    this.#clearedMicros = timeMicros;
    this.#restLeft = restValues;
    this.#evidence = 0;
  }

  save(to: StateWriter): void {
    to.number(this.#open ? 1 : 0);
    to.number(this.#startedMicros);
    to.number(this.#clearedMicros);
    to.number(this.#evidence);
    to.number(this.#normalRun);
    to.number(this.#restLeft);
    to.number(this.#reportedMicros);
    to.number(this.#reportedDeviation);
    to.number(this.model);
  }

  load(from: StateReader): void {
    this.#open = from.number() === 1;
    this.#startedMicros = from.number();
    this.#clearedMicros = from.number();
    this.#evidence = from.number();
    this.#normalRun = from.number();
    this.#restLeft = from.number();
    this.#reportedMicros = from.number();
    this.#reportedDeviation = from.number();
    this.model = from.number();
  }
}

/** The id of an episode follows from what it is: a replay after a crash gives the same one. */
export function episodeId(device: string, metric: string, model: string, raisedMicros: number): string {
  const what = JSON.stringify([device, metric, model, formatWireTime(raisedMicros)]);
  return createHash("sha256").update(what).digest("hex").slice(0, 20);
}
