import { NetworkModel } from "../../../edge/inference/formats/network.ts";
import type { Network } from "../../../edge/inference/networks/network.ts";
import type { Manifest } from "../../../edge/inference/package/manifest.ts";
import { makePackage, type PackageBytes } from "../../../edge/inference/package/model-package.ts";
import { pumpReadings } from "../model-package.ts";
import { denseAnswer, denseLayers, denseNetwork } from "./networks.ts";

const metrics = ["flow", "pressure", "current", "vibration", "bearingTemperature"];
const units = ["m3/h", "bar", "A", "mm/s", "Cel"];
const means = [57, 5, 29, 2.2, 48];
const deviations = [2, 0.2, 1.2, 0.3, 2];
const limit = 1.5;
const sizes = [5, 8, 3, 5];

/**
 * A package of a network that gives five metrics of a pump back, badly, since nobody has trained it. Its golden scores are counted here in double
 * precision, and not by any library.
 */
export function networkPackage(
  format: Network["format"],
  { version = "1.0.0", network = denseNetwork(format, sizes, layers) }: { version?: string; network?: Network } = {},
): PackageBytes {
  const answer = { kind: "reconstruction", limit } as const;
  const output = { kind: "score", low: 0, high: Infinity } as const;
  const model = new NetworkModel(network, { input: [5], means, deviations, answer }, output, 0);
  const rows = pumpReadings("pump-01", 1, 60, { startSeconds: 0, seconds: 60 }).map(({ values }) =>
    metrics.map((metric) => Number(values[metric])),
  );
  const golden = { rows, scores: rows.map(scoreOf) };
  const features = metrics.map((input) => ({ kind: "value" as const, input }));
  return makePackage(aboutOf(format, version, features), { inputs: metrics, features, model }, golden);
}

const layers = denseLayers(sizes);

function scoreOf(row: readonly number[]): number {
  const scaled = row.map((value, i) => (value - means[i]!) / deviations[i]!);
  const answer = denseAnswer(scaled, layers);
  return answer.reduce((sum, value, i) => sum + (value - scaled[i]!) ** 2, 0) / row.length / limit;
}

function aboutOf(format: Network["format"], version: string, features: Manifest["features"]): Omit<Manifest, "files"> {
  const usual = (i: number): [number, number] => [means[i]! - 2 * deviations[i]!, means[i]! + 2 * deviations[i]!];
  return {
    tidegate: "model-package/1",
    name: "pump-net",
    version,
    format,
    method: "reconstruction",
    inputs: metrics.map((metric, i) => ({ metric, unit: units[i]!, usual: usual(i) })),
    rows: { periodMs: 1000, holdRows: 3, gapRows: 5 },
    features,
    output: { kind: "score", meaning: "test" },
    threshold: { raise: 1, clear: 0.5 },
    calibration: {
      rowsFitted: 1,
      rowsForLimits: 1,
      falseAlarmsWanted: 0.001,
      headroom: 1,
      rowsTested: 1,
      falseAlarmsTested: 0,
      episodesTested: 0,
    },
    training: {
      trainedAt: "2026-11-21T09:00:00.000000Z",
      from: "2026-11-20T00:00:00.000000Z",
      to: "2026-11-20T00:33:20.000000Z",
      devices: ["pump-01"],
      rows: 2000,
      gaps: 0,
      sha256: "0".repeat(64),
    },
  };
}
