import type { Delivery, Ingest } from "../../edge/source.ts";

/**
 * The pipeline as sources see it, without a pipeline: it keeps every delivery in the order of `offer` and settles
 * when the test says so, in one synchronous run as a commit would.
 */
export class FakeIngest implements Ingest {
  /** Everything that was ever offered. */
  readonly offered: Delivery[] = [];
  readonly forgotten: string[] = [];
  /** Cursors as of start; a stored delivery moves them. */
  readonly stored = new Map<string, string>();
  /** Once this many deliveries are unsettled, `offer` answers "pause"; `settle` resumes below it. */
  pauseAt = Number.POSITIVE_INFINITY;
  #settled = 0;
  #paused = false;
  readonly #listeners = new Set<() => void>();
  readonly #waiting = new Set<() => void>();

  offer(delivery: Delivery): "continue" | "pause" {
    this.offered.push(delivery);
    this.#wake();
    if (this.unsettled < this.pauseAt) return "continue";
    this.#paused = true;
    return "pause";
  }

  onResume(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  cursors(): ReadonlyMap<string, string> {
    return this.stored;
  }

  forgetSession(session: string): void {
    this.forgotten.push(session);
    this.#wake();
  }

  get unsettled(): number {
    return this.offered.length - this.#settled;
  }

  get resumeListeners(): number {
    return this.#listeners.size;
  }

  /** Settles the oldest `count` unsettled deliveries as one commit would, then resumes where there was a pause. */
  settle(count = this.unsettled, outcome: "stored" | "abandoned" = "stored"): void {
    const end = Math.min(this.#settled + count, this.offered.length);
    while (this.#settled < end) {
      const delivery = this.offered[this.#settled]!;
      this.#settled += 1;
      if (outcome === "stored" && delivery.cursor !== undefined) {
        this.stored.set(delivery.cursor.key, delivery.cursor.value);
      }
      delivery.settle(outcome);
    }
    if (this.#paused && this.unsettled < this.pauseAt) this.resume();
  }

  /** Tells the sources that there is room again. */
  resume(): void {
    this.#paused = false;
    for (const listener of this.#listeners) listener();
  }

  /** The bodies of what was offered, as text. */
  texts(): string[] {
    return this.offered.map(({ body }) => (body.kind === "bytes" ? Buffer.from(body.bytes).toString("utf8") : ""));
  }

  /** Resolves when `count` deliveries have been offered in total. */
  async waitForOffers(count: number, timeoutMs = 5000): Promise<void> {
    await this.waitUntil(() => this.offered.length >= count, `${count} offers`, timeoutMs);
  }

  /** Resolves when the condition holds; looks at each offer and each forgotten session. */
  async waitUntil(condition: () => boolean, what: string, timeoutMs = 5000): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        reject(new Error(`waited ${timeoutMs} ms for ${what}; ${this.offered.length} were offered`));
      }, timeoutMs);
      this.#waiting.add(look);
    });
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }
}
