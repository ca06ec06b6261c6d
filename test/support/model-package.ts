import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { train, type TrainOptions } from "../../edge/inference/learn/train.ts";
import type { FollowOptions, Manifest } from "../../edge/inference/package/manifest.ts";
import { makePackage, type PackageBytes } from "../../edge/inference/package/model-package.ts";
import { signatureOf } from "../../src/model-package/signature.ts";
import { RowTable, type Reading } from "../../edge/inference/rows/row-table.ts";
import type { Observation } from "../../src/observation/observation.ts";
import { Pump, type Wear } from "../../edge/simulate/plant.ts";

export const pumpMetrics = ["flow", "pressure", "current", "vibration", "bearingTemperature"];
const units = ["m3/h", "bar", "A", "mm/s", "Cel"];
const startMicros = Date.UTC(2026, 10, 20) * 1000;
/** A simulated pump starts cold: until then nothing is normal. */
const warmSeconds = 600;

/** One reading a second of a simulated pump. `wear` counts from the first reading. */
export function pumpReadings(device: string, seed: number, count: number, wear?: Wear): Reading[] {
  const worn = wear === undefined ? undefined : { ...wear, startSeconds: wear.startSeconds + warmSeconds };
  const pump = new Pump(seed, worn);
  for (let i = 0; i < warmSeconds; i++) pump.step(1);
  return Array.from({ length: count }, (_, i) => {
    const { energy: _energy, ...values } = pump.step(1);
    return { device, values, quality: undefined, timeMicros: startMicros + i * 1_000_000 };
  });
}

/** A reading as the pipeline stores it. */
export function observationOf(reading: Reading, path = "acme/berlin/pumps", delayMicros = 2000): Observation {
  return {
    ...reading,
    path,
    receivedMicros: reading.timeMicros + delayMicros,
    clock: "synced",
    timeSource: "device",
    implausibleTime: false,
    exact: undefined,
  };
}

export interface PackageOptions {
  readonly name?: string;
  readonly version?: string;
  readonly method?: TrainOptions["method"];
  readonly seed?: number;
  readonly follow?: FollowOptions;
}

/** A small model of one pump, as `tidegate model train` makes it; not signed. */
export function pumpPackage({
  name = "pump",
  version = "1.0.0",
  method = "mspc",
  seed = 1,
  follow,
}: PackageOptions = {}): PackageBytes {
  const table = new RowTable({ inputs: pumpMetrics, periodMs: 1000, holdRows: 3, gapRows: 5 });
  for (const reading of pumpReadings("pump-01", seed, 2000)) table.take(reading);
  const features = pumpMetrics.map((input) => ({ kind: "value" as const, input }));
  const trained = train(table, { method, features, limits: { falseAlarms: 0.001, headroom: 2 } });
  const about: Omit<Manifest, "files"> = {
    tidegate: "model-package/1",
    name,
    version,
    format: "builtin",
    method,
    inputs: pumpMetrics.map((metric, i) => ({ metric, unit: units[i]!, usual: [...trained.usual[i]!] })),
    rows: { periodMs: 1000, holdRows: 3, gapRows: 5 },
    features,
    output: { kind: "score", meaning: "test" },
    threshold: { raise: 1, clear: trained.clear, ...(follow === undefined ? {} : { follow }) },
    calibration: {
      rowsFitted: trained.rowsFitted,
      rowsForLimits: trained.rowsForLimits,
      falseAlarmsWanted: 0.001,
      headroom: 2,
      rowsTested: trained.rowsTested,
      falseAlarmsTested: trained.falseAlarmsTested,
      episodesTested: trained.episodesTested,
    },
    expected: trained.expected,
    training: {
      trainedAt: "2026-11-21T09:00:00.000000Z",
      from: "2026-11-20T00:00:00.000000Z",
      to: "2026-11-20T00:33:20.000000Z",
      devices: table.devices,
      rows: table.rows,
      gaps: 0,
      sha256: table.fingerprint(),
    },
  };
  return makePackage(about, trained.recipe, trained.golden);
}

export function signed(bytes: PackageBytes, privateKey: KeyObject): PackageBytes {
  return { ...bytes, signature: Buffer.from(JSON.stringify(signatureOf("package", bytes.manifest, privateKey))) };
}

export function makeSigner(name: string) {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { privateKey, publicKey, trusted: { name, key: publicKey } };
}
