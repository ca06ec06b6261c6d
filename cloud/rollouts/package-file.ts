import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { formatKey } from "../../src/config/problems.ts";
import { validate } from "../../src/config/validate.ts";
import { TidegateError } from "../../src/errors.ts";
import {
  fileBytesMax,
  manifestBytesMax,
  modelNamePattern,
  modelVersionPattern,
  signatureBytesMax,
  type PackageFile,
} from "../../src/model-package/limits.ts";
import { readTar, tarBytesMax, writeTar } from "../../src/model-package/tar.ts";
import { oneOf } from "../../src/wire/fields.ts";
import { sha256Of } from "../../src/wire/rollouts.ts";

/** A model package, ready to be sent. */
export interface PackageToSend {
  readonly model: string;
  readonly version: string;
  readonly manifest: Uint8Array;
  /** The package as one file. */
  readonly archive: Uint8Array;
}

/** What is looked at of a manifest here; all of it is checked by `tidegate model verify` and by every gateway. */
const aboutSchema = Type.Object({
  name: Type.String({ pattern: modelNamePattern }),
  version: Type.String({ pattern: modelVersionPattern }),
  files: Type.Array(
    Type.Object({
      name: oneOf(...(Object.keys(fileBytesMax) as PackageFile[])),
      sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
    }),
    { minItems: 1, maxItems: 8 },
  ),
});

/**
 * Reads the folder or the tar of a package, and looks whether it is whole and signed. Throws MODEL_MISSING, MODEL_INVALID
 * and MODEL_UNTRUSTED.
 */
export function readPackageFile(path: string): PackageToSend {
  const read = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? fromTar(path) : fromFolder(path);
  const manifest = read("manifest.json", manifestBytesMax);
  const about = aboutOf(manifest);
  const files = new Map(about.files.map(({ name }) => [name, read(name, fileBytesMax[name])]));
  for (const { name, sha256 } of about.files) {
    if (sha256Of(files.get(name)!) !== sha256) throw invalid(`${name} is not the file that the manifest names`);
  }
  const signature = readSigned(read);
  const archive = writeTar(new Map([["manifest.json", manifest], ["signature.json", signature], ...files]));
  return { model: about.name, version: about.version, manifest, archive };
}

type Read = (name: string, bytesMax: number) => Uint8Array;

function readSigned(read: Read): Uint8Array {
  try {
    return read("signature.json", signatureBytesMax);
  } catch (error) {
    if (!(error instanceof TidegateError && error.code === "MODEL_MISSING")) throw error;
    throw new TidegateError("MODEL_UNTRUSTED", "the package is not signed: no gateway takes it", {
      hint: "Sign it: `tidegate model sign`.",
    });
  }
}

function fromTar(path: string): Read {
  const files = readTar(readSmall(path, tarBytesMax));
  return (name) => {
    const content = files.get(name);
    if (content === undefined) throw missing(`${path} holds no ${name}`);
    return content;
  };
}

function fromFolder(path: string): Read {
  return (name, bytesMax) => readSmall(join(path, name), bytesMax);
}

function readSmall(path: string, bytesMax: number): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > bytesMax) throw invalid(`${path} has ${size} bytes; at most ${bytesMax} are read`);
    return readFileSync(path);
  } catch (error) {
    if (error instanceof TidegateError) throw error;
    throw missing(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

function aboutOf(manifest: Uint8Array): Static<typeof aboutSchema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(manifest).toString("utf8"));
  } catch {
    throw invalid("manifest.json is not JSON");
  }
  const [fault] = validate(aboutSchema, value);
  if (fault !== undefined) throw invalid(`manifest.json: ${formatKey(fault.path)} ${fault.message}`);
  return value as Static<typeof aboutSchema>;
}

function missing(message: string): TidegateError {
  return new TidegateError("MODEL_MISSING", message, {
    hint: "Name the folder of a model package, as `tidegate model train` writes it, or a tar of one.",
  });
}

function invalid(message: string): TidegateError {
  return new TidegateError("MODEL_INVALID", message, { hint: "See `tidegate model verify`." });
}
