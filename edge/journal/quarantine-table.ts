import assert from "node:assert/strict";
import type { Connection, Row } from "./connection.ts";
import type { QuarantineItem, RetriedMessage } from "./group.ts";
import type { QuarantineFilter, QuarantinePage, QuarantineRow } from "./protocol.ts";

/** Rows that one page looks at: bounds how long a commit can wait behind a search that finds nothing. */
const lookedAtMax = 2_000;

const columns = "id, time, source, address, device, profile, form, reason, detail, size, kept, tries, tried";

/** Messages that could not be read, with their original bytes, in order of arrival. */
export class QuarantineTable {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  add({ timeMicros, source, address, device, profile, form, reason, detail, size, bytes }: QuarantineItem): void {
    this.#connection.run(
      `INSERT INTO quarantine (time, source, address, device, profile, form, reason, detail, size, kept, data)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      timeMicros,
      source,
      address,
      device,
      profile,
      form,
      reason,
      detail,
      size,
      bytes.length,
      bytes,
    );
  }

  /** The oldest, which must exist. */
  oldest(): QuarantineRow {
    const row = this.#connection.get(`SELECT ${columns} FROM quarantine ORDER BY id LIMIT 1`);
    assert(row !== undefined, "a counted quarantine is not empty");
    return quarantineRow(row);
  }

  row(id: number): QuarantineRow | undefined {
    const row = this.#connection.get(`SELECT ${columns} FROM quarantine WHERE id = ?`, id);
    return row === undefined ? undefined : quarantineRow(row);
  }

  /** Newest first, below `before`; see `QuarantinePage`. */
  page(filter: QuarantineFilter, before: number, limit: number): QuarantinePage {
    const rows: QuarantineRow[] = [];
    let seen = 0;
    let last = before;
    const sql = `SELECT ${columns} FROM quarantine WHERE id < ? ORDER BY id DESC LIMIT ?`;
    for (const stored of this.#connection.each(sql, before, lookedAtMax)) {
      const row = quarantineRow(stored);
      seen++;
      last = row.id;
      if (fitsFilter(row, filter)) rows.push(row);
      if (rows.length === limit) return { rows, next: last };
    }
    return { rows, next: seen === lookedAtMax ? last : undefined };
  }

  bytes(id: number): Uint8Array | undefined {
    return this.#connection.get("SELECT data FROM quarantine WHERE id = ?", id)?.data as Uint8Array | undefined;
  }

  remove(id: number): void {
    this.#connection.run("DELETE FROM quarantine WHERE id = ?", id);
  }

  /** A retry that failed again: it stays, with the reason of today. */
  noteTry({ id, timeMicros }: RetriedMessage, reason: string, detail: string): void {
    this.#connection.run(
      "UPDATE quarantine SET reason = ?, detail = ?, tries = tries + 1, tried = ? WHERE id = ?",
      reason,
      detail,
      timeMicros,
      id,
    );
  }
}

/** From the table's columns; those that an older format does not have get their defaults. */
export function quarantineRow(row: Row): QuarantineRow {
  const tried = Number(row.tried ?? 0);
  return {
    id: Number(row.id),
    timeMicros: Number(row.time),
    source: String(row.source),
    address: String(row.address),
    device: String(row.device ?? ""),
    profile: String(row.profile ?? ""),
    form: row.form === "points" ? "points" : "bytes",
    reason: String(row.reason),
    detail: String(row.detail),
    size: Number(row.size),
    keptBytes: Number(row.kept ?? row.size),
    tries: Number(row.tries ?? 0),
    triedMicros: tried === 0 ? undefined : tried,
  };
}

/** Shared by the running journal and by one that is read offline. */
export function fitsFilter(row: QuarantineRow, filter: QuarantineFilter): boolean {
  return (
    (filter.reason === undefined || row.reason === filter.reason) &&
    (filter.source === undefined || row.source === filter.source) &&
    (filter.device === undefined || row.device === filter.device) &&
    (filter.fromMicros === undefined || row.timeMicros >= filter.fromMicros) &&
    (filter.toMicros === undefined || row.timeMicros < filter.toMicros)
  );
}
