import type { LogRecord } from "../ingest/log.ts";
import type { Store } from "../store/store.ts";

/** Why a record of Kafka was not taken. A closed list: it is a metric label. */
export const rejectReasons = ["no-identity", "not-readable", "wrong-device", "device-limit", "too-large"] as const;
export type RejectReason = (typeof rejectReasons)[number];

/** The newest that are kept for a person to look at; all are counted. */
const rejectsMax = 1000;
const detailLengthMax = 200;

/** Records that cannot be counted once or cannot be read: counted, shown, and never in the way of their neighbours. */
export class Rejects {
  readonly #store: Store;
  #added = false;

  constructor(store: Store) {
    this.#store = store;
  }

  add(record: LogRecord, reason: RejectReason, detail: string, nowMicros: number): void {
    this.#added = true;
    this.#store
      .sql("INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
      .run(`reject:${reason}`);
    this.#store
      .sql("INSERT INTO rejects (topic, partition, offset, time, reason, detail) VALUES (?, ?, ?, ?, ?, ?)")
      .run(record.topic, record.partition, record.offset, nowMicros, reason, detail.slice(0, detailLengthMax));
  }

  settle(): void {
    if (!this.#added) return;
    this.#added = false;
    this.#store
      .sql(`DELETE FROM rejects WHERE no <= (SELECT no FROM rejects ORDER BY no DESC LIMIT 1 OFFSET ${rejectsMax})`)
      .run();
  }
}
