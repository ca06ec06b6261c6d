import type { Lane } from "../../src/wire/streams.ts";

/** Who asks for the line. Backfill is telemetry that comes behind its live records. */
export type Claim = Lane | "backfill";

/** Of sixteen turns under contention: so many per class. */
const weights: Readonly<Record<Claim, number>> = { critical: 8, insight: 4, telemetry: 3, backfill: 1, history: 0 };

/** A send that is silent for this long no longer counts, so that a stuck leader takes the line from nobody else. */
const silentMs = 1000;

/** Shares a number of concurrent sends among lanes: by weight where several wait, without a wait where one slot is free. */
export class Slots {
  #free: number;
  readonly #waiting = new Map<Claim, (() => void)[]>();
  readonly #credit = new Map<Claim, number>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with the function that gives the slot back; calling it again does nothing. */
  async acquire(claim: Claim): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await this.#turn(claim);
    let held = true;
    const giveBack = (): void => {
      if (!held) return;
      held = false;
      clearTimeout(silence);
      this.#next();
    };
    const silence = setTimeout(giveBack, silentMs);
    return giveBack;
  }

  #turn(claim: Claim): Promise<void> {
    return new Promise((resolve) => {
      const queue = this.#waiting.get(claim);
      if (queue === undefined) this.#waiting.set(claim, [resolve]);
      else queue.push(resolve);
    });
  }

  /** Smooth weighted round robin: every waiting class earns its weight, the richest is served and pays for all. */
  #next(): void {
    let best: Claim | undefined;
    let total = 0;
    for (const claim of this.#waiting.keys()) {
      const credit = (this.#credit.get(claim) ?? 0) + weights[claim];
      this.#credit.set(claim, credit);
      total += weights[claim];
      if (best === undefined || credit > this.#credit.get(best)!) best = claim;
    }
    if (best === undefined) {
      this.#free++;
      return;
    }
    this.#credit.set(best, this.#credit.get(best)! - total);
    const queue = this.#waiting.get(best)!;
    const resolve = queue.shift();
    if (queue.length === 0) this.#waiting.delete(best);
    resolve?.();
  }
}
