import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { matrixFrom, type Matrix } from "../../../../edge/inference/learn/matrix.ts";

/** One run of the test bench: eight sensors, once a second. */
export interface Run {
  readonly name: string;
  readonly rows: Matrix;
  /** True where the row belongs to a fault. */
  readonly faulty: readonly boolean[];
}

/** Every run below `folder`/data that has labels. */
export function readRuns(folder: string): Run[] {
  const names = readdirSync(join(folder, "data"), { recursive: true, encoding: "utf8" }).sort();
  return names
    .filter((name) => name.endsWith(".csv"))
    .flatMap((name) => readRun(name, readFileSync(join(folder, "data", name), "utf8")) ?? []);
}

function readRun(name: string, text: string): Run | undefined {
  const [header = "", ...lines] = text.trim().split("\n");
  const columns = header.trim().split(";");
  const label = columns.indexOf("anomaly");
  if (label < 0) return undefined;
  const cells = lines.map((line) => line.split(";"));
  return {
    name,
    rows: matrixFrom(cells.map((row) => row.slice(1, label).map(Number))),
    faulty: cells.map((row) => Number(row[label]) === 1),
  };
}
