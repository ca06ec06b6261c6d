import type { Detector } from "./detector.ts";
import type { StateReader, StateWriter } from "./state.ts";

/*
 * How surprising is a value after the one before it, and at this time of day?
 *
 *   value → bin of K over the sensor's range → P(bin | context), learned as it goes → surprise = -log P
 *   → mean over the last values → how far above the mean of its own history, as a Gaussian tail → score 0 … 1
 *
 * Two experts are averaged: fine bins after the bin before (a machine's short-term behaviour), and coarse bins by
 * time of day (its shifts). A value well beyond all extremes so far scores 1 at once, whatever the experts say.
 */

/** Values that are only learned from: no alert can rest on less. */
export const warmUpValues = 150;
/** Without a range from the profile: values from which a range is taken, and the longer warm-up that this needs. */
const rangeValues = 150;
const warmUpValuesWithoutRange = 300;
/** Room on either side of a range that had to be learned, as a part of the spread. */
const rangeRoom = 0.25;
/** Beyond the extremes by this part of the sensor's range scores 1. */
const beyondPart = 0.02;
/** Where the range had to be learned: part of the spread of all values so far, which is narrower than a range. */
const beyondPartLearned = 0.05;
/**
 * Extremes grow only by whole batches, one batch late. If each value moved them at once, a slow drift would carry
 * its own extremes along and never stand out.
 */
const extremesBatch = 32;
const fineBins = 16;
/** The coarse bins are shifted by half a bin: then no border is one of both experts, and a step over it is news to one only. */
const coarseBins = 4;
/** How far beyond a border a value must be to count as crossed, in bins. */
const borderPart = 0.25;
const slotsOfDay = 48;
const microsPerSlot = (24 * 3600 * 1_000_000) / slotsOfDay;

/** One metric's detector. About 2.5 kB. Deterministic: state and values give the score, nothing else. */
export class ContextSurprise implements Detector<number> {
  #low: number;
  #high: number;
  readonly #rangeGiven: boolean;
  #rangeKnown: boolean;
  #seen = 0;
  #fineBin = -1;
  #coarseBin = -1;
  #least = Infinity;
  #most = -Infinity;
  #waitingLeast = Infinity;
  #waitingMost = -Infinity;
  #batchLeast = Infinity;
  #batchMost = -Infinity;
  #batchCount = 0;
  readonly #short = new Expert(fineBins, fineBins, 15);
  readonly #daily = new Expert(coarseBins + 1, slotsOfDay, 50);

  constructor(range: readonly [number, number] | undefined) {
    [this.#low, this.#high] = range ?? [Infinity, -Infinity];
    this.#rangeGiven = range !== undefined;
    this.#rangeKnown = this.#rangeGiven;
  }

  /** True until there is enough to judge by; scores are 0 until then. */
  get learning(): boolean {
    return this.#seen < (this.#rangeGiven ? warmUpValues : warmUpValuesWithoutRange);
  }

  /**
   * Scores a finite value. With `learn` false (an alert is open) what is normal stays as it is, so that a fault
   * cannot become normal by lasting.
   */
  observe(value: number, timeMicros: number, learn: boolean): number {
    if (!this.#rangeKnown && !this.#learnRange(value)) return 0;
    const { learning } = this;
    const beyond = !learning && this.#isBeyond(value);
    const surprise = this.#askExperts(value, timeMicros, learn);
    if (learning || learn) this.#learnExtremes(value);
    if (learning) {
      this.#seen++;
      return 0;
    }
    return beyond ? 1 : surprise;
  }

  #isBeyond(value: number): boolean {
    const margin = this.#rangeGiven
      ? (this.#high - this.#low) * beyondPart
      : (this.#most - this.#least) * beyondPartLearned;
    return value < this.#least - margin || value > this.#most + margin;
  }

  #askExperts(value: number, timeMicros: number, learn: boolean): number {
    const part = (value - this.#low) / (this.#high - this.#low);
    const fine = binOf(part * fineBins, fineBins, this.#fineBin);
    const coarse = binOf(part * coarseBins + 0.5, coarseBins + 1, this.#coarseBin);
    const slot = Math.floor(timeMicros / microsPerSlot) % slotsOfDay;
    const daily = this.#daily.score(coarse, slot < 0 ? slot + slotsOfDay : slot, learn);
    const short = this.#fineBin < 0 ? 0 : this.#short.score(fine, this.#fineBin, learn);
    this.#fineBin = fine;
    this.#coarseBin = coarse;
    return (short + daily) / 2;
  }

  /** The next value does not follow the one before: there was a gap. */
  forgetContext(): void {
    this.#fineBin = -1;
    this.#coarseBin = -1;
  }

  #learnRange(value: number): boolean {
    this.#low = Math.min(this.#low, value);
    this.#high = Math.max(this.#high, value);
    if (++this.#seen < rangeValues) return false;
    const spread = this.#high - this.#low || Math.abs(this.#high) / 2 || 1;
    this.#least = this.#low;
    this.#most = this.#high;
    this.#low -= spread * rangeRoom;
    this.#high += spread * rangeRoom;
    this.#rangeKnown = true;
    return true;
  }

  #learnExtremes(value: number): void {
    this.#batchLeast = Math.min(this.#batchLeast, value);
    this.#batchMost = Math.max(this.#batchMost, value);
    if (this.learning) {
      this.#least = Math.min(this.#least, value);
      this.#most = Math.max(this.#most, value);
    }
    if (++this.#batchCount < extremesBatch) return;
    this.#least = Math.min(this.#least, this.#waitingLeast);
    this.#most = Math.max(this.#most, this.#waitingMost);
    this.#waitingLeast = this.#batchLeast;
    this.#waitingMost = this.#batchMost;
    this.#batchLeast = Infinity;
    this.#batchMost = -Infinity;
    this.#batchCount = 0;
  }

  save(to: StateWriter): void {
    to.number(this.#low);
    to.number(this.#high);
    to.number(this.#rangeKnown ? 1 : 0);
    to.number(this.#seen);
    to.number(this.#fineBin);
    to.number(this.#coarseBin);
    to.number(this.#least);
    to.number(this.#most);
    to.number(this.#waitingLeast);
    to.number(this.#waitingMost);
    to.number(this.#batchLeast);
    to.number(this.#batchMost);
    to.number(this.#batchCount);
    this.#short.save(to);
    this.#daily.save(to);
  }

  load(from: StateReader): void {
    this.#low = from.number();
    this.#high = from.number();
    this.#rangeKnown = from.number() === 1;
    this.#seen = from.number();
    this.#fineBin = from.number();
    this.#coarseBin = from.number();
    this.#least = from.number();
    this.#most = from.number();
    this.#waitingLeast = from.number();
    this.#waitingMost = from.number();
    this.#batchLeast = from.number();
    this.#batchMost = from.number();
    this.#batchCount = from.number();
    this.#short.load(from);
    this.#daily.load(from);
  }
}

/**
 * The bin of a position. A value stays in the bin of the one before until it is clearly in another: noise at a border
 * is not a change. Positions outside of the range belong to the outermost bins.
 */
function binOf(position: number, bins: number, previous: number): number {
  if (previous >= 0 && position > previous - borderPart && position < previous + 1 + borderPart) return previous;
  const bin = Math.floor(position);
  // The comparison also catches NaN: the difference of two huge numbers.
  return bin >= 0 ? Math.min(bin, bins - 1) : 0;
}

/** Counts halve at these totals, so that old behaviour fades and a count fits into 16 bits. */
const contextCountMax = 4096;
const overallCountMax = 32768;
/** Weight of the overall distribution in a context that was seen rarely. */
const backOffWeight = 2;
/** How many values the history of surprise reaches back, in effect. */
const historyValues = 4000;
/** The first surprises say that nothing was learned yet, not what is usual. */
const historySkips = 50;
/** A signal of perfect regularity must not turn its first jitter into an alarm. In nats. */
const deviationFloor = 0.05;

/** Learns how likely each of `bins` is in each of `contexts` (Krichevsky–Trofimov estimate with back-off). */
class Expert {
  readonly #bins: number;
  readonly #inContext: Uint16Array;
  readonly #contextTotals: Uint16Array;
  readonly #overall: Uint16Array;
  readonly #recent: Float64Array;
  #overallTotal = 0;
  #recentAt = 0;
  #recentSum = 0;
  #values = 0;
  #mean = 0;
  #variance = 0;

  constructor(bins: number, contexts: number, recentValues: number) {
    this.#bins = bins;
    this.#inContext = new Uint16Array(bins * contexts);
    this.#contextTotals = new Uint16Array(contexts);
    this.#overall = new Uint16Array(bins);
    this.#recent = new Float64Array(recentValues);
  }

  score(bin: number, context: number, learn: boolean): number {
    const surprise = this.#surprise(bin, context);
    const recentMean = this.#remember(surprise);
    const deviation = Math.max(Math.sqrt(this.#variance), deviationFloor);
    // A usual value is no cause for alarm, however odd those before it were: they are still in the mean.
    const usual = this.#values < historySkips || surprise <= this.#mean + deviation;
    const score = usual ? 0 : tailScore((recentMean - this.#mean) / deviation);
    if (learn) this.#learn(bin, context, recentMean);
    return score;
  }

  #surprise(bin: number, context: number): number {
    const overall = (this.#overall[bin]! + 0.5) / (this.#overallTotal + this.#bins / 2);
    const seen = this.#inContext[context * this.#bins + bin]!;
    return -Math.log((seen + backOffWeight * overall) / (this.#contextTotals[context]! + backOffWeight));
  }

  /** Mean surprise of the last values. The sum is taken anew once per round, so that rounding cannot add up. */
  #remember(surprise: number): number {
    const recent = this.#recent;
    this.#recentSum += surprise - recent[this.#recentAt]!;
    recent[this.#recentAt] = surprise;
    if (++this.#recentAt === recent.length) {
      this.#recentAt = 0;
      this.#recentSum = 0;
      for (const value of recent) this.#recentSum += value;
    }
    return this.#recentSum / recent.length;
  }

  #learn(bin: number, context: number, recentMean: number): void {
    this.#inContext[context * this.#bins + bin]!++;
    if (++this.#contextTotals[context]! === contextCountMax) this.#fadeContext(context);
    this.#overall[bin]!++;
    if (++this.#overallTotal === overallCountMax) this.#overallTotal = halve(this.#overall, 0, this.#bins);
    this.#values = Math.min(this.#values + 1, historyValues + historySkips);
    if (this.#values <= historySkips) return;
    const weight = 1 / (this.#values - historySkips);
    const difference = recentMean - this.#mean;
    this.#mean += difference * weight;
    this.#variance = (1 - weight) * (this.#variance + difference * difference * weight);
  }

  #fadeContext(context: number): void {
    const first = context * this.#bins;
    this.#contextTotals[context] = halve(this.#inContext, first, first + this.#bins);
  }

  save(to: StateWriter): void {
    to.counts(this.#inContext);
    to.counts(this.#contextTotals);
    to.counts(this.#overall);
    to.numbers(this.#recent);
    to.number(this.#overallTotal);
    to.number(this.#recentAt);
    to.number(this.#recentSum);
    to.number(this.#values);
    to.number(this.#mean);
    to.number(this.#variance);
  }

  load(from: StateReader): void {
    from.counts(this.#inContext);
    from.counts(this.#contextTotals);
    from.counts(this.#overall);
    from.numbers(this.#recent);
    this.#overallTotal = from.number();
    this.#recentAt = from.number();
    this.#recentSum = from.number();
    this.#values = from.number();
    this.#mean = from.number();
    this.#variance = from.number();
  }
}

function halve(counts: Uint16Array, first: number, end: number): number {
  let total = 0;
  for (let i = first; i < end; i++) total += counts[i]! >>= 1;
  return total;
}

/**
 * 0 at or below the mean, 1 where a Gaussian would be this far above it once in 10^10. The tail is bounded by
 * exp(-z²/2) / (z √(2π) …): the logarithm of the upper bound is all that is needed, without an error function.
 */
function tailScore(z: number): number {
  if (z <= 0) return 0;
  // Upper tail of the normal distribution ≤ 2 φ(z) / (z + √(z² + 8/π))  (Birnbaum's bound, tight within 1 % above z = 1).
  const log10Tail =
    (-z * z) / 2 / Math.LN10 - Math.log10(Math.sqrt(Math.PI / 2) * (z + Math.sqrt(z * z + 8 / Math.PI)));
  const score = -log10Tail / 10;
  return score > 1 ? 1 : score;
}
