import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Episode } from "../../edge/inference/episode.ts";
import { quantileOf } from "../../edge/inference/learn/quantile.ts";
import type { Manifest, PackagedFeature } from "../../edge/inference/package/manifest.ts";
import { packNetwork } from "../../edge/inference/package/pack-network.ts";
import { onAlertScale } from "../../edge/inference/rows/score-scale.ts";
import { writePackage } from "../../edge/inference/store/files.ts";
import { Pump } from "../../edge/simulate/plant.ts";
import { trainAutoencoder, type Autoencoder, type AutoencoderData, type Rows } from "./autoencoder.ts";
import type { Training } from "./tensorflow.ts";

/*
 * Trains an autoencoder on normal operation and writes it as a package: on the simulated pumps of the demo, or on the
 * Tennessee Eastman process, whose files are given as a folder.
 */
const usage = `usage: node demo/networks/train-autoencoder.ts -o <new folder> [--tep <folder with d00.dat>] [--version 1.0.0]
`;

interface Plant {
  readonly name: string;
  readonly periodMs: number;
  readonly metrics: readonly { readonly metric: string; readonly unit: string; readonly range?: [number, number] }[];
  readonly features: readonly PackagedFeature[];
  readonly training: Omit<Training, "activation">;
  readonly headroom: number;
  readonly fitted: Rows;
  readonly forLimits: Rows;
  readonly tested: Rows;
  readonly devices: readonly string[];
  /** What is not normal, by name. */
  readonly faults: readonly (readonly [name: string, rows: readonly Float64Array[]])[];
}

const falseAlarms = 0.001;
const epochStart = "2026-11-20T00:00:00.000000Z";

const { values } = parseArgs({
  options: {
    output: { type: "string", short: "o" },
    tep: { type: "string" },
    version: { type: "string", default: "1.0.0" },
  },
});
if (values.output === undefined) {
  process.stderr.write(usage);
  process.exit(64);
}
const plant = values.tep === undefined ? pumps() : tennesseeEastman(values.tep);
const data: AutoencoderData = { ...plant, inputs: plant.metrics.map(({ metric }) => metric) };
const startMs = performance.now();
const trained = await trainAutoencoder(data, plant.training, { falseAlarms, headroom: plant.headroom });
const episodesTested = (await trained.score(plant.tested)).reduce((sum, scores) => sum + episodesOf(scores), 0);
const about = aboutOf(plant, trained, episodesTested, values.version);
const rows = plant.forLimits[0]!.slice(0, 80);
mkdirSync(values.output);
writePackage(values.output, await packNetwork({ about, reading: trained.reading, files: trained.files, rows }));
await report();

/** Five metrics and their means, so that a slow change stands out of the noise. */
function pumps(): Plant {
  const metrics = [
    { metric: "flow", unit: "m3/h" },
    { metric: "pressure", unit: "bar" },
    { metric: "current", unit: "A" },
    { metric: "vibration", unit: "mm/s" },
    { metric: "bearingTemperature", unit: "Cel" },
  ];
  const seconds = 1800;
  // Seeds that no demo has: npm start gives pumps 1000 times its own, plus their number.
  const run = (seed: number, wear?: { startSeconds: number; seconds: number }): Float64Array[] => {
    const pump = new Pump(seed + 0.5e6, wear);
    return Array.from({ length: seconds }, () => {
      let state = pump.step(0.2);
      // A row is what came within a second, and its values are the last ones.
      for (let reading = 1; reading < 5; reading++) state = pump.step(0.2);
      return Float64Array.from(metrics, ({ metric }) => state[metric as keyof typeof state]);
    });
  };
  const runs = (from: number, to: number): Rows => Array.from({ length: to - from }, (_, i) => run(from + i));
  return {
    name: "pump-network",
    periodMs: 1000,
    metrics,
    features: [
      ...metrics.map(({ metric }) => ({ kind: "value" as const, input: metric })),
      ...metrics.map(({ metric }) => ({ kind: "mean" as const, input: metric, rows: 10 })),
    ],
    training: { sizes: [10, 12, 5, 12, 10], epochs: 30, batchRows: 64, rate: 0.004, seed: 1 },
    headroom: 2,
    fitted: runs(0, 16),
    forLimits: runs(16, 24),
    tested: runs(24, 32),
    devices: Array.from({ length: 24 }, (_, i) => `simulated-${i + 1}`),
    faults: [1, 2, 3].map((seed) => [`wear of pump ${seed}`, run(40 + seed, { startSeconds: 600, seconds: 90 })]),
  };
}

/** 52 metrics of a chemical plant, every three minutes. d00 is fitted; d00_te sets the limit and, its second half, tells how good it is. */
function tennesseeEastman(folder: string): Plant {
  const names = [
    ...Array.from({ length: 41 }, (_, i) => `xmeas${i + 1}`),
    ...Array.from({ length: 11 }, (_, i) => `xmv${i + 1}`),
  ];
  const read = (name: string): number[][] =>
    readFileSync(join(folder, name), "utf8")
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number));
  // The one file whose rows are metrics.
  const first = read("d00.dat");
  const fitted = first[0]!.map((_, r) => Float64Array.from(first, (metric) => metric[r]!));
  const rowsOf = (name: string): Float64Array[] => read(name).map((row) => Float64Array.from(row));
  const normal = rowsOf("d00_te.dat");
  const half = normal.length >> 1;
  const faulty = readdirSync(folder).filter((name) => /^d(?!00)\d\d_te\.dat$/.test(name));
  return {
    name: "tep-network",
    periodMs: 180_000,
    metrics: names.map((metric) => ({ metric, unit: "1" })),
    features: names.map((input) => ({ kind: "value", input })),
    training: { sizes: [52, 32, 20, 32, 52], epochs: 150, batchRows: 32, rate: 0.003, seed: 1 },
    headroom: 1,
    fitted: [fitted],
    forLimits: [normal.slice(0, half)],
    tested: [normal.slice(half)],
    devices: ["plant"],
    // The fault begins after 160 rows.
    faults: faulty.sort().map((name) => [name.slice(0, 3), rowsOf(name).slice(160)]),
  };
}

function aboutOf(
  { name, periodMs, metrics, features, fitted, devices }: Plant,
  { clear, calibration }: Autoencoder,
  episodesTested: number,
  version: string,
): Omit<Manifest, "files"> {
  const all = fitted.flat();
  const usual = (i: number): [number, number] => {
    const column = Float64Array.from(all, (row) => row[i]!);
    return [quantileOf(column, 0.01), quantileOf(column, 0.99)];
  };
  const hash = createHash("sha256").update(JSON.stringify(metrics));
  for (const row of all) hash.update(row);
  return {
    tidegate: "model-package/1",
    name,
    version,
    format: "tfjs-layers",
    method: "reconstruction",
    inputs: metrics.map((input, i) => ({ ...input, usual: usual(i) })),
    rows: { periodMs, holdRows: 10, gapRows: 5 },
    features: [...features],
    output: { kind: "score", meaning: "Mean squared error of what the autoencoder gives back; 1 is at the limit." },
    threshold: { raise: 1, clear },
    calibration: { ...calibration, episodesTested },
    training: {
      trainedAt: epochStart,
      from: epochStart,
      to: epochStart,
      devices: [...devices],
      rows: all.length,
      gaps: 0,
      sha256: hash.digest("hex"),
    },
  };
}

/** Alerts that scores would have raised. */
function episodesOf(scores: Float64Array): number {
  const episode = new Episode();
  let raised = 0;
  for (const [r, score] of scores.entries()) {
    const time = r * plant.periodMs * 1000;
    if (episode.step(onAlertScale(score, trained.clear), score, false, time) === "raise") raised++;
  }
  return raised;
}

async function report(): Promise<void> {
  const { rowsFitted, rowsTested, falseAlarmsTested } = trained.calibration;
  const bytes = [...trained.files.values()].reduce((sum, file) => sum + file.length, 0);
  console.log(`${plant.name} ${values.version} is in ${values.output}: ${Math.round(bytes / 1000)} kB`);
  console.log(`fitted    on ${rowsFitted} rows in ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
  console.log(
    `tested    on ${rowsTested} normal rows: ${(100 * falseAlarmsTested).toFixed(2)} % above the limit, ${episodesTested} alerts`,
  );
  for (const [name, faulty] of plant.faults) {
    const [scores] = await trained.score([faulty]);
    const above = scores!.filter((score) => score >= 1).length / scores!.length;
    console.log(
      `${name.padEnd(16)} ${(100 * above).toFixed(1)} % of rows above the limit, ${episodesOf(scores!)} alerts`,
    );
  }
}
