/**
 * How far the main pass of a lane is, and whether the journal holds blocks for it that do not wait in memory.
 * Whoever hears of a stored block says so here: what nobody says, nobody reads.
 */
export class Position {
  #at = 0;
  #newest = 0;
  /** Newest id that does not wait in memory: beyond `#at` it has to be read. */
  #unheldTo = 0;
  /** The journal has said that it holds nothing more; until then there may be blocks that nobody told us of. */
  #sawEnd = false;
  #behindSinceMs: number | undefined;

  constructor(at: number, nowMs: number) {
    this.#at = at;
    this.#behindSinceMs = nowMs;
  }

  /** Up to here blocks were taken, left out, or not there. */
  get at(): number {
    return this.#at;
  }

  /** Newest id that is known to be stored. */
  get newest(): number {
    return this.#newest;
  }

  get isBehind(): boolean {
    return !this.#sawEnd || this.#unheldTo > this.#at;
  }

  /** Since when blocks are lacking that do not wait in memory; undefined when none is. */
  get behindSinceMs(): number | undefined {
    return this.#behindSinceMs;
  }

  /** `id` is stored and waits in memory, or was read just now. */
  stored(id: number): void {
    this.#newest = Math.max(this.#newest, id);
  }

  /** `id` is stored and does not wait in memory. */
  lack(id: number, sinceMs: number): void {
    this.stored(id);
    this.#unheldTo = Math.max(this.#unheldTo, id);
    if (this.isBehind) this.#behindSinceMs ??= sinceMs;
  }

  goOnAt(id: number): void {
    this.#at = Math.max(this.#at, id);
    if (!this.isBehind) this.#behindSinceMs = undefined;
  }

  /** The journal holds nothing up to `id`, and held nothing above when it was asked. */
  sawEnd(id: number): void {
    this.#sawEnd = true;
    this.goOnAt(id);
  }

  /** What is lacking up to `id` is left to others; being behind begins anew. */
  leaveTo(id: number, nowMs: number): void {
    this.#behindSinceMs = nowMs;
    this.goOnAt(id);
  }
}
