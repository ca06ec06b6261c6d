import { rollupTextOfRow } from "../aggregate/results.ts";
import { startOf } from "../aggregate/accumulator.ts";
import type { Store } from "../store/store.ts";
import { formatWireTime } from "../../src/observation/time.ts";

/** A result that Kafka does not have yet. */
export interface OutboxRow {
  readonly no: number;
  readonly revision: number;
  readonly level: string;
  readonly key: string;
  readonly value: string;
}

/** Results that were stored and not published, each once, in its newest revision. */
export class Outbox {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  take(rowsMax: number): OutboxRow[] {
    const rows = this.#store
      .sql(
        "SELECT r.no, r.level, r.key, r.window, r.revision, r.value FROM outbox o JOIN rollups r ON r.no = o.rollup_no LIMIT ?",
      )
      .all(rowsMax);
    return rows.map((row) => ({
      no: Number(row["no"]),
      revision: Number(row["revision"]),
      level: String(row["level"]),
      key: upsertKey(String(row["level"]), String(row["key"]), Number(row["window"])),
      value: rollupTextOfRow(row),
    }));
  }

  /** Kafka has these rows. A row that changed meanwhile stays. */
  settle(rows: readonly OutboxRow[]): void {
    this.#store.transaction(() => {
      const done = this.#store.sql(
        "DELETE FROM outbox WHERE rollup_no = ? AND (SELECT revision FROM rollups WHERE no = ?) = ?",
      );
      for (const { no, revision } of rows) done.run(no, no, revision);
    });
  }

  get pending(): number {
    return Number(this.#store.sql("SELECT COUNT(*) AS n FROM outbox").get()?.["n"]);
  }
}

/** The key of a result on its compacted topic, for example `line/acme/berlin/press-shop/line-2/2026-11-21T09:28:00.000000Z`. */
export function upsertKey(level: string, key: string, window: number): string {
  return `${level}/${key}/${formatWireTime(startOf(window))}`;
}
