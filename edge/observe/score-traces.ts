import type { ScorePoint } from "../console/view.ts";

/** As many as the board keeps alerts. */
const slots = 200;
/** Before the raise, and the newest after it. */
const firstMax = 64;
const lastMax = 192;

interface Trace {
  readonly episode: string;
  /** Ascending over restarts: the lowest makes room. */
  readonly no: number;
  readonly points: readonly (readonly [timeMicros: number, score: number])[];
}

/**
 * The scores around each alert. Each has a row of state of its own, so that an alert costs the flash its own scores and
 * not those of all.
 */
export class ScoreTraces {
  readonly #bySlot: Map<number, Trace> = new Map();
  readonly #slotOf: Map<string, number> = new Map();
  #no = 0;

  /** `rows`: slot and text, as `capture` gave them to earlier processes. */
  constructor(rows: readonly (readonly [slot: string, text: string])[] = []) {
    for (const [slot, text] of rows) this.#put(Number(slot), JSON.parse(text) as Trace);
  }

  #put(slot: number, trace: Trace): void {
    const before = this.#bySlot.get(slot);
    if (before !== undefined) this.#slotOf.delete(before.episode);
    this.#bySlot.set(slot, trace);
    this.#slotOf.set(trace.episode, slot);
    this.#no = Math.max(this.#no, trace.no);
  }

  /** Adds scores that came since the last capture; returns the row that is to be stored. */
  capture(episode: string, points: readonly ScorePoint[]): { readonly slot: string; readonly text: string } {
    const known = this.#slotOf.get(episode);
    const slot = known ?? this.#freeSlot();
    const before = known === undefined ? undefined : this.#bySlot.get(known);
    const added = points.map(({ timeMicros, score }) => [timeMicros, Math.round(score * 1_000) / 1_000] as const);
    const all = [...(before?.points ?? []), ...added];
    const bounded = all.length <= firstMax + lastMax ? all : [...all.slice(0, firstMax), ...all.slice(-lastMax)];
    const trace: Trace = { episode, no: before?.no ?? this.#no + 1, points: bounded };
    this.#put(slot, trace);
    return { slot: String(slot), text: JSON.stringify(trace) };
  }

  #freeSlot(): number {
    for (let slot = 0; slot < slots; slot++) if (!this.#bySlot.has(slot)) return slot;
    const [oldest] = [...this.#bySlot].toSorted(([, a], [, b]) => a.no - b.no);
    return oldest![0];
  }

  of(episode: string): readonly ScorePoint[] {
    const slot = this.#slotOf.get(episode);
    const points = slot === undefined ? [] : this.#bySlot.get(slot)!.points;
    return points.map(([timeMicros, score]) => ({ timeMicros, score }));
  }

  lastMicros(episode: string): number {
    return this.of(episode).at(-1)?.timeMicros ?? -Infinity;
  }
}
