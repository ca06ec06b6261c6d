import type { LiveBlock } from "../reader.ts";

interface Waiting {
  readonly block: LiveBlock;
  readonly sinceMs: number;
}

/** Blocks of one lane that were just committed and wait in memory, ascending. */
export class LiveQueue {
  readonly #waiting: Waiting[] = [];
  #bytes = 0;

  push(block: LiveBlock, sinceMs: number): void {
    this.#waiting.push({ block, sinceMs });
    this.#bytes += block.records.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** The oldest one. */
  get first(): LiveBlock | undefined {
    return this.#waiting[0]?.block;
  }

  /** Since when the oldest one waits. */
  get sinceMs(): number | undefined {
    return this.#waiting[0]?.sinceMs;
  }

  /** Takes the oldest one out; whoever takes it releases it. */
  take(): LiveBlock | undefined {
    const taken = this.#waiting.shift();
    this.#bytes -= taken?.block.records.length ?? 0;
    return taken?.block;
  }
}
