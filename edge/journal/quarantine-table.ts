import assert from "node:assert/strict";
import type { Connection } from "./connection.ts";
import type { QuarantineItem } from "./group.ts";
import type { QuarantineRow } from "./protocol.ts";

/** Messages that could not be read, with their original bytes, in order of arrival. */
export class QuarantineTable {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add({ timeMicros, source, address, reason, detail, bytes }: QuarantineItem): void {
    this.#connection.run(
      "INSERT INTO quarantine (time, source, address, reason, detail, size, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
      timeMicros,
      source,
      address,
      reason,
      detail,
      bytes.length,
      bytes,
    );
  }

  /** Deletes the oldest, which must exist. */
  evictOldest(): { readonly timeMicros: number; readonly bytes: number } {
    const row = this.#connection.get("SELECT id, time, size FROM quarantine ORDER BY id LIMIT 1");
    assert(row !== undefined, "a counted quarantine is not empty");
    this.#connection.run("DELETE FROM quarantine WHERE id = ?", row.id!);
    return { timeMicros: Number(row.time), bytes: Number(row.size) };
  }

  /** Newest first. */
  list(limit: number): QuarantineRow[] {
    const columns = "id, time, source, address, reason, detail, size";
    return this.#connection.all(`SELECT ${columns} FROM quarantine ORDER BY id DESC LIMIT ?`, limit).map((row) => ({
      id: Number(row.id),
      timeMicros: Number(row.time),
      source: String(row.source),
      address: String(row.address),
      reason: String(row.reason),
      detail: String(row.detail),
      size: Number(row.size),
    }));
  }

  bytes(id: number): Uint8Array | undefined {
    return this.#connection.get("SELECT data FROM quarantine WHERE id = ?", id)?.data as Uint8Array | undefined;
  }
}
