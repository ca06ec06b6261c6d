import { bad, comparePlaces, uncertain, type Place, type Reading, type Sample } from "./sample.ts";

/** Length of a window. */
export const windowMicros = 60_000_000;

export function windowOf(timeMicros: number): number {
  return Math.floor(timeMicros / windowMicros);
}

export function startOf(window: number): number {
  return window * windowMicros;
}

/** The figures of one metric in one window, folded in the order of time. */
export interface MetricFigures {
  count: number;
  sum: number;
  min: number;
  max: number;
  first: Point;
  last: Point;
  /** Sum of value × share of the window, each value from its own time to the next value's. */
  weighted: number;
  /** Sum of the steps between neighbours, as a counter's increase. */
  increase: number;
  uncertain: number;
  bad: number;
}

export interface Point {
  readonly timeMicros: number;
  readonly value: number;
}

/** A reset counts from zero. */
export function stepOf(before: number, after: number): number {
  return after >= before ? after - before : after;
}

/**
 * The samples of one device in one window, as figures only: a sample that comes in order costs a few additions and is
 * not kept in memory. One that comes out of order cannot be folded in: `add` says so, and the window has to be
 * computed again from the stored samples.
 */
export class WindowFigures {
  readonly window: number;
  records = 0;
  /** Records that carried at least one bad value. */
  badRecords = 0;
  /** The newest sample decides where the device stood. */
  pathNo = 0;
  readonly metrics = new Map<number, MetricFigures>();
  #last: Place | undefined;

  constructor(window: number) {
    this.window = window;
  }

  /** Samples in any order. */
  static of(window: number, samples: readonly Sample[]): WindowFigures {
    const figures = new WindowFigures(window);
    for (const sample of samples.toSorted(comparePlaces)) figures.add(sample);
    return figures;
  }

  /** False where the sample is older than one that was folded before; the figures are then void. */
  add(sample: Sample): boolean {
    if (this.#last !== undefined && comparePlaces(sample, this.#last) < 0) return false;
    this.#last = { timeMicros: sample.timeMicros, epoch: sample.epoch, seq: sample.seq };
    this.records += 1;
    this.pathNo = sample.pathNo;
    let anyBad = false;
    for (const reading of sample.readings) {
      if (reading.quality === bad) anyBad = true;
      this.#addReading(reading, sample.timeMicros);
    }
    if (anyBad) this.badRecords += 1;
    return true;
  }

  #addReading({ seriesNo, quality, value }: Reading, timeMicros: number): void {
    const m = this.metrics.get(seriesNo);
    if (m === undefined) {
      this.metrics.set(seriesNo, firstFigures(quality, value, timeMicros));
      return;
    }
    if (quality === bad) {
      m.bad += 1;
      return;
    }
    if (quality === uncertain) m.uncertain += 1;
    const point = { timeMicros, value };
    if (m.count === 0) {
      m.min = m.max = value;
      m.first = point;
    } else {
      m.min = Math.min(m.min, value);
      m.max = Math.max(m.max, value);
      m.weighted += m.last.value * ((timeMicros - m.last.timeMicros) / windowMicros);
      m.increase += stepOf(m.last.value, value);
    }
    m.last = point;
    m.count += 1;
    m.sum += value;
  }
}

function firstFigures(quality: number, value: number, timeMicros: number): MetricFigures {
  const point = { timeMicros, value };
  const usable = quality !== bad;
  return {
    count: usable ? 1 : 0,
    sum: usable ? value : 0,
    min: value,
    max: value,
    first: point,
    last: point,
    weighted: 0,
    increase: 0,
    uncertain: quality === uncertain ? 1 : 0,
    bad: usable ? 0 : 1,
  };
}
