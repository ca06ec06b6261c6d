import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TidegateError } from "../../src/errors.ts";
import { databaseName, mapErrors, openAfresh, openDatabase } from "./database.ts";

export type SqlValue = string | number | bigint | Uint8Array | null;
export type Row = Record<string, SqlValue>;

/** 16 MiB, and an eighth of the file: less is used again before long. */
const freePagesMin = 4_096;
const freeShareMin = 0.125;
/** 1 MiB: a few milliseconds. */
const shrinkPages = 256;
const shrinksPerCheckpoint = 16;

/** The journal's one connection: prepared statements by their text, transactions, and a way back after a failed disk. */
export class Connection {
  /** Name of the unreadable database that was moved away when this one was opened. */
  setAside: string | undefined;
  readonly #folder: string;
  #db: DatabaseSync;
  #statements: Map<string, StatementSync> = new Map();
  /** Steps since the last checkpoint. */
  #shrunk = 0;

  /** Throws what `openDatabase` throws. */
  constructor(folder: string, nowMicros: number) {
    const { db, setAside } = openDatabase(folder, nowMicros);
    this.#folder = folder;
    this.#db = db;
    this.setAside = setAside;
  }

  get isOpen(): boolean {
    return this.#db.isOpen;
  }

  run(sql: string, ...values: SqlValue[]): void {
    mapErrors(() => this.#prepare(sql).run(...values));
  }

  get(sql: string, ...values: SqlValue[]): Row | undefined {
    return mapErrors(() => this.#prepare(sql).get(...values));
  }

  all(sql: string, ...values: SqlValue[]): Row[] {
    return mapErrors(() => this.#prepare(sql).all(...values));
  }

  /** Row by row, for tables that do not fit into memory. The connection must not write meanwhile. */
  *each(sql: string, ...values: SqlValue[]): Generator<Row> {
    const rows = mapErrors(() => this.#prepare(sql).iterate(...values));
    try {
      for (;;) {
        const { done, value } = mapErrors(() => rows.next());
        if (done) return;
        yield value;
      }
    } finally {
      rows.return?.();
    }
  }

  /** The column `n` of the only row. */
  number(sql: string, ...values: SqlValue[]): number {
    return Number(this.get(sql, ...values)!.n);
  }

  /** Everything or nothing; what was committed survives power loss. Throws JOURNAL_FULL and JOURNAL_IO for the disk's refusals. */
  transaction<T>(work: () => T): T {
    this.#requireOpen();
    try {
      return mapErrors(() => {
        this.#db.exec("BEGIN IMMEDIATE");
        const result = work();
        this.#db.exec("COMMIT");
        return result;
      });
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * After a failed write or sync the page cache may hold what the disk does not. Only a fresh connection and a
   * checkpoint that reaches the disk make the journal trustworthy again. Throws while the disk refuses.
   */
  reopen(nowMicros: number): void {
    this.close();
    this.#statements = new Map();
    this.#db = openDatabase(this.#folder, nowMicros).db;
    mapErrors(() => this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
  }

  /** The database is damaged: it is set aside under the name `setAside`, and a fresh one takes its place. */
  startAfresh(nowMicros: number): void {
    this.close();
    this.#statements = new Map();
    const { db, setAside } = openAfresh(this.#folder, nowMicros);
    this.#db = db;
    this.setAside = setAside;
  }

  /** Live pages and the write-ahead log. */
  bytesUsed(): number {
    const { n: pages } = this.get(
      "SELECT page_count - freelist_count AS n FROM pragma_page_count, pragma_freelist_count",
    )!;
    const wal = join(this.#folder, `${databaseName}-wal`);
    return (
      Number(pages) * this.number("SELECT page_size AS n FROM pragma_page_size") +
      (existsSync(wal) ? statSync(wal).size : 0)
    );
  }

  /** Pages of the file that nothing uses. */
  freeBytes(): number {
    return this.number("SELECT freelist_count * page_size AS n FROM pragma_freelist_count, pragma_page_size");
  }

  /**
   * Cuts free pages off the end of the file, in a small step. Some are kept: the next commits need them. The file itself
   * becomes smaller with a checkpoint.
   */
  shrink(): void {
    const { free, pages } = this.get(
      "SELECT freelist_count AS free, page_count AS pages FROM pragma_freelist_count, pragma_page_count",
    )!;
    const isLarge = Number(free) >= freePagesMin && Number(free) >= Number(pages) * freeShareMin;
    if (isLarge) {
      mapErrors(() => this.#db.exec(`PRAGMA incremental_vacuum(${shrinkPages})`));
      this.#shrunk++;
    }
    if (this.#shrunk === 0 || (isLarge && this.#shrunk % shrinksPerCheckpoint !== 0)) return;
    mapErrors(() => this.#db.exec("PRAGMA wal_checkpoint(PASSIVE)"));
    this.#shrunk = 0;
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** After a failed reopening: whoever asks is told so, until the next commit has opened it again. */
  #requireOpen(): void {
    if (!this.#db.isOpen) throw new TidegateError("JOURNAL_IO", "the journal is closed until its disk works again");
  }

  #prepare(sql: string): StatementSync {
    this.#requireOpen();
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
