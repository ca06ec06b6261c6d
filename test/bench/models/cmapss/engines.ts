import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Feature } from "../../../../edge/inference/features/feature.ts";
import { FeaturePipeline } from "../../../../edge/inference/features/pipeline.ts";

/** The life of one engine, or its beginning: per cycle 3 settings and 21 sensors. */
export interface Engine {
  readonly cycles: readonly Float64Array[];
  /** Remaining cycles after the last one. */
  readonly remaining: number;
}

const inputs = ["setting1", "setting2", "setting3", ...Array.from({ length: 21 }, (_, i) => `sensor${i + 1}`)];
/** The others do not change in this subset. */
const sensors = [2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21].map((n) => `sensor${n}`);

/** Per sensor: raw, means, slope and drift from the first cycles; age only where it is asked for. */
export function featureList(withAge: boolean): Feature[] {
  const age: Feature[] = withAge ? [{ kind: "age" }] : [];
  return [
    ...age,
    ...sensors.flatMap((input): Feature[] => [
      { kind: "value", input },
      { kind: "mean", input, rows: 5 },
      { kind: "mean", input, rows: 15 },
      { kind: "mean", input, rows: 30 },
      { kind: "slope", input, rows: 30 },
      { kind: "drift", input, rows: 15, firstRows: 20 },
    ]),
  ];
}

/** The features of every cycle of an engine. */
export function featuresOf({ cycles }: Engine, features: readonly Feature[]): Float64Array[] {
  const pipeline = new FeaturePipeline(inputs, features);
  return cycles.map((cycle) => {
    const row = new Float64Array(pipeline.features);
    pipeline.observe(cycle, row);
    return row;
  });
}

/** Engines that ran until they failed, and engines that were stopped before, of the simplest subset. */
export function readEngines(folder: string): { training: Engine[]; test: Engine[] } {
  const remaining = read(folder, "RUL_FD001.txt").map(([cycles]) => cycles!);
  return {
    training: enginesOf(read(folder, "train_FD001.txt"), () => 0),
    test: enginesOf(read(folder, "test_FD001.txt"), (i) => remaining[i]!),
  };
}

function enginesOf(rows: readonly number[][], remainingOf: (index: number) => number): Engine[] {
  const byUnit = Map.groupBy(rows, ([unit]) => unit);
  return [...byUnit.values()].map((cycles, i) => ({
    cycles: cycles.map((row) => Float64Array.from(row.slice(2))),
    remaining: remainingOf(i),
  }));
}

function read(folder: string, name: string): number[][] {
  const lines = readFileSync(join(folder, name), "utf8").trim().split("\n");
  return lines.map((line) => line.trim().split(/\s+/).map(Number));
}
