import { existsSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ballastName = "ballast";
const chunkBytes = 65_536;
/** Room for a commit and the log beyond the ballast, before the disk counts as usable again. */
const roomBytes = 4_194_304;

/**
 * The disk below the journal. A file of ballast lies there; when the disk is full it is deleted, so that the journal has
 * room to free itself. While there is no room for it, the disk counts as full: what the ballast gave is not for new data.
 */
export class DiskSpace {
  readonly #folder: string;
  readonly #ballastBytes: number;
  #full = false;

  constructor(folder: string, ballastBytes: number) {
    this.#folder = folder;
    this.#ballastBytes = ballastBytes;
    this.restoreBallast();
  }

  /** The disk refused for want of space, and has none yet as far as is known. */
  get isFull(): boolean {
    return this.#full;
  }

  /** The disk refused: gives the ballast away. */
  refused(): void {
    this.#full = true;
    rmSync(join(this.#folder, ballastName), { force: true });
  }

  /** Something was stored. */
  accepted(): void {
    this.#full = false;
  }

  /** Is it worth another try? `reusableBytes`: free pages within the journal's own file. */
  hasRoom(reusableBytes: number): boolean {
    return reusableBytes >= roomBytes || this.#freeBytes() >= this.#missingBallast() + roomBytes;
  }

  /** Makes the ballast file where it is missing and there is room for it; its bytes are random so that no file system stores them as a hole. */
  restoreBallast(): void {
    const missing = this.#missingBallast();
    if (missing === 0 || this.#freeBytes() < missing + roomBytes) return;
    const path = join(this.#folder, ballastName);
    const chunk = crypto.getRandomValues(Buffer.alloc(chunkBytes));
    try {
      writeFileSync(path, "");
      for (let at = 0; at < missing; at += chunk.length) {
        writeFileSync(path, chunk.subarray(0, missing - at), { flag: "a" });
      }
    } catch {
      // Another program was faster, or the disk is broken, which the commits will tell: later, then.
      rmSync(path, { force: true });
    }
  }

  #missingBallast(): number {
    const path = join(this.#folder, ballastName);
    return existsSync(path) && statSync(path).size === this.#ballastBytes ? 0 : this.#ballastBytes;
  }

  #freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize;
  }
}
