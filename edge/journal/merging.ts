import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { giveBack } from "../../src/give-back.ts";
import { TidegateError } from "../../src/errors.ts";
import { fast } from "./block.ts";
import type { CommittedBlock } from "./group.ts";
import type { Merge } from "./merger.ts";
import type { Store } from "./store.ts";

const compress = promisify(zstdCompress);

/** Work of one turn; commits that arrive meanwhile wait so long at most, and for the transaction that ends a merge. */
const turnMs = 1;
/** Of the thread's time that merging leaves to others. */
const restPerTurn = 9;
/** With nothing to do. */
const lookMs = 1_000;
/** Blocks of a burst are large already, and the disk is needed for them. */
const recordsPerSecondMax = 10_000;

/** Merges small blocks in the background of the journal's thread. Returns the function that ends it. */
export function startMerging(store: Store, tell: (blocks: readonly CommittedBlock[]) => void): () => void {
  const merging = new Merging(store, tell);
  void merging.run();
  return () => merging.stop();
}

class Merging {
  readonly #store: Store;
  readonly #tell: (blocks: readonly CommittedBlock[]) => void;
  #stopped = false;
  #wake: () => void = () => undefined;

  constructor(store: Store, tell: (blocks: readonly CommittedBlock[]) => void) {
    this.#store = store;
    this.#tell = tell;
  }

  stop(): void {
    this.#stopped = true;
    this.#wake();
  }

  async run(): Promise<void> {
    let stored = this.#stored();
    while (!this.#stopped) {
      const before = stored;
      await this.#pause(lookMs);
      stored = this.#stored();
      if (((stored - before) * 1_000) / lookMs > recordsPerSecondMax) continue;
      await this.#mergeUntilBurst(stored);
    }
  }

  #stored(): number {
    return this.#store.storedRecords;
  }

  /** Until nothing is left, or so much was stored meanwhile that it looks like a burst. */
  async #mergeUntilBurst(stored: number): Promise<void> {
    const startMs = performance.now();
    while (!this.#stopped) {
      const seconds = (performance.now() - startMs) / 1_000 + 1;
      if (this.#stored() - stored > recordsPerSecondMax * seconds) return;
      try {
        const found = this.#store.findMerge();
        if (found === "nothing") return;
        if (found !== "again") await this.#merge(found);
      } catch (error) {
        // A disk that refuses is told by the commits; what was not merged is looked at again.
        if (!(error instanceof TidegateError && error.retryable)) throw error;
        return;
      }
      await this.#pause(turnMs);
    }
  }

  async #merge(merge: Merge): Promise<void> {
    while (this.#takeForOneTurn(merge)) {
      await this.#pause(turnMs * restPerTurn);
      if (this.#stopped) return;
    }
    if (merge.builder === undefined) return;
    const body = merge.builder.body();
    const compressed = await compress(body, fast);
    giveBack(body);
    if (!this.#stopped) this.#store.finishMerge(merge, compressed);
  }

  /** False where the merge has all that it takes. */
  #takeForOneTurn(merge: Merge): boolean {
    const endMs = performance.now() + turnMs;
    do {
      const { more, blocks } = this.#store.takeForMerge(merge);
      this.#tell(blocks);
      if (!more) return false;
    } while (performance.now() < endMs);
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
