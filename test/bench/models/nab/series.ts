import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Rows `first` to `last` (both included) in which an anomaly is to be found. */
export interface LabelledWindow {
  readonly first: number;
  readonly last: number;
}

/** One file of the Numenta Anomaly Benchmark. */
export interface LabelledSeries {
  readonly name: string;
  readonly timesMicros: Float64Array;
  readonly values: Float64Array;
  /** In order, not overlapping. */
  readonly windows: readonly LabelledWindow[];
}

/** Every series below `folder`/data that has labels, in the order of their names. */
export function readCorpus(folder: string): LabelledSeries[] {
  const labels = JSON.parse(readFileSync(join(folder, "labels/combined_windows.json"), "utf8")) as Record<
    string,
    [string, string][]
  >;
  const names = readdirSync(join(folder, "data"), { recursive: true, encoding: "utf8" });
  return names
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => labels[name] !== undefined)
    .sort()
    .map((name) => readSeries(name, readFileSync(join(folder, "data", name), "utf8"), labels[name]!));
}

function readSeries(name: string, text: string, labels: readonly [string, string][]): LabelledSeries {
  const rows = text
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
    .map((line) => line.split(","));
  const timesMicros = Float64Array.from(rows, ([time]) => microsOf(time!));
  const windows = labels.map(([from, to]) => ({
    first: timesMicros.indexOf(microsOf(from)),
    last: timesMicros.indexOf(microsOf(to)),
  }));
  if (windows.some(({ first, last }) => first < 0 || last < first)) throw new Error(`${name}: a window has no rows`);
  return { name, timesMicros, values: Float64Array.from(rows, ([, value]) => Number(value)), windows };
}

/** The benchmark's times have no zone; which one is taken does not matter to any score. */
function microsOf(time: string): number {
  return Date.parse(`${time.slice(0, 19).replace(" ", "T")}Z`) * 1000;
}
