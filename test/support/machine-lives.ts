import { trainPredictor, type PredictorOptions } from "../../edge/inference/learn/train-predictor.ts";
import type { Manifest } from "../../edge/inference/package/manifest.ts";
import { makePackage, type PackageBytes } from "../../edge/inference/package/model-package.ts";
import { RowTable, type Reading } from "../../edge/inference/rows/row-table.ts";
import { gaussian, seededRandom } from "../../src/random.ts";

/* Machines that run until they fail: vibration and temperature rise with wear, faster near the end. */

export const lifeMetrics = ["vibration", "bearingTemperature"];
export const lifeFeatures: Manifest["features"] = [
  { kind: "age" },
  ...lifeMetrics.flatMap((input): Manifest["features"] => [
    { kind: "value", input },
    { kind: "mean", input, rows: 5 },
    { kind: "drift", input, rows: 5, firstRows: 10 },
  ]),
];
const startMicros = Date.UTC(2026, 10, 20) * 1000;
export const lifeCap = 60;

/** A reading a second with `remaining` seconds, and `failsSoon`: whether it fails within 15 seconds. */
export function lifeOf(device: string, seed: number, offsetSeconds = 0): Reading[] {
  const random = seededRandom(seed);
  const rows = 80 + Math.floor(80 * random());
  return Array.from({ length: rows }, (_, i) => {
    const wear = i / (rows - 1);
    const remaining = rows - 1 - i;
    const values = {
      vibration: 2 + 3 * wear ** 3 + 0.1 * gaussian(random),
      bearingTemperature: 40 + 15 * wear ** 2 + 0.3 * gaussian(random),
      remaining,
      failsSoon: remaining < 15 ? 1 : 0,
    };
    return { device, values, quality: undefined, timeMicros: startMicros + (offsetSeconds + i) * 1_000_000 };
  });
}

export function livesTable(devices: number, target = "remaining", seed = 1): RowTable {
  const table = new RowTable({ inputs: lifeMetrics, periodMs: 1000, holdRows: 3, gapRows: 5 }, target);
  for (let d = 0; d < devices; d++) {
    for (const reading of lifeOf(`machine-${d}`, 1000 * seed + d)) table.take(reading);
  }
  table.end();
  return table;
}

export const lifeOptions: PredictorOptions = {
  features: lifeFeatures,
  boost: { trees: 60, depth: 4, rate: 0.15, seed: 1 },
  cap: lifeCap,
  coverage: 0.9,
};

const zeroTime = "2026-11-20T00:00:00.000000Z";

/** A small package that predicts `remaining` or the chance that the machine fails soon; not signed. */
export function lifePackage(target: "remaining" | "failsSoon" = "remaining", version = "1.0.0"): PackageBytes {
  const table = livesTable(20, target);
  const options = target === "remaining" ? lifeOptions : { ...lifeOptions, cap: undefined };
  const { recipe, golden, usual, prediction, range } = trainPredictor(table, options);
  const about: Omit<Manifest, "files"> = {
    tidegate: "model-package/1",
    name: "life",
    version,
    format: "gbdt",
    method: "gbdt",
    inputs: lifeMetrics.map((metric, i) => ({ metric, unit: ["mm/s", "Cel"][i]!, usual: [...usual[i]!] })),
    rows: { periodMs: 1000, holdRows: 3, gapRows: 5 },
    features: lifeFeatures,
    output:
      target === "remaining"
        ? { kind: "quantity", name: target, unit: "s", range: [...range], meaning: "test" }
        : { kind: "probability", name: target, meaning: "test" },
    prediction: { ...prediction, step: target === "remaining" ? 1 : 0.02 },
    training: {
      trainedAt: zeroTime,
      from: zeroTime,
      to: zeroTime,
      devices: table.devices,
      rows: table.rows,
      gaps: 0,
      sha256: table.fingerprint(),
    },
  };
  return makePackage(about, recipe, golden);
}
