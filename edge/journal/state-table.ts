import type { Connection, Row } from "./connection.ts";
import { damaged } from "./database.ts";
import { rowChecksum } from "./row-checksum.ts";

/**
 * Rows that are replaced as a whole: the head, settled ranges, cursors of sources and readers, snapshots. Each has a
 * checksum: a settled range with one wrong bit would be a silent loss.
 */
export class StateTable {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get(key: string): Uint8Array | string | undefined {
    const row = this.#connection.get("SELECT key, value, crc FROM state WHERE key = ?", key);
    return row === undefined ? undefined : valueOf(row);
  }

  /** Rows whose key starts with `prefix`, without the prefix. */
  below(prefix: string): [string, string][] {
    const rows = this.#connection.all(
      "SELECT key, value, crc FROM state WHERE key >= ? AND key < ?",
      prefix,
      `${prefix}\u{10ffff}`,
    );
    return rows.map((row) => [String(row.key).slice(prefix.length), String(valueOf(row))]);
  }

  set(key: string, value: string | Uint8Array): void {
    const crc = rowChecksum(key, value);
    this.#connection.run("INSERT OR REPLACE INTO state (key, value, crc) VALUES (?, ?, ?)", key, value, crc);
  }
}

function valueOf({ key, value, crc }: Row): Uint8Array | string {
  if (rowChecksum(key!, value!) !== crc) throw damaged(`the state row ${String(key)} failed its checksum`);
  return value as Uint8Array | string;
}
