import { parseWireTime } from "../../src/observation/time.ts";
import type { AlertRecord } from "../../src/wire/records.ts";
import type { AlertState, AlertView } from "../console/view.ts";

const keptMax = 200;

const acknowledged: Partial<Record<AlertState, AlertState>> = {
  unacknowledged: "acknowledged",
  "returned-unacknowledged": "returned",
};

/** Whoever has acknowledged an alert has acknowledged its updates and its end. */
function stateAfter(before: AlertView | undefined, isClear: boolean): AlertState {
  const wasSeen = before?.state === "acknowledged" || before?.state === "returned";
  if (isClear) return wasSeen ? "returned" : "returned-unacknowledged";
  return wasSeen ? "acknowledged" : "unacknowledged";
}

/** Open alerts and those that cleared lately, newest first. Its text goes into the journal with the alerts themselves. */
export class AlertBoard {
  readonly #views: Map<string, AlertView> = new Map();

  constructor(stored?: string) {
    for (const view of stored === undefined ? [] : (JSON.parse(stored) as AlertView[])) {
      this.#views.set(view.record.episode, view);
    }
  }

  take(record: AlertRecord): void {
    const before = this.#views.get(record.episode);
    const time = parseWireTime(record.time) ?? 0;
    const isClear = record.kind === "clear";
    this.#views.set(record.episode, {
      record,
      state: stateAfter(before, isClear),
      raisedMicros: before?.raisedMicros ?? time,
      clearedMicros: isClear ? time : undefined,
    });
    while (this.#views.size > keptMax) this.#forgetOne();
  }

  /** False where the episode is not on the board, or was acknowledged before. */
  acknowledge(episode: string): boolean {
    const view = this.#views.get(episode);
    const state = view === undefined ? undefined : acknowledged[view.state];
    if (view === undefined || state === undefined) return false;
    this.#views.set(episode, { ...view, state });
    return true;
  }

  /** The oldest that is over; an open one only where all are open. */
  #forgetOne(): void {
    const entries = [...this.#views];
    const [oldest] = entries.find(([, view]) => view.clearedMicros !== undefined) ?? entries[0]!;
    this.#views.delete(oldest);
  }

  get views(): readonly AlertView[] {
    return [...this.#views.values()].reverse();
  }

  get open(): number {
    return [...this.#views.values()].filter((view) => view.clearedMicros === undefined).length;
  }

  toText(): string {
    return JSON.stringify([...this.#views.values()]);
  }
}
