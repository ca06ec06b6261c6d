import type { Connection } from "./connection.ts";

const redeliveriesKept = 500_000;

/** Ids of messages whose PUBACK may get lost, one row per commit; the newest are kept. */
export class RedeliveryTable {
  readonly #connection: Connection;
  /** Ids in the table. */
  #count: number;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#count = this.#readCount();
  }

  all(): Uint8Array[] {
    return this.#connection.all("SELECT data FROM redelivery ORDER BY id").map((row) => row.data as Uint8Array);
  }

  keep(commit: number, { count, data }: { readonly count: number; readonly data: Uint8Array }): void {
    this.#connection.run("INSERT INTO redelivery (id, count, data) VALUES (?, ?, ?)", commit, count, data);
    this.#count += count;
    while (this.#count > redeliveriesKept) {
      const oldest = this.#connection.get("SELECT id, count FROM redelivery ORDER BY id LIMIT 1")!;
      if (Number(oldest.id) === commit) return;
      this.#connection.run("DELETE FROM redelivery WHERE id = ?", oldest.id!);
      this.#count -= Number(oldest.count);
    }
  }

  /** Memory goes back to what the last transaction left on disk. */
  reload(): void {
    this.#count = this.#readCount();
  }

  #readCount(): number {
    return this.#connection.number("SELECT coalesce(sum(count), 0) AS n FROM redelivery");
  }
}
