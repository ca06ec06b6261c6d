import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

const stillMs = 200;
const waitMaxMs = 5_000;

/**
 * Resolves when nobody has written to the file for a moment: an editor that is not done yet must not be read half-way.
 * One that is written all the time is read as it is, and one that is not there too: whoever reads it says so.
 */
export async function whenStill(file: string): Promise<void> {
  const deadlineMs = performance.now() + waitMaxMs;
  for (let before = stateOf(file); performance.now() < deadlineMs;) {
    await sleep(stillMs);
    const now = stateOf(file);
    if (now === before) return;
    before = now;
  }
}

function stateOf(file: string): string {
  const state = statSync(file, { bigint: true, throwIfNoEntry: false });
  return state === undefined ? "" : [state.ino, state.size, state.mtimeNs].join("/");
}
