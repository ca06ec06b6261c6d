import type { Connection } from "./connection.ts";

/** Rows that are replaced as a whole: the head, settled ranges, cursors of sources and readers, snapshots. */
export class StateTable {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get(key: string): Uint8Array | string | undefined {
    const row = this.#connection.get("SELECT value FROM state WHERE key = ?", key);
    return row === undefined ? undefined : (row.value as Uint8Array | string);
  }

  /** Rows whose key starts with `prefix`, without the prefix. */
  below(prefix: string): [string, string][] {
    const rows = this.#connection.all(
      "SELECT key, value FROM state WHERE key >= ? AND key < ?",
      prefix,
      `${prefix}\u{10ffff}`,
    );
    return rows.map((row) => [String(row.key).slice(prefix.length), String(row.value)]);
  }

  set(key: string, value: string | Uint8Array): void {
    this.#connection.run("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", key, value);
  }
}
