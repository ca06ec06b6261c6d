import type { GuardRule } from "../../../src/profile/profile.ts";
import type { StateReader, StateWriter } from "../state.ts";
import { ControlCharts } from "./control-charts.ts";
import type { Finding } from "./finding.ts";
import { Hampel } from "./hampel.ts";

const warmUpValues = 150;
/** A step counts as a jump above this multiple of the largest step so far. */
const stepFactor = 4;
/** … and above this part of the range, so that a quiet signal may wake up. */
const stepPart = 0.05;
const stuckFactor = 10;
const stuckValuesMin = 50;
/** A metric that moved less often than this while it was learned may stand still for ever. */
const movesMin = 10;
const badValuesMin = 10;
const gapFactor = 10;
const gapMicrosMin = 10_000_000;
const intervalWeight = 1 / 64;
/** Squares of numbers beyond are no numbers any more. */
const magnitudeMax = 1e150;

/**
 * The guards of one metric: simple rules that hold without a model and learn only what is usual for the metric.
 * Range and quality always watch, the others where the rule says so.
 */
export class Guards {
  readonly #range: readonly [number, number] | undefined;
  readonly #rule: GuardRule;
  readonly #hampel: Hampel | undefined;
  readonly #charts: ControlCharts | undefined;
  #seen = 0;
  #last = Number.NaN;
  #lastMicros = Number.NaN;
  #intervalMicros = 0;
  #run = 1;
  #longestRun = 1;
  #moves = 0;
  #largestStep = 0;
  #bad = 0;
  /** Set by `check`: the value came after a gap, so it does not follow the one before. */
  afterGap = false;
  /** How long nothing had come when `afterGap` was set. */
  #gapMicros = 0;

  constructor(range: readonly [number, number] | undefined, rule: GuardRule) {
    this.#range = range;
    this.#rule = rule;
    this.#hampel = rule.hampel ? new Hampel() : undefined;
    this.#charts = rule.ewma || rule.cusum || rule.variance ? new ControlCharts(rule) : undefined;
  }

  get learning(): boolean {
    return this.#seen < warmUpValues;
  }

  /** Looks at a finite value of good or uncertain quality. With `learn` false what is usual stays as it is. */
  check(value: number, timeMicros: number, learn: boolean): Finding | undefined {
    this.#bad = 0;
    this.#timing(timeMicros);
    const follows = !this.afterGap && !Number.isNaN(this.#last);
    const step = follows ? Math.abs(value - this.#last) : 0;
    this.#last = value;
    this.#countRun(follows && step === 0);
    const series = this.#watchSeries(value, learn);
    const finding = this.learning ? undefined : (this.#judge(value, step) ?? series);
    if (learn && finding === undefined) this.#learn(step);
    if (this.learning) this.#seen++;
    return finding;
  }

  /** A value that the device itself calls bad: nothing is learned from it. */
  checkBad(timeMicros: number): Finding | undefined {
    this.#timing(timeMicros);
    this.#last = Number.NaN;
    this.#charts?.forgetContext();
    return ++this.#bad >= badValuesMin ? { kind: "quality", values: this.#bad } : undefined;
  }

  /** Time that steps back (late data) says nothing about the interval. A gap ends with the value after it. */
  #timing(timeMicros: number): void {
    const interval = timeMicros - this.#lastMicros;
    this.afterGap = false;
    if (interval <= 0) return;
    this.#lastMicros = timeMicros;
    if (Number.isNaN(interval)) return;
    this.afterGap = this.#intervalMicros > 0 && interval > Math.max(gapFactor * this.#intervalMicros, gapMicrosMin);
    if (this.afterGap) {
      this.#gapMicros = interval;
      return;
    }
    this.#intervalMicros =
      this.#intervalMicros === 0 ? interval : this.#intervalMicros + (interval - this.#intervalMicros) * intervalWeight;
  }

  /** What needs more than the value before: spikes among their neighbours, a mean that moves, noise that grows. */
  #watchSeries(value: number, learn: boolean): Finding | undefined {
    if (Math.abs(value) > magnitudeMax) return undefined;
    if (this.afterGap) this.#charts?.forgetContext();
    const spikes = this.#hampel?.observe(value, learn) === true ? this.#hampel : undefined;
    const moved = this.#charts?.observe(value, learn);
    return spikes === undefined ? moved : { kind: "hampel", spike: spikes.spike, beside: spikes.beside };
  }

  #judge(value: number, step: number): Finding | undefined {
    const { rate, stuck, gap } = this.#rule;
    const range = this.#range;
    if (range !== undefined && (value < range[0] || value > range[1])) {
      return { kind: "range", low: range[0], high: range[1] };
    }
    if (rate && this.#isJump(step)) return { kind: "rate", step, usual: this.#largestStep };
    const stuckAbove = Math.max(stuckFactor * this.#longestRun, stuckValuesMin);
    if (stuck && this.#moves >= movesMin && this.#run > stuckAbove) return { kind: "stuck", values: this.#run };
    if (!gap || !this.afterGap) return undefined;
    return { kind: "gap", seconds: this.#gapMicros / 1e6, usualSeconds: this.#intervalMicros / 1e6 };
  }

  #isJump(step: number): boolean {
    const floor = this.#range === undefined ? 0 : (this.#range[1] - this.#range[0]) * stepPart;
    return this.#moves >= movesMin && step > floor && step > this.#largestStep * stepFactor;
  }

  #learn(step: number): void {
    if (step > 0 && this.learning) this.#moves++;
    this.#largestStep = Math.max(this.#largestStep, step);
  }

  /** A run is learned when it ends, also one that was reported: the next report takes a far longer one. */
  #countRun(same: boolean): void {
    if (!same) this.#longestRun = Math.max(this.#longestRun, this.#run);
    this.#run = same ? this.#run + 1 : 1;
  }

  save(to: StateWriter): void {
    to.number(this.#seen);
    to.number(this.#last);
    to.number(this.#lastMicros);
    to.number(this.#intervalMicros);
    to.number(this.#run);
    to.number(this.#longestRun);
    to.number(this.#moves);
    to.number(this.#largestStep);
    to.number(this.#bad);
    this.#hampel?.save(to);
    this.#charts?.save(to);
  }

  load(from: StateReader): void {
    this.#seen = from.number();
    this.#last = from.number();
    this.#lastMicros = from.number();
    this.#intervalMicros = from.number();
    this.#run = from.number();
    this.#longestRun = from.number();
    this.#moves = from.number();
    this.#largestStep = from.number();
    this.#bad = from.number();
    this.#hampel?.load(from);
    this.#charts?.load(from);
  }
}
