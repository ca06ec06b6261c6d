import type { Observation } from "../../../src/observation/observation.ts";
import type { RollupBody } from "../../../cloud/aggregate/rollup.ts";

/** What a test knows of a record: enough to compute every result from the whole set at once. */
export interface Told {
  readonly device: string;
  readonly path: string;
  readonly epoch: string;
  readonly seq: number;
  readonly timeMicros: number;
  readonly values: Observation["values"];
  readonly quality: Observation["quality"];
}

const minute = 60_000_000;

export interface Figures {
  count: number;
  sum: number;
  min: number;
  max: number;
  first: number;
  last: number;
  mean: number;
  coveredSeconds: number;
  increase: number;
  uncertain: number;
  bad: number;
}

/**
 * Rollups by `level/key/window`, computed the slow and obvious way from all distinct records: sort each device's
 * records, walk each metric's values, and spread each value over the time until the next one.
 */
export function referenceRollups(
  told: readonly Told[],
  holdSeconds: number,
): Map<string, { records: number; metrics: Map<string, Figures> }> {
  const result = new Map<string, { records: number; metrics: Map<string, Figures> }>();
  const cell = (level: string, key: string, window: number) => {
    const name = `${level}/${key}/${window}`;
    if (!result.has(name)) result.set(name, { records: 0, metrics: new Map() });
    return result.get(name)!;
  };
  const devices = new Set(told.map((t) => t.device));
  for (const device of [...devices].sort()) {
    const own = told.filter((t) => t.device === device).sort(order);
    const windows = new Set(own.map((t) => Math.floor(t.timeMicros / minute)));
    for (const window of windows) {
      const inside = own.filter((t) => Math.floor(t.timeMicros / minute) === window);
      const path = inside.at(-1)!.path;
      const figures = new Map<string, Figures>();
      for (const metric of new Set(inside.flatMap((t) => Object.keys(t.values)))) {
        const f = metricFigures(own, metric, window, holdSeconds);
        if (f.count > 0) figures.set(metric, f);
      }
      const places = [
        ["device", device],
        ["line", path.split("/").slice(0, 4).join("/")],
        ["site", path.split("/").slice(0, 2).join("/")],
        ["fleet", "fleet"],
      ] as const;
      for (const [level, key] of places) {
        const target = cell(level, key, window);
        target.records += inside.length;
        for (const [metric, f] of figures) mergeInto(target.metrics, metric, f);
      }
    }
  }
  return result;
}

function metricFigures(own: readonly Told[], metric: string, window: number, holdSeconds: number): Figures {
  const start = window * minute;
  const end = start + minute;
  const carrying = own.filter((t) => typeof t.values[metric] === "number");
  const usable = carrying.filter((t) => t.quality?.[metric] !== "bad");
  const inside = usable.filter((t) => t.timeMicros >= start && t.timeMicros < end);
  let area = 0;
  let covered = 0;
  let increase = 0;
  usable.forEach((t, i) => {
    const value = t.values[metric] as number;
    const next = usable[i + 1]?.timeMicros ?? Infinity;
    const from = Math.max(start, t.timeMicros);
    const to = Math.min(end, next, t.timeMicros + holdSeconds * 1_000_000);
    if (to > from) {
      area += value * ((to - from) / minute);
      covered += (to - from) / minute;
    }
    const before = usable[i - 1];
    if (before !== undefined && t.timeMicros >= start && t.timeMicros < end) {
      const earlier = before.values[metric] as number;
      increase += value >= earlier ? value - earlier : value;
    }
  });
  const values = inside.map((t) => t.values[metric] as number);
  const marked = (quality: string) =>
    carrying.filter((t) => t.timeMicros >= start && t.timeMicros < end && t.quality?.[metric] === quality).length;
  return {
    count: values.length,
    sum: values.reduce((a, b) => a + b, 0),
    min: Math.min(...values),
    max: Math.max(...values),
    first: values[0] ?? 0,
    last: values.at(-1) ?? 0,
    mean: area / covered,
    coveredSeconds: covered * 60,
    increase,
    uncertain: marked("uncertain"),
    bad: marked("bad"),
  };
}

function mergeInto(metrics: Map<string, Figures>, metric: string, f: Figures): void {
  const whole = metrics.get(metric);
  if (whole === undefined) {
    metrics.set(metric, { ...f });
    return;
  }
  const covered = whole.coveredSeconds + f.coveredSeconds;
  whole.mean = (whole.mean * whole.coveredSeconds + f.mean * f.coveredSeconds) / covered;
  whole.coveredSeconds = covered;
  whole.count += f.count;
  whole.sum += f.sum;
  whole.min = Math.min(whole.min, f.min);
  whole.max = Math.max(whole.max, f.max);
  whole.increase += f.increase;
  whole.uncertain += f.uncertain;
  whole.bad += f.bad;
}

function order(a: Told, b: Told): number {
  return a.timeMicros - b.timeMicros || Number(a.epoch.split("-")[0]) - Number(b.epoch.split("-")[0]) || a.seq - b.seq;
}

/** Undefined where they agree, else what differs. First and last of merged rows depend on time alone and are compared for devices. */
export function difference(
  rollups: readonly RollupBody[],
  reference: ReturnType<typeof referenceRollups>,
  counters: ReadonlySet<string>,
): string | undefined {
  const live = rollups.filter((r) => r.records > 0);
  if (live.length !== reference.size) return `${live.length} rollups, expected ${reference.size}`;
  for (const rollup of live) {
    const name = `${rollup.level}/${rollup.key}/${Date.parse(rollup.window) / 60_000}`;
    const expected = reference.get(name);
    if (expected === undefined) return `${name} was not expected`;
    if (expected.records !== rollup.records) return `${name}: ${rollup.records} records, expected ${expected.records}`;
    const names = Object.keys(rollup.metrics).sort().join();
    if (names !== [...expected.metrics.keys()].sort().join()) return `${name}: metrics ${names}`;
    for (const [metric, f] of expected.metrics) {
      const got = rollup.metrics[metric]! as unknown as Record<string, number>;
      for (const [figure, value] of Object.entries(f) as [string, number][]) {
        if (figure === "increase" && !counters.has(metric)) continue;
        if ((figure === "first" || figure === "last") && rollup.level !== "device") continue;
        const exact =
          figure === "count" || figure === "min" || figure === "max" || figure === "uncertain" || figure === "bad";
        const near = exact
          ? got[figure] === value
          : Math.abs(got[figure]! - value) <= 1e-9 * Math.max(1, Math.abs(value));
        if (!near) return `${name} ${metric}.${figure}: ${got[figure]}, expected ${value}`;
      }
    }
  }
  return undefined;
}
