import { parseWireTime } from "../../src/observation/time.ts";
import type { AlertRecord, Role } from "../../src/wire/records.ts";
import type { AlertFeedback, AlertState, AlertView } from "../console/view.ts";
import type { Suppressions } from "./suppressions.ts";

export const keptMax = 200;

/** What the board keeps of an episode; what hides it is asked anew each time. */
type Row = Omit<AlertView, "suppression">;

const acknowledged: Partial<Record<AlertState, AlertState>> = {
  unacknowledged: "acknowledged",
  "returned-unacknowledged": "returned",
};

/** Whoever has acknowledged an alert has acknowledged its updates and its end. */
function stateAfter(before: Row | undefined, isClear: boolean): AlertState {
  const wasSeen = before?.state === "acknowledged" || before?.state === "returned";
  if (isClear) return wasSeen ? "returned" : "returned-unacknowledged";
  return wasSeen ? "acknowledged" : "unacknowledged";
}

/** Open alerts and those that cleared lately, newest first. Its text goes into the journal with the alerts themselves. */
export class AlertBoard {
  readonly #rows: Map<string, Row> = new Map();
  readonly #suppressions: Suppressions;

  constructor(suppressions: Suppressions, stored?: string) {
    this.#suppressions = suppressions;
    for (const row of stored === undefined ? [] : (JSON.parse(stored) as Row[])) {
      this.#rows.set(row.record.episode, row);
    }
  }

  /** `commit`: where in the journal the reading stands that the record is about. */
  take(record: AlertRecord, commit: number): void {
    const before = this.#rows.get(record.episode);
    const time = parseWireTime(record.time) ?? 0;
    const isClear = record.kind === "clear";
    this.#rows.set(record.episode, {
      record,
      state: stateAfter(before, isClear),
      raisedMicros: before?.raisedMicros ?? time,
      clearedMicros: isClear ? time : undefined,
      commit: before === undefined ? commit : before.commit,
      acknowledged: before?.acknowledged,
      feedback: before?.feedback,
    });
    while (this.#rows.size > keptMax) this.#forgetOne();
  }

  find(episode: string): AlertView | undefined {
    const row = this.#rows.get(episode);
    return row === undefined ? undefined : this.#view(row);
  }

  /** Whether the episode is on the board and nobody has seen it yet. */
  awaitsAcknowledgement(episode: string): boolean {
    const row = this.#rows.get(episode);
    return row !== undefined && acknowledged[row.state] !== undefined;
  }

  /** False where the episode is not on the board, or was acknowledged before. */
  acknowledge(episode: string, micros: number, by: Role): boolean {
    const row = this.#rows.get(episode);
    const state = row === undefined ? undefined : acknowledged[row.state];
    if (row === undefined || state === undefined) return false;
    this.#rows.set(episode, { ...row, state, acknowledged: { micros, by } });
    return true;
  }

  /** In place of what was said before. The episode must be on the board. */
  judge(episode: string, feedback: AlertFeedback): void {
    const row = this.#rows.get(episode);
    if (row !== undefined) this.#rows.set(episode, { ...row, feedback });
  }

  /** The oldest that is over; an open one only where all are open. */
  #forgetOne(): void {
    const entries = [...this.#rows];
    const [oldest] = entries.find(([, row]) => row.clearedMicros !== undefined) ?? entries[0]!;
    this.#rows.delete(oldest);
  }

  #view(row: Row): AlertView {
    return { ...row, suppression: this.#suppressions.of(row.record.device, row.record.metric) };
  }

  get views(): readonly AlertView[] {
    return [...this.#rows.values()].map((row) => this.#view(row)).reverse();
  }

  /** Alerts that are not over, and not put away by a person. */
  get open(): number {
    return this.views.filter((view) => view.clearedMicros === undefined && view.suppression === undefined).length;
  }

  toText(): string {
    return JSON.stringify([...this.#rows.values()]);
  }
}
