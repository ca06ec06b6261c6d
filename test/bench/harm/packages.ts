import { createHash, generateKeyPairSync, type KeyObject } from "node:crypto";
import { NetworkModel } from "../../../edge/inference/formats/network.ts";
import type { Manifest } from "../../../edge/inference/package/manifest.ts";
import { makePackage, type PackageBytes } from "../../../edge/inference/package/model-package.ts";
import { signatureOf } from "../../../src/model-package/signature.ts";
import { denseNetwork } from "../../support/networks/networks.ts";
import type { HarmKind } from "./kinds.ts";

export const modelName = "harm";
export const modelVersion = "1.0.0";

const metrics = ["temperature", "vibration", "current"];
const units = ["Cel", "mm/s", "A"];
/** So large that what the generator sends is normal; `storm`: so small that all of it is abnormal on every device. */
const limits = { calm: 10_000, storm: 1 } as const;

export interface HarmKeys {
  /** Of the key that the gateway trusts. */
  readonly trusted: KeyObject;
  readonly stranger: KeyObject;
  /** PEM. */
  readonly publicKey: string;
}

export function makeKeys(): HarmKeys {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    trusted: privateKey,
    stranger: generateKeyPairSync("ed25519").privateKey,
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

/** A network over the three metrics of the load generator, sound but for what the kind says. */
export function harmfulPackage(kind: HarmKind | "sound", keys: HarmKeys): PackageBytes {
  const made = madeOf(kind);
  const key = kind === "signature" ? keys.stranger : keys.trusted;
  return { ...made, signature: Buffer.from(JSON.stringify(signatureOf("package", made.manifest, key))) };
}

function madeOf(kind: HarmKind | "sound"): PackageBytes {
  if (kind === "golden") return wrongGolden(soundPackage(limits.calm));
  if (kind === "shape") return wrongShape(soundPackage(limits.calm));
  return soundPackage(kind === "storm" ? limits.storm : limits.calm);
}

/** What the library of `programs/harmful-network.ts` answers: half of the row. So the error is a quarter of its square. */
function soundPackage(limit: number): PackageBytes {
  const network = denseNetwork("onnx", [3, 4, 3]);
  const reading = {
    input: [3],
    means: [0, 0, 0],
    deviations: [1, 1, 1],
    answer: { kind: "reconstruction", limit } as const,
  };
  const output = { kind: "score", low: 0, high: Infinity } as const;
  const features = metrics.map((input) => ({ kind: "value" as const, input }));
  const recipe = { inputs: metrics, features, model: new NetworkModel(network, reading, output, 0) };
  const rows = Array.from({ length: 40 }, (_, r) => metrics.map((_, i) => Math.sin(r + i)));
  const scores = rows.map((row) => row.reduce((sum, value) => sum + (Math.fround(value) / 2) ** 2, 0) / 3 / limit);
  return makePackage(manifest(features), recipe, { rows, scores });
}

function manifest(features: Manifest["features"]): Omit<Manifest, "files"> {
  const time = "2026-11-21T09:00:00.000000Z";
  return {
    tidegate: "model-package/1",
    name: modelName,
    version: modelVersion,
    format: "onnx",
    method: "reconstruction",
    inputs: metrics.map((metric, i) => ({ metric, unit: units[i]!, usual: [-1, 1] })),
    rows: { periodMs: 1000, holdRows: 3, gapRows: 5 },
    features,
    output: { kind: "score", meaning: "What a bad model does." },
    threshold: { raise: 1, clear: 0.5 },
    calibration: {
      rowsFitted: 0,
      rowsForLimits: 0,
      falseAlarmsWanted: 0,
      headroom: 1,
      rowsTested: 0,
      falseAlarmsTested: 0,
      episodesTested: 0,
    },
    training: { trainedAt: time, from: time, to: time, devices: [], rows: 0, gaps: 0, sha256: "0".repeat(64) },
  };
}

/** The first row gives another score than the package says. */
function wrongGolden(made: PackageBytes): PackageBytes {
  const golden = JSON.parse(textOf(made, "golden.json")) as { rows: number[][]; scores: number[] };
  golden.scores[0]! += 1;
  return withFile(made, "golden.json", JSON.stringify(golden));
}

/** A row of two numbers for three features. */
function wrongShape(made: PackageBytes): PackageBytes {
  const reading = JSON.parse(textOf(made, "network.json")) as { input: number[]; means: number[] };
  return withFile(made, "network.json", JSON.stringify({ ...reading, input: [2] }));
}

function textOf({ files }: PackageBytes, name: string): string {
  return Buffer.from(files.get(name)!).toString();
}

function withFile({ manifest: bytes, files, signature }: PackageBytes, name: string, text: string): PackageBytes {
  const content = Buffer.from(text);
  const changed = JSON.parse(Buffer.from(bytes).toString()) as { files: Manifest["files"] };
  const sha256 = createHash("sha256").update(content).digest("hex");
  const named = changed.files.map((file) => (file.name === name ? { ...file, bytes: content.length, sha256 } : file));
  return {
    manifest: Buffer.from(JSON.stringify({ ...changed, files: named })),
    signature,
    files: new Map([...files, [name, content]]),
  };
}
