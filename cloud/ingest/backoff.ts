import { setTimeout as sleep } from "node:timers/promises";

/** Waits between attempts: doubling, with a random part, so that a fleet of clients does not come back in step. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #failures = 0;

  constructor(firstMs: number, longestMs: number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
  }

  /** Something worked: the next failure starts with the shortest wait. */
  reset(): void {
    this.#failures = 0;
  }

  get nextMs(): number {
    const full = Math.min(this.#longestMs, this.#firstMs * 2 ** this.#failures);
    return full / 2 + (Math.random() * full) / 2;
  }

  /** Resolves early when the signal is aborted. */
  async wait(signal: AbortSignal): Promise<void> {
    const ms = this.nextMs;
    this.#failures += 1;
    await sleepUnlessAborted(ms, signal);
  }
}

export async function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
