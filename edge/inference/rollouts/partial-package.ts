import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { TidegateError } from "../../../src/errors.ts";
import { partBytes, sha256Of, type PackagePart, type Rollout } from "../../../src/wire/rollouts.ts";

/** What became of a part: `other`: of another package, or beyond the end; `wrong`: not the bytes that the rollout names. */
export type PartOutcome = "kept" | "known" | "other" | "wrong";

/**
 * A package that comes in parts, in a file of its final size. A part is kept where its SHA-256 is the one that the signed
 * rollout names for its place, so it does not matter who sent it, in which order and how often. Nothing else is
 * remembered: whoever opens the file again looks at what is there. Throws what the file system throws.
 */
export class PartialPackage implements Disposable {
  readonly file: string;
  readonly #spec: Rollout["package"];
  readonly #descriptor: number;
  readonly #missing: Set<number>;

  constructor(folder: string, spec: Rollout["package"]) {
    this.file = join(folder, partialNameOf(spec.sha256));
    this.#spec = spec;
    this.#descriptor = openFile(this.file);
    ftruncateSync(this.#descriptor, spec.bytes);
    const all = spec.parts.map((_, index) => index);
    this.#missing = new Set(all.filter((index) => sha256Of(this.#read(index)) !== spec.parts[index]));
  }

  /** Parts that are not there yet. */
  get missing(): number {
    return this.#missing.size;
  }

  get parts(): number {
    return this.#spec.parts.length;
  }

  take({ package: of, index, data }: Omit<PackagePart, "data"> & { readonly data: Uint8Array }): PartOutcome {
    if (of !== this.#spec.sha256 || index >= this.parts) return "other";
    if (!this.#missing.has(index)) return "known";
    if (data.length !== this.#lengthOf(index) || sha256Of(data) !== this.#spec.parts[index]) return "wrong";
    for (let at = 0; at < data.length;)
      at += writeSync(this.#descriptor, data, at, data.length - at, index * partBytes + at);
    this.#missing.delete(index);
    return "kept";
  }

  /** All of it, read once. Throws MODEL_INVALID where the rollout contradicts itself, or somebody has changed the file. */
  archive(): Buffer {
    const whole = Buffer.concat(this.#spec.parts.map((_, index) => this.#read(index)));
    if (sha256Of(whole) === this.#spec.sha256) return whole;
    throw new TidegateError("MODEL_INVALID", "the package is not the one that the rollout names: its SHA-256 differs");
  }

  #lengthOf(index: number): number {
    return Math.min(partBytes, this.#spec.bytes - index * partBytes);
  }

  #read(index: number): Buffer {
    const bytes = Buffer.alloc(this.#lengthOf(index));
    for (let at = 0; at < bytes.length;) {
      const read = readSync(this.#descriptor, bytes, at, bytes.length - at, index * partBytes + at);
      if (read === 0) break;
      at += read;
    }
    return bytes;
  }

  /** The file stays. */
  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }

  discard(): void {
    this[Symbol.dispose]();
    rmSync(this.file, { force: true });
  }
}

export function partialNameOf(sha256: string): string {
  return `${sha256}.part`;
}

/** Made where there is none; what is there stays. */
function openFile(path: string): number {
  closeSync(openSync(path, "a", 0o600));
  return openSync(path, "r+");
}
