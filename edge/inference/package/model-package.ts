import { createHash } from "node:crypto";
import { formats } from "../formats/formats.ts";
import { NetworkModel } from "../formats/network.ts";
import type { RowRecipe } from "../rows/row-scorer.ts";
import { goldenFault, goldenSchema, goldenShapeFault, type Golden } from "./golden.ts";
import { invalid, readJson, textOf } from "./json.ts";
import { manifestSchema, type Manifest } from "./manifest.ts";
import { signatureSchema, type Signature } from "../../../src/model-package/signature.ts";
import { fileBytesMax, type PackageFile } from "../../../src/model-package/limits.ts";

/** The bytes of a package, read once: what is checked is what is used. */
export interface PackageBytes {
  readonly manifest: Uint8Array;
  readonly signature: Uint8Array | undefined;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A package that keeps what its manifest says. */
export interface ModelPackage {
  readonly manifest: Manifest;
  readonly recipe: RowRecipe;
  readonly golden: Golden;
}

/** Reads a manifest and nothing else. Throws MODEL_INVALID. */
export function readManifest(bytes: Uint8Array): Manifest {
  const manifest = readJson(manifestSchema, bytes, "manifest.json");
  const names = new Set(manifest.files.map(({ name }) => name));
  if (names.size !== manifest.files.length) throw invalid("manifest.json names a file twice");
  const metrics = new Set(manifest.inputs.map(({ metric }) => metric));
  if (metrics.size !== manifest.inputs.length) throw invalid("manifest.json names an input twice");
  for (const { name, bytes } of manifest.files) {
    if (bytes > fileBytesMax[name]) throw invalid(`${name} has ${bytes} bytes; at most ${fileBytesMax[name]} are read`);
  }
  if (manifest.expected !== undefined && manifest.expected.inputs.length !== manifest.inputs.length)
    throw invalid("expected.inputs is of another number of inputs");
  requireFormat(manifest, names);
  requirePurpose(manifest);
  return manifest;
}

function requireFormat({ format, method, output }: Manifest, names: ReadonlySet<PackageFile>): void {
  const { methods, outputs, files } = formats[format];
  if (!methods.includes(method)) throw invalid(`${format} knows no method ${method}, only ${methods.join(", ")}`);
  if (!outputs.includes(output.kind)) throw invalid(`${format} gives no ${output.kind}, only ${outputs.join(", ")}`);
  const wanted: readonly PackageFile[] = [...files, "golden.json"];
  if (names.size === wanted.length && wanted.every((name) => names.has(name))) return;
  throw invalid(`a package of format ${format} holds ${wanted.join(" and ")}, not ${[...names].join(" and ")}`);
}

/** A package detects, by a limit that was calibrated, or it predicts. */
function requirePurpose({ output, threshold, calibration, prediction }: Manifest): void {
  if (output.kind === "score") {
    if (threshold === undefined || calibration === undefined) throw invalid("a score needs threshold and calibration");
    if (prediction !== undefined) throw invalid("a package whose output is a score predicts nothing");
    return;
  }
  if (prediction === undefined) throw invalid(`a ${output.kind} needs prediction`);
  if (threshold !== undefined || calibration !== undefined) throw invalid(`a ${output.kind} has no limit`);
  const { interval } = prediction;
  if (interval === undefined) return;
  const ranges = interval.edges.length + 1;
  if (interval.lower.length === ranges && interval.upper.length === ranges) return;
  throw invalid(`prediction.interval has ${ranges} ranges, and another number of ends`);
}

/** Absent where the package is not signed. Throws MODEL_INVALID. */
export function readSignature(bytes: Uint8Array | undefined): Signature | undefined {
  return bytes === undefined ? undefined : readJson(signatureSchema, bytes, "signature.json");
}

/**
 * Checks everything but the signature: sizes, hashes, shapes, and that the golden rows give their scores; a network gives
 * them when it is brought up. Throws MODEL_INVALID.
 */
export function openPackage({ manifest: bytes, files }: PackageBytes): ModelPackage {
  const manifest = readManifest(bytes);
  for (const file of manifest.files) checkFile(file, files.get(file.name));
  try {
    const { features, format } = manifest;
    const inputs = manifest.inputs.map(({ metric }) => metric);
    const recipe = { inputs, features, model: formats[format].load(manifest, files) };
    const golden = readJson(goldenSchema, files.get("golden.json")!, "golden.json");
    const isElsewhere = recipe.model instanceof NetworkModel;
    const fault = goldenShapeFault(recipe, golden) ?? (isElsewhere ? undefined : goldenFault(recipe, golden));
    if (fault !== undefined) throw invalid(`golden.json: ${fault}`);
    return { manifest, recipe, golden };
  } catch (error) {
    // Of the shapes that no schema can say: a feature that names no input, numbers that are too many or too few.
    if (error instanceof RangeError) throw invalid(error.message, error);
    throw error;
  }
}

function checkFile({ name, bytes, sha256 }: Manifest["files"][number], content: Uint8Array | undefined): void {
  if (content === undefined) throw invalid(`${name} is missing`);
  if (content.length !== bytes) throw invalid(`${name} has ${content.length} bytes, the manifest says ${bytes}`);
  if (hashOf(content) !== sha256) throw invalid(`${name} is not the file that the manifest names: its SHA-256 differs`);
}

/** The bytes of a package of what was fitted; not signed. */
export function makePackage(about: Omit<Manifest, "files">, recipe: RowRecipe, golden: Golden): PackageBytes {
  const files = new Map<PackageFile, Uint8Array>([...recipe.model.files(), ["golden.json", textOf(golden)]]);
  const listed = [...files].map(([name, content]) => ({ name, bytes: content.length, sha256: hashOf(content) }));
  const manifest = Buffer.from(`${JSON.stringify({ ...about, files: listed }, null, 2)}\n`);
  return { manifest, signature: undefined, files };
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
