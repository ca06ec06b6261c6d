import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Histogram } from "../support/histogram.ts";

const writeBytes = 16_384;
const fileBytes = 4 * 2 ** 20;

/**
 * What an fsync costs on this file system at this moment: 16 KiB are overwritten within a file of fixed size, as in the
 * journal's write-ahead log, and synced.
 */
export class FsyncProbe implements Disposable {
  readonly latencies = new Histogram();
  readonly #fd: number;
  readonly #bytes = Buffer.alloc(writeBytes, 0x5a);
  #at = 0;

  constructor(folder: string, name: string) {
    this.#fd = openSync(join(folder, name), "w", 0o600);
    writeSync(this.#fd, Buffer.alloc(fileBytes, 0x11), 0, fileBytes, 0);
    fsyncSync(this.#fd);
  }

  sample(): void {
    this.#bytes.writeUInt32LE(Math.floor(performance.now()), 0);
    const start = performance.now();
    writeSync(this.#fd, this.#bytes, 0, writeBytes, this.#at);
    fsyncSync(this.#fd);
    this.latencies.add(performance.now() - start);
    this.#at = (this.#at + writeBytes) % fileBytes;
  }

  burst(count: number): void {
    for (let i = 0; i < count; i++) this.sample();
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
