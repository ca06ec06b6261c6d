import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";

const memory = "/dev/shm";
/** Containers often have 64 MB, which one database of a test can fill. */
const enoughBytes = 1_000_000_000;

/** A folder in memory where the machine offers one, for tests that write and read databases and need no real disk. */
export const fastFolder = hasRoom() ? memory : tmpdir();

function hasRoom(): boolean {
  try {
    const { bavail, bsize } = statfsSync(memory);
    return bavail * bsize >= enoughBytes;
  } catch {
    return false; // There is none.
  }
}
