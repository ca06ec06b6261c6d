import { formatWireTime } from "../../src/observation/time.ts";
import type { RollupMetric, RollupRecord } from "../../src/wire/records.ts";
import { startOf, stepOf, windowMicros, type MetricFigures, type Point, type WindowFigures } from "./accumulator.ts";

export type Level = RollupRecord["level"];
export const fleetKey = "fleet";

/** A rollup without its revision, which the store gives. */
export type RollupBody = Omit<RollupRecord, "revision">;

export interface SeriesView {
  readonly metric: string;
  readonly counter: boolean;
  /** The last usable value before the window, however old. */
  readonly before: Point | undefined;
}

/** A device's minute. `holdMicros` bounds how long a value stands for the time after it. */
export function deviceRollup(
  device: string,
  path: string,
  figures: WindowFigures,
  series: (seriesNo: number) => SeriesView,
  holdMicros: number,
): RollupBody {
  const metrics = emptyMetrics();
  for (const [seriesNo, figure] of figures.metrics) {
    if (figure.count === 0) continue;
    const view = series(seriesNo);
    metrics[view.metric] = metricOf(figure, figures.window, view, holdMicros);
  }
  return bodyOf("device", device, path, figures.window, figures.records, figures.badRecords, metrics);
}

function metricOf(f: MetricFigures, window: number, view: SeriesView, holdMicros: number): RollupMetric {
  const start = startOf(window);
  const { before } = view;
  const carried =
    before === undefined ? 0 : Math.max(0, Math.min(f.first.timeMicros, before.timeMicros + holdMicros) - start);
  const tail = start + windowMicros - f.last.timeMicros;
  const covered = (carried + start + windowMicros - f.first.timeMicros) / windowMicros;
  const weighted =
    (carried === 0 ? 0 : before!.value * (carried / windowMicros)) + f.weighted + f.last.value * (tail / windowMicros);
  const metric: RollupMetric = {
    count: f.count,
    sum: finite(f.sum),
    min: f.min,
    max: f.max,
    first: f.first.value,
    last: f.last.value,
    firstTime: formatWireTime(f.first.timeMicros),
    lastTime: formatWireTime(f.last.timeMicros),
    mean: finite(weighted / covered),
    coveredSeconds: (covered * windowMicros) / 1_000_000,
    uncertain: f.uncertain,
    bad: f.bad,
  };
  if (view.counter)
    metric.increase = finite(f.increase + (before === undefined ? 0 : stepOf(before.value, f.first.value)));
  return metric;
}

/** Merges the rollups of a window's members, in the order of their keys, so that sums are the same each time. */
export function mergedRollup(level: Level, key: string, window: number, members: Iterable<RollupBody>): RollupBody {
  const metrics = emptyMetrics();
  let records = 0;
  let badRecords = 0;
  for (const member of [...members].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    records += member.records;
    badRecords += member.bad ?? 0;
    for (const name of Object.keys(member.metrics)) {
      const part = member.metrics[name]!;
      const whole = metrics[name];
      if (whole === undefined) metrics[name] = { ...part };
      else addMetric(whole, part);
    }
  }
  return bodyOf(level, key, key === fleetKey ? "" : key, window, records, badRecords, metrics);
}

/** Wire times have one width, so that comparing the text compares the times; a tie stays with the smaller key. */
function addMetric(whole: RollupMetric, part: RollupMetric): void {
  const covered = whole.coveredSeconds + part.coveredSeconds;
  whole.mean = finite(whole.mean * (whole.coveredSeconds / covered) + part.mean * (part.coveredSeconds / covered));
  whole.coveredSeconds = covered;
  whole.count += part.count;
  whole.sum = finite(whole.sum + part.sum);
  whole.min = Math.min(whole.min, part.min);
  whole.max = Math.max(whole.max, part.max);
  if (part.firstTime < whole.firstTime) {
    whole.firstTime = part.firstTime;
    whole.first = part.first;
  }
  if (part.lastTime > whole.lastTime) {
    whole.lastTime = part.lastTime;
    whole.last = part.last;
  }
  whole.uncertain += part.uncertain;
  whole.bad += part.bad;
  if (part.increase !== undefined) whole.increase = finite((whole.increase ?? 0) + part.increase);
}

function bodyOf(
  level: Level,
  key: string,
  path: string,
  window: number,
  records: number,
  badRecords: number,
  metrics: Record<string, RollupMetric>,
): RollupBody {
  return {
    level,
    key,
    path,
    window: formatWireTime(startOf(window)),
    seconds: windowMicros / 1_000_000,
    records,
    ...(badRecords > 0 ? { bad: badRecords } : {}),
    metrics,
  };
}

/** Without a prototype: a metric may be called `__proto__`. */
function emptyMetrics(): Record<string, RollupMetric> {
  return Object.create(null) as Record<string, RollupMetric>;
}

/** Sums of huge values may leave what JSON can carry: the largest number stands for them, never `null`. */
function finite(value: number): number {
  return Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, value));
}
