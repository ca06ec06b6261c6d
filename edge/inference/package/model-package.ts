import { createHash } from "node:crypto";
import type { Static, TSchema } from "typebox";
import { formatKey } from "../../../src/config/problems.ts";
import { validate } from "../../../src/config/validate.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { RowRecipe } from "../rows/row-scorer.ts";
import { goldenFault, goldenSchema, type Golden } from "./golden.ts";
import { manifestSchema, type Manifest } from "./manifest.ts";
import { signatureSchema, type Signature } from "./signature.ts";
import { modelOf, weightsOf, weightsSchema } from "./weights.ts";

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
}

/** What a file of a package may weigh at most, by its name. */
export const fileBytesMax: Readonly<Record<Manifest["files"][number]["name"], number>> = {
  "weights.json": 4 * 1024 * 1024,
  "golden.json": 4 * 1024 * 1024,
};
export const signatureBytesMax = 4096;

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
  return manifest;
}

/** Absent where the package is not signed. Throws MODEL_INVALID. */
export function readSignature(bytes: Uint8Array | undefined): Signature | undefined {
  return bytes === undefined ? undefined : readJson(signatureSchema, bytes, "signature.json");
}

/**
 * Checks everything but the signature: sizes, hashes, shapes, and that the golden rows give their scores. Throws
 * MODEL_INVALID.
 */
export function openPackage({ manifest: bytes, files }: PackageBytes): ModelPackage {
  const manifest = readManifest(bytes);
  for (const file of manifest.files) checkFile(file, files.get(file.name));
  const weights = readJson(weightsSchema, files.get("weights.json")!, "weights.json");
  if (weights.chart.kind !== manifest.method) {
    throw invalid(`weights.json holds ${weights.chart.kind}, the manifest says ${manifest.method}`);
  }
  try {
    const { features } = manifest;
    const inputs = manifest.inputs.map(({ metric }) => metric);
    const recipe = { inputs, features, model: modelOf(weights, features.length) };
    const fault = goldenFault(recipe, readJson(goldenSchema, files.get("golden.json")!, "golden.json"));
    if (fault !== undefined) throw invalid(`golden.json: ${fault}`);
    return { manifest, recipe };
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
  const files = new Map([
    ["weights.json", textOf(weightsOf(recipe.model))],
    ["golden.json", textOf(golden)],
  ] as const);
  const listed = [...files].map(([name, content]) => ({ name, bytes: content.length, sha256: hashOf(content) }));
  const manifest = Buffer.from(`${JSON.stringify({ ...about, files: listed }, null, 2)}\n`);
  return { manifest, signature: undefined, files };
}

function textOf(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** JSON that fits a schema. Throws MODEL_INVALID. */
export function readJson<Schema extends TSchema>(schema: Schema, bytes: Uint8Array, name: string): Static<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`${name} is not JSON`, cause);
  }
  const [fault] = validate(schema, value);
  if (fault !== undefined) throw invalid(`${name}: ${formatKey(fault.path)} ${fault.message}`);
  return value as Static<Schema>;
}

function invalid(message: string, cause?: unknown): TidegateError {
  return new TidegateError("MODEL_INVALID", message, {
    cause,
    hint: "The package is damaged, was changed, or was made for another version. Get it again from where it was made.",
  });
}
