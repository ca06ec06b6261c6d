import type { StateReader, StateWriter } from "../state.ts";
import { BatchSize } from "./batch-size.ts";
import type { Finding } from "./finding.ts";

/** A deviation beyond this many is an outlier, which is not what charts are for. */
const deviationsMax = 4;
const ewmaWeight = 0.2;
/** Six deviations of a weighted mean with this weight: 6 √(0.2 / 1.8). */
const ewmaLimit = 2;
/** Deviations below this are no evidence for the sum; it is what a shift of twice as much is seen best with. */
const cusumSlack = 1;
const cusumLimit = 8;
/** How far above its limit the sum can be: it has to come back once the shift is over. */
const cusumRoom = 4;
/** Batches in which a chart's limit grows with what normal operation shows, and by how much more. */
const settlingBatches = 512;
const headroom = 1.5;
/** Fewest values whose differences say how much a metric varies. */
const spreadValuesMin = 16;

export interface ChartRule {
  readonly ewma: boolean;
  readonly cusum: boolean;
  readonly variance: boolean;
}

/**
 * Control charts of one metric: EWMA (Roberts 1959) and CUSUM (Page 1954) of batch means for a mean that moves by
 * less than the noise, and an EWMA of the logarithm of squared differences for noise that grows. They take their
 * level, spread and batch size from the metric itself, and say nothing while it holds none.
 */
export class ControlCharts {
  readonly #rule: ChartRule;
  readonly #batchSize = new BatchSize();
  readonly #mean = new Level();
  readonly #spread = new Level();
  #last = Number.NaN;
  #batchValues = 0;
  #batchSum = 0;
  #steps = 0;
  #squares = 0;
  #up = 0;
  #down = 0;
  #cusumLimit = cusumLimit;

  constructor(rule: ChartRule) {
    this.#rule = rule;
  }

  /** Takes the next value. With `learn` false what is normal stays as it is. */
  observe(value: number, learn: boolean): Finding | undefined {
    const { size } = this.#batchSize;
    const step = value - this.#last;
    this.#last = value;
    if (size > 0) this.#watch(value, step, size, learn);
    else if (learn) this.#findBatchSize(value);
    return this.#finding();
  }

  /** The next value does not follow the one before. */
  forgetContext(): void {
    this.#last = Number.NaN;
  }

  #findBatchSize(value: number): void {
    this.#batchSize.observe(value);
    const { size, mean, variance } = this.#batchSize;
    if (size > 0) this.#mean.start(mean, variance, 1024);
  }

  #watch(value: number, step: number, size: number, learn: boolean): void {
    this.#batchSum += value;
    if (++this.#batchValues === size) {
      this.#takeMean(this.#batchSum / size, learn);
      this.#batchValues = 0;
      this.#batchSum = 0;
    }
    if (Number.isNaN(step)) return;
    this.#squares += step * step;
    if (++this.#steps < Math.max(size, spreadValuesMin)) return;
    // All values alike is no logarithm: that is what the guard against standing still is for.
    if (this.#squares > 0) this.#spread.take(Math.log(this.#squares / this.#steps), learn && !this.#isWide);
    this.#steps = 0;
    this.#squares = 0;
  }

  #takeMean(batch: number, learn: boolean): void {
    const z = this.#mean.take(batch, learn && !this.#hasMoved);
    this.#up = Math.min(Math.max(0, this.#up + z - cusumSlack), this.#cusumLimit + cusumRoom);
    this.#down = Math.min(Math.max(0, this.#down - z - cusumSlack), this.#cusumLimit + cusumRoom);
    if (!learn || !this.#mean.settling) return;
    this.#cusumLimit = Math.max(this.#cusumLimit, headroom * Math.max(this.#up, this.#down));
  }

  get #hasMoved(): boolean {
    return !this.#mean.settling && (this.#mean.isOut || Math.max(this.#up, this.#down) > this.#cusumLimit);
  }

  get #isWide(): boolean {
    return this.#spread.isAbove;
  }

  #finding(): Finding | undefined {
    const { ewma, cusum, variance } = this.#rule;
    const mean = this.#mean;
    if (ewma && mean.isOut) return { kind: "ewma", usual: mean.mean, now: mean.now };
    if (cusum && !mean.settling && Math.max(this.#up, this.#down) > this.#cusumLimit) {
      return { kind: "cusum", usual: mean.mean, now: mean.now };
    }
    if (!variance || !this.#isWide) return undefined;
    return { kind: "variance", factor: Math.exp((this.#spread.now - this.#spread.mean) / 2) };
  }

  save(to: StateWriter): void {
    this.#batchSize.save(to);
    this.#mean.save(to);
    this.#spread.save(to);
    for (const value of [this.#last, this.#batchValues, this.#batchSum, this.#steps]) to.number(value);
    for (const value of [this.#squares, this.#up, this.#down, this.#cusumLimit]) to.number(value);
  }

  load(from: StateReader): void {
    this.#batchSize.load(from);
    this.#mean.load(from);
    this.#spread.load(from);
    this.#last = from.number();
    this.#batchValues = from.number();
    this.#batchSum = from.number();
    this.#steps = from.number();
    this.#squares = from.number();
    this.#up = from.number();
    this.#down = from.number();
    this.#cusumLimit = from.number();
  }
}

/** Batches from which a level is known well enough to be left slowly. */
const levelBatches = 2000;
/** Deviations are only counted from here on. */
const startBatches = 64;

/** A level that is learned, and the weighted mean of deviations from it. */
class Level {
  mean = 0;
  #variance = 0;
  #known = 0;
  #settled = 0;
  #ewma = 0;
  #limit = ewmaLimit;

  get settling(): boolean {
    return this.#settled < settlingBatches;
  }

  get isOut(): boolean {
    return !this.settling && Math.abs(this.#ewma) > this.#limit;
  }

  get isAbove(): boolean {
    return !this.settling && this.#ewma > this.#limit;
  }

  /** Where the series is now, as far as the weighted mean knows. */
  get now(): number {
    return this.mean + this.#ewma * Math.sqrt(this.#variance);
  }

  start(mean: number, variance: number, known: number): void {
    this.mean = mean;
    this.#variance = variance;
    this.#known = known;
  }

  /** Returns how many deviations the batch is from the level; 0 while there is none. */
  take(batch: number, learn: boolean): number {
    const difference = batch - this.mean;
    const deviation = Math.sqrt(this.#variance);
    const isKnown = this.#known >= startBatches && deviation > 1e-12 * Math.abs(this.mean);
    const z = isKnown ? Math.max(-deviationsMax, Math.min(deviationsMax, difference / deviation)) : 0;
    this.#ewma += ewmaWeight * (z - this.#ewma);
    if (!learn) return z;
    if (isKnown && this.settling) {
      this.#settled++;
      this.#limit = Math.max(this.#limit, headroom * Math.abs(this.#ewma));
    }
    this.#known = Math.min(this.#known + 1, levelBatches);
    const weight = 1 / this.#known;
    this.mean += difference * weight;
    this.#variance = (1 - weight) * (this.#variance + difference * difference * weight);
    return z;
  }

  save(to: StateWriter): void {
    for (const value of [this.mean, this.#variance, this.#known]) to.number(value);
    for (const value of [this.#settled, this.#ewma, this.#limit]) to.number(value);
  }

  load(from: StateReader): void {
    this.mean = from.number();
    this.#variance = from.number();
    this.#known = from.number();
    this.#settled = from.number();
    this.#ewma = from.number();
    this.#limit = from.number();
  }
}
