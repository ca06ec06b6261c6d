import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { NetworkReading } from "../../edge/inference/formats/network.ts";
import { FeaturePipeline } from "../../edge/inference/features/pipeline.ts";
import { quantileOf } from "../../edge/inference/learn/quantile.ts";
import type { Manifest, PackagedFeature } from "../../edge/inference/package/manifest.ts";
import { packNetwork } from "../../edge/inference/package/pack-network.ts";
import { writePackage } from "../../edge/inference/store/files.ts";
import { trainDense } from "./tensorflow.ts";

/*
 * Trains a network that says how many flights a turbofan engine has left, on NASA's C-MAPSS runs to failure (subset FD001),
 * and writes it as a package. The data is in the public domain: NASA Prognostics Data Repository.
 */
const usage = `usage: node demo/networks/train-cmapss.ts <folder with train_FD001.txt> -o <new folder> [--version 1.0.0] [--seed 1]
`;

/** The others do not change in this subset. */
const sensors = [2, 3, 4, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21];
const units = [
  "[degR]",
  "[degR]",
  "[degR]",
  "[psi]",
  "{r}/min",
  "{r}/min",
  "[psi]",
  "1",
  "{r}/min",
  "{r}/min",
  "1",
  "1",
  "[lb_av]/s",
  "[lb_av]/s",
];
const inputs = sensors.map((sensor) => `sensor${sensor}`);
const features: readonly PackagedFeature[] = [
  { kind: "age" },
  ...inputs.flatMap((input): PackagedFeature[] => [
    { kind: "mean", input, rows: 5 },
    { kind: "mean", input, rows: 20 },
    { kind: "slope", input, rows: 30 },
    { kind: "drift", input, rows: 15, firstRows: 20 },
  ]),
];
/** A new engine shows nothing of its end: labels are cut to so many cycles, as is usual for this data. */
const cap = 125;
/** Before so many cycles the longest window is not full. */
const settling = 29;
const period = { periodMs: 3_600_000, holdRows: 0, gapRows: 0 };

interface Engine {
  readonly cycles: readonly Float64Array[];
  /** Cycles after the last one that was recorded. */
  readonly remaining: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    output: { type: "string", short: "o" },
    version: { type: "string", default: "1.0.0" },
    seed: { type: "string", default: "1" },
  },
});
const [folder] = positionals;
if (folder === undefined || values.output === undefined) {
  process.stderr.write(usage);
  process.exit(64);
}
const remaining = read("RUL_FD001.txt").map(([cycles]) => cycles!);
const training = enginesOf("train_FD001.txt", () => 0);
const test = enginesOf("test_FD001.txt", (engine) => remaining[engine]!);
const startMs = performance.now();

const rows = training.flatMap((engine) => featuresOf(engine).slice(settling));
const labels = training.flatMap(({ cycles }) =>
  cycles.map((_, c) => Math.min(cap, cycles.length - 1 - c)).slice(settling),
);
const columns = features.map((_, f) => Float64Array.from(rows, (row) => row[f]!));
const means = columns.map(meanOf);
const deviations = columns.map((column, f) => Math.sqrt(meanOf(column.map((value) => (value - means[f]!) ** 2))));
const network = await trainDense(
  rows.map(scaled),
  labels.map((label) => Float32Array.of(label / cap)),
  {
    sizes: [features.length, 48, 24, 1],
    activation: "relu",
    epochs: 16,
    batchRows: 128,
    rate: 0.002,
    seed: Number(values.seed),
  },
);
const lastRows = test.map((engine) => scaled(featuresOf(engine).at(-1)!));
const predicted = Array.from(await network.predict(lastRows), (part) => Math.min(cap, Math.max(0, cap * part)));
const truths = test.map((engine) => engine.remaining);
const meanLabel = meanOf(labels);
const rmse = rootMeanSquare(predicted);
const rmseOfMean = rootMeanSquare(truths.map(() => meanLabel));

const reading: NetworkReading = {
  input: [features.length],
  means,
  deviations,
  answer: { kind: "value", scale: cap, offset: 0 },
};
const goldenRows = training[0]!.cycles.slice(0, 90);
mkdirSync(values.output);
writePackage(values.output, await packNetwork({ about: about(), reading, files: network.files, rows: goldenRows }));
const bytes = [...network.files.values()].reduce((sum, file) => sum + file.length, 0);
console.log(`turbofan-life ${values.version} is in ${values.output}: ${Math.round(bytes / 1000)} kB`);
console.log(
  `fitted    on ${rows.length} cycles of ${training.length} engines in ${((performance.now() - startMs) / 1000).toFixed(0)} s`,
);
console.log(
  `tested    on the last cycle of ${test.length} engines: RMSE ${rmse.toFixed(2)} cycles (always the mean label: ${rmseOfMean.toFixed(1)}), PHM score ${phmScore().toFixed(0)}`,
);

function enginesOf(name: string, remainingOf: (engine: number) => number): Engine[] {
  const byEngine = Map.groupBy(read(name), ([engine]) => engine);
  return [...byEngine.values()].map((cycles, engine) => ({
    // An engine, a cycle and three settings come before the sensors.
    cycles: cycles.map((row) => Float64Array.from(sensors, (sensor) => row[4 + sensor]!)),
    remaining: remainingOf(engine),
  }));
}

function read(name: string): number[][] {
  const lines = readFileSync(join(folder!, name), "utf8").trim().split("\n");
  return lines.map((line) => line.trim().split(/\s+/).map(Number));
}

function featuresOf({ cycles }: Engine): Float64Array[] {
  const pipeline = new FeaturePipeline(inputs, features);
  return cycles.map((cycle) => {
    const row = new Float64Array(features.length);
    pipeline.observe(cycle, row);
    return row;
  });
}

function scaled(row: Float64Array): Float32Array {
  return Float32Array.from(row, (value, f) => (value - means[f]!) / deviations[f]!);
}

function meanOf(numbers: ArrayLike<number>): number {
  return Array.from(numbers).reduce((sum, value) => sum + value, 0) / numbers.length;
}

function rootMeanSquare(predictions: readonly number[]): number {
  return Math.sqrt(meanOf(predictions.map((value, i) => (value - truths[i]!) ** 2)));
}

/** Late predictions cost more than early ones (Saxena et al. 2008). */
function phmScore(): number {
  return predicted.reduce((sum, value, i) => {
    const late = value - truths[i]!;
    return sum + Math.exp(late < 0 ? -late / 13 : late / 10) - 1;
  }, 0);
}

function about(): Omit<Manifest, "files"> {
  const all = training.flatMap(({ cycles }) => cycles);
  const hash = createHash("sha256");
  for (const row of all) hash.update(row);
  const recorded = "2008-01-01T00:00:00.000000Z";
  return {
    tidegate: "model-package/1",
    name: "turbofan-life",
    version: values.version,
    format: "tfjs-layers",
    method: "value",
    inputs: inputs.map((metric, i) => {
      const column = Float64Array.from(all, (row) => row[i]!);
      return {
        metric,
        unit: units[i]!,
        usual: [quantileOf(column, 0.01), quantileOf(column, 0.99)] as [number, number],
      };
    }),
    rows: period,
    features: [...features],
    output: {
      kind: "quantity",
      name: "remainingLife",
      unit: "{cycle}",
      range: [0, cap],
      meaning: `Flights until the engine fails; ${cap} means that many and more.`,
    },
    prediction: {
      step: 5,
      split: "device",
      rowsFitted: rows.length,
      rowsCalibrated: 0,
      rowsTested: test.length,
      devicesTested: test.length,
      tested: { rmse, rmseOfMean },
    },
    training: {
      trainedAt: recorded,
      from: recorded,
      to: recorded,
      devices: training.map((_, i) => `engine-${i + 1}`),
      rows: all.length,
      gaps: 0,
      sha256: hash.digest("hex"),
    },
  };
}
