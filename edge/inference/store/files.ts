import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { TidegateError } from "../../../src/errors.ts";
import { readManifest, type PackageBytes } from "../package/model-package.ts";
import { readTar, tarBytesMax, writeTar } from "../../../src/model-package/tar.ts";
import { fileBytesMax, manifestBytesMax, signatureBytesMax } from "../../../src/model-package/limits.ts";

/*
 * The files of a package on disk, in a folder or in one file (tar.ts). Names come from a closed list in the manifest's schema, so none can lead out of the
 * folder; links are not followed, and no file is read beyond its limit.
 */

/** Reads a package, a folder or a tar of one, into memory, once. Throws MODEL_MISSING and MODEL_INVALID. */
export function readPackage(path: string): PackageBytes {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return readArchive(path);
  return packageOf(path, (name, bytesMax) => readSmall(path, name, bytesMax));
}

function readArchive(path: string): PackageBytes {
  return packageOfArchive(readSmall(dirname(path), basename(path), tarBytesMax)!, path);
}

/** The package in a tar; `path` for messages. Throws as `readPackage`. */
export function packageOfArchive(archive: Uint8Array, path: string): PackageBytes {
  const files = readTar(archive);
  return packageOf(path, (name) => files.get(name));
}

function packageOf(path: string, read: (name: string, bytesMax: number) => Uint8Array | undefined): PackageBytes {
  const manifest = read("manifest.json", manifestBytesMax);
  if (manifest === undefined) {
    throw new TidegateError("MODEL_MISSING", `${path} holds no manifest.json`, {
      hint: "Name the folder of a model package, as `tidegate model train` writes it, or a tar of one.",
    });
  }
  const files = new Map<string, Uint8Array>();
  for (const { name } of readManifest(manifest).files) {
    const content = read(name, fileBytesMax[name]);
    if (content !== undefined) files.set(name, content);
  }
  return { manifest, signature: read("signature.json", signatureBytesMax), files };
}

/** The files of a package as one. */
export function archiveOf({ manifest, signature, files }: PackageBytes): Uint8Array {
  const signed: [string, Uint8Array][] = signature === undefined ? [] : [["signature.json", signature]];
  return writeTar(new Map([["manifest.json", manifest], ...signed, ...files]));
}

/** Writes a package into an empty folder; when it returns, the files are on disk and their names are. */
export function writePackage(folder: string, { manifest, signature, files }: PackageBytes): void {
  for (const [name, content] of files) writeDurable(join(folder, name), content);
  if (signature !== undefined) writeDurable(join(folder, "signature.json"), signature);
  // Last: a folder without a manifest is no package.
  writeDurable(join(folder, "manifest.json"), manifest);
  syncFolder(folder);
}

/** Writes a file that does not exist yet. */
export function writeDurable(path: string, content: Uint8Array, mode = 0o644): void {
  const file = openSync(path, "wx", mode);
  try {
    for (let at = 0; at < content.length;) at += writeSync(file, content, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** What lies in a folder; nothing where there is none. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Makes the names in a folder durable (fsync(2)). */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a folder and those above it; what was made survives power loss. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o755 });
  if (first === undefined) return;
  for (let made = folder; ; made = dirname(made)) {
    syncFolder(dirname(made));
    if (made === first) return;
  }
}

/** Undefined where there is no such file. Throws MODEL_INVALID where it is a link, no file, or too large. */
export function readSmall(folder: string, name: string, bytesMax: number): Uint8Array | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    if (code === "ELOOP")
      throw new TidegateError("MODEL_INVALID", `${name} is a link; a package holds files`, { cause });
    throw new TidegateError("MODEL_MISSING", `${join(folder, name)} cannot be read: ${code}`, { cause });
  }
  try {
    if (!fstatSync(descriptor).isFile()) throw new TidegateError("MODEL_INVALID", `${name} is not a file`);
    return readUpTo(descriptor, name, bytesMax);
  } finally {
    closeSync(descriptor);
  }
}

/** By reading, not by the size that the file system tells: a file may grow meanwhile. */
function readUpTo(descriptor: number, name: string, bytesMax: number): Uint8Array {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(65_536);
    const read = readSync(descriptor, chunk);
    if (read === 0) return Buffer.concat(chunks);
    bytes += read;
    if (bytes > bytesMax) throw new TidegateError("MODEL_INVALID", `${name} has more than ${bytesMax} bytes`);
    chunks.push(chunk.subarray(0, read));
  }
}
