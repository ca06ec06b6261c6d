import type { ModelDriftChannel, ModelDriftView } from "../../console/view.ts";
import { DayCounts } from "../drift/day-counts.ts";
import { discoveryLimit } from "../drift/false-discovery.ts";
import type { Histogram } from "../drift/histogram.ts";
import { binOf, bins, chanceOf, chiSquareAbove, stabilityIndex } from "../drift/psi.ts";
import type { StateReader, StateWriter } from "../state.ts";
import type { ServedModel } from "./served-model.ts";

const minuteMicros = 60_000_000;
/** Rows of neighbouring minutes follow each other: so many count as one. */
const dependentMinutes = 20;
const samplesMin = 100;
/** Of a training that knew less, nothing is beyond it for sure. */
const knownMin = 6;
const decideMicros = 15 * minuteMicros;
/** Of what is reported at most this part may be chance. */
const falseDiscoveries = 0.05;
/** What is worth telling, however sure it is. */
const worth = {
  /** Of a detector: by the stability index of the whole distribution. */
  stability: { warn: 0.1, degraded: 0.25 },
  /** Of a predictor, whose machines may all be young at one time: by the part that lies beyond what training knew. */
  beyond: { warn: 0.2, degraded: 0.5 },
} as const;
/** Lives that ended until their predictions say something of the model, and how much worse than tested is worth telling. */
const livesMin = 3;
const errorWarn = 1.5;
const errorDegraded = 2.5;

const states = ["unknown", "learning", "ok", "warn", "degraded"] as const;
type State = (typeof states)[number];

/**
 * Whether what a packaged model is given, and what it says, still is as its package says that it was in training; and
 * whether its predictions came true. Of one version in one stage, over all of its devices. 0.4 kB per input.
 */
export class ModelDrift {
  readonly #expected: readonly (Histogram | undefined)[];
  readonly #names: readonly string[];
  readonly #measure: keyof typeof worth;
  readonly #testedError: number | undefined;
  readonly #periodMicros: number;
  readonly #counts: DayCounts;
  readonly #states: Uint8Array;
  #decidedMicros = Number.NaN;
  #lives = 0;
  #errors = 0;
  #errorSum = 0;
  #errorSquares = 0;

  constructor({ shape, expected, purpose }: ServedModel) {
    this.#names = [...shape.inputs, "output"];
    this.#expected = [...expected.inputs, expected.output];
    this.#measure = purpose.kind === "detects" ? "stability" : "beyond";
    this.#testedError = purpose.kind === "predicts" ? purpose.testedError : undefined;
    this.#periodMicros = shape.periodMs * 1000;
    this.#counts = new DayCounts(this.#names.length);
    this.#states = Uint8Array.from(this.#expected, (histogram) => (histogram === undefined ? 0 : 1));
  }

  get state(): State {
    const worst = Math.max(...this.#states.filter((state) => state >= 2), stateOfError(this.#errorRatio));
    if (worst >= 2) return states[worst]!;
    return this.#states.includes(1) ? "learning" : "unknown";
  }

  /** Takes a row that was judged, where nothing is wrong with the device. One a minute of each device counts. */
  observe(values: Float64Array, output: number, timeMicros: number): void {
    if (!this.#isFirstOfMinute(timeMicros)) return;
    this.#counts.moveTo(timeMicros);
    for (let channel = 0; channel < this.#names.length; channel++) {
      const histogram = this.#expected[channel];
      const value = channel < values.length ? values[channel]! : output;
      if (histogram !== undefined && Number.isFinite(value)) this.#counts.add(channel, binOf(histogram.edges, value));
    }
    if (timeMicros - this.#decidedMicros < decideMicros) return;
    this.#decidedMicros = timeMicros;
    this.#decide();
  }

  #isFirstOfMinute(timeMicros: number): boolean {
    const start = Math.floor(timeMicros / this.#periodMicros) * this.#periodMicros;
    return Math.floor(start / minuteMicros) !== Math.floor((start - this.#periodMicros) / minuteMicros);
  }

  /** All channels together, so that many of them do not make a warning by chance. */
  #decide(): void {
    if (!this.#counts.isDay) return;
    const indexes = this.#names.map((_, channel) => this.#indexOf(channel));
    const { warn, degraded } = worth[this.#measure];
    const chances = Float64Array.from(indexes, (index, channel) =>
      index === undefined || index < warn ? 1 : this.#chanceOf(index, channel),
    );
    const limit = discoveryLimit(chances, falseDiscoveries);
    for (const [channel, index] of indexes.entries()) {
      if (index === undefined) continue;
      const isFound = chances[channel]! <= limit && index >= warn;
      this.#states[channel] = !isFound ? 2 : index >= degraded ? 4 : 3;
    }
  }

  /** Undefined where there is nothing to compare yet. */
  #indexOf(channel: number): number | undefined {
    const expected = this.#expected[channel];
    const seen = this.#counts.of(channel);
    const total = seen.reduce((sum, count) => sum + count, 0);
    if (expected === undefined || !this.#counts.isDay || total < samplesMin) return undefined;
    if (this.#measure === "beyond") return (seen[0]! + seen[bins - 1]!) / total;
    const wanted = expected.parts.map((part) => part * Math.max(samplesMin, expected.minutes));
    // Scores that become smaller are no trouble.
    const isCalmer = channel === this.#names.length - 1 && meanBin(seen) <= meanBin(wanted);
    return isCalmer ? 0 : stabilityIndex(seen, wanted);
  }

  #chanceOf(index: number, channel: number): number {
    const seen = this.#counts.of(channel).reduce((sum, count) => sum + count, 0) / dependentMinutes;
    const { parts, minutes } = this.#expected[channel]!;
    if (this.#measure === "stability") return chanceOf(index, seen, minutes / dependentMinutes);
    const known = minutes / dependentMinutes;
    if (known < knownMin) return 1;
    const wanted = Math.max(parts[0]! + parts[bins - 1]!, 1 / minutes);
    return chiSquareAbove((index - wanted) ** 2 / (wanted * (1 - wanted) * (1 / seen + 1 / known)), 1);
  }

  /** A life ended: by so much each of its predictions was too long. */
  lifeEnded(errors: readonly number[]): void {
    if (errors.length === 0) return;
    this.#lives++;
    for (const error of errors) {
      this.#errors++;
      this.#errorSum += error;
      this.#errorSquares += error * error;
    }
  }

  get #error(): number {
    return Math.sqrt(this.#errorSquares / this.#errors);
  }

  /** In units of what was tested; undefined where too little is known. */
  get #errorRatio(): number | undefined {
    if (this.#lives < livesMin || this.#testedError === undefined) return undefined;
    return this.#error / this.#testedError;
  }

  view(): ModelDriftView {
    const channels = this.#names.map((name, channel) => this.#channelView(name, channel));
    const known = channels.filter((channel) => channel !== undefined);
    if (this.#lives === 0) return { state: this.state, measure: this.#measure, channels: known };
    const { lives, bias, error } = { lives: this.#lives, bias: this.#errorSum / this.#errors, error: this.#error };
    const tested = this.#testedError === undefined ? {} : { tested: this.#testedError };
    return { state: this.state, measure: this.#measure, channels: known, truth: { lives, bias, error, ...tested } };
  }

  #channelView(name: string, channel: number): ModelDriftChannel | undefined {
    const expected = this.#expected[channel];
    if (expected === undefined) return undefined;
    const counts = this.#counts.of(channel);
    const total = counts.reduce((sum, count) => sum + count, 0);
    return {
      name,
      state: states[this.#states[channel]!]!,
      index: this.#indexOf(channel),
      edges: expected.edges,
      expected: expected.parts,
      seen: Array.from(counts, (count) => (total === 0 ? 0 : count / total)),
    };
  }

  save(to: StateWriter): void {
    this.#counts.save(to);
    to.numbers(Float64Array.from(this.#states));
    for (const value of [this.#decidedMicros, this.#lives, this.#errors, this.#errorSum, this.#errorSquares])
      to.number(value);
  }

  load(from: StateReader): void {
    this.#counts.load(from);
    const kept = new Float64Array(this.#states.length);
    from.numbers(kept);
    this.#states.set(kept);
    this.#decidedMicros = from.number();
    this.#lives = from.number();
    this.#errors = from.number();
    this.#errorSum = from.number();
    this.#errorSquares = from.number();
  }
}

function stateOfError(ratio: number | undefined): number {
  if (ratio === undefined) return 0;
  return ratio >= errorDegraded ? 4 : ratio >= errorWarn ? 3 : 2;
}

function meanBin(counts: ArrayLike<number>): number {
  let [sum, total] = [0, 0];
  for (let bin = 0; bin < counts.length; bin++) {
    sum += bin * counts[bin]!;
    total += counts[bin]!;
  }
  return sum / total;
}
