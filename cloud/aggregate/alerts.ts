import { formatWireTime, parseWireTime } from "../../src/observation/time.ts";
import type { AlertChangeRecord, AlertRecord } from "../../src/wire/records.ts";
import type { Store } from "../store/store.ts";
import { placementOf } from "./place.ts";
import { comparePlaces, type EpochOrder, type Place } from "./sample.ts";

/** An episode as readers see it: the newest details, open until a clear has been seen. */
export interface AlertState {
  readonly episode: string;
  readonly device: string;
  readonly path: string;
  readonly state: "open" | "cleared";
  readonly priority: AlertRecord["priority"];
  readonly metric: string;
  /** The earliest record of the episode. */
  readonly raised: string;
  /** The newest record of the episode. */
  readonly updated: string;
  readonly cleared: string | null;
  /** When somebody at its gateway acknowledged it. */
  readonly acknowledged: string | null;
  readonly model: string;
  readonly version: string;
  readonly score: number;
  readonly threshold: number;
  readonly explanation: string;
  readonly contributions: AlertRecord["contributions"];
}

interface StoredAlert {
  readonly state: Omit<AlertState, "acknowledged">;
  /** The record that gave the details. */
  readonly details: {
    readonly timeMicros: number;
    readonly epochNo: number;
    readonly seq: number;
    readonly clear: boolean;
  };
}

/** Episodes beyond this many are forgotten, the longest cleared first. */
const alertsMax = 10_000;

/** Folds alert records into episodes; the result does not depend on the order in which they come. */
export class Alerts {
  readonly #store: Store;
  readonly #epochs: (no: number) => EpochOrder;
  #changed = false;

  constructor(store: Store, epochs: (no: number) => EpochOrder) {
    this.#store = store;
    this.#epochs = epochs;
  }

  add(record: AlertRecord, epoch: EpochOrder, seq: number): void {
    const place = { timeMicros: parseWireTime(record.time) ?? 0, epoch, seq };
    const row = this.#store
      .sql("SELECT value FROM alerts WHERE device = ? AND episode = ?")
      .get(record.device, record.episode);
    const known = row === undefined ? undefined : (JSON.parse(String(row["value"])) as StoredAlert);
    const next = this.#fold(known, record, place);
    this.#store
      .sql(
        `INSERT INTO alerts (device, episode, site, open, updated, value) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (device, episode) DO UPDATE SET site = excluded.site, open = excluded.open,
           updated = excluded.updated, value = excluded.value`,
      )
      .run(
        record.device,
        record.episode,
        placementOf(next.state.path).site,
        next.state.state === "open" ? 1 : 0,
        parseWireTime(next.state.updated) ?? 0,
        JSON.stringify(next),
      );
    this.#changed = true;
  }

  /**
   * What people did at the gateway. An acknowledgement may be read before the episode that it belongs to. What is shelved
   * or out of service there is not kept here: it is the list of whoever stands before the machine.
   */
  change({ kind, device, episode, time }: AlertChangeRecord): void {
    if (kind !== "acknowledge" || episode === undefined) return;
    this.#store
      .sql(
        `INSERT INTO acknowledged (device, episode, time) VALUES (?, ?, ?)
         ON CONFLICT (device, episode) DO UPDATE SET time = MIN(time, excluded.time)`,
      )
      .run(device, episode, parseWireTime(time) ?? 0);
    this.#changed = true;
  }

  #fold(known: StoredAlert | undefined, record: AlertRecord, place: Place): StoredAlert {
    const clear = record.kind === "clear";
    const time = formatWireTime(place.timeMicros);
    const before = known?.state;
    const better = known === undefined || this.#isBetter(place, clear, known.details);
    const details = better
      ? { timeMicros: place.timeMicros, epochNo: place.epoch.no, seq: place.seq, clear }
      : known.details;
    const { kind: _kind, time: _time, ...fields } = record;
    return {
      details,
      state: {
        ...(better || before === undefined ? fields : before),
        state: clear || before?.state === "cleared" ? "cleared" : "open",
        raised: before === undefined || time < before.raised ? time : before.raised,
        updated: before === undefined || time > before.updated ? time : before.updated,
        cleared: latestOf(before?.cleared ?? null, clear ? time : null),
      },
    };
  }

  /** A raise or an update explains more than a clear; among equals the newest. */
  #isBetter(place: Place, clear: boolean, known: StoredAlert["details"]): boolean {
    if (clear !== known.clear) return known.clear;
    return (
      comparePlaces(place, { timeMicros: known.timeMicros, epoch: this.#epochs(known.epochNo), seq: known.seq }) > 0
    );
  }

  /** Returns whether anything changed in this batch. */
  settle(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    if (changed) {
      this.#store
        .sql(
          `DELETE FROM alerts WHERE no IN (SELECT no FROM alerts ORDER BY open DESC, updated DESC LIMIT -1 OFFSET ${alertsMax})`,
        )
        .run();
      this.#store
        .sql(
          `DELETE FROM acknowledged WHERE (device, episode) IN
           (SELECT device, episode FROM acknowledged ORDER BY time DESC LIMIT -1 OFFSET ${alertsMax})`,
        )
        .run();
    }
    return changed;
  }
}

function latestOf(a: string | null, b: string | null): string | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}

/** A row of `alerts` joined with its `acknowledged.time` under that name. */
export function alertOfRow(row: Record<string, unknown>): AlertState {
  const { state } = JSON.parse(String(row["value"])) as StoredAlert;
  const acknowledged = row["acknowledged"];
  return { ...state, acknowledged: typeof acknowledged === "number" ? formatWireTime(acknowledged) : null };
}
