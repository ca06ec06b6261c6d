import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { TidegateError } from "../../src/errors.ts";
import { applicationId, migrations } from "./schema.ts";

const fileName = "cloud.db";
/** Older versions can lose committed writes (FACTS: WAL-reset bug). */
const sqliteVersionMin = [3, 51, 3] as const;

/**
 * The database of the cloud service: one connection, one process. Everything that was committed survives a power cut;
 * what a transaction did is either all there or not at all. The exclusive lock on the file is the lock on the folder.
 */
export class Store implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  /** Made when the store was created; revisions of a rebuilt store are above those of every earlier one. */
  readonly generation: number;

  private constructor(db: DatabaseSync, nowMicros: number) {
    this.#db = db;
    this.generation = this.#openGeneration(nowMicros);
  }

  /** Throws DATA_FOLDER_IN_USE, STORE_CORRUPT or SQLITE_TOO_OLD. */
  static open(folder: string, nowMicros: number): Store {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const db = new DatabaseSync(join(folder, fileName), { timeout: 0 });
    try {
      checkVersion(db);
      configure(db);
      migrate(db);
      return new Store(db, nowMicros);
    } catch (error) {
      db.close();
      throw asStoreError(error, folder);
    }
  }

  #openGeneration(nowMicros: number): number {
    const known = this.#db.prepare("SELECT value FROM meta WHERE key = 'generation'").get();
    if (known !== undefined) return Number(known["value"]);
    const generation = Math.max(1, Math.floor(nowMicros / 1_000_000 - Date.UTC(2026, 0, 1) / 1000));
    this.#db.prepare("INSERT INTO meta VALUES ('generation', ?)").run(String(generation));
    return generation;
  }

  /** The prepared statement of this text; prepared once. */
  sql(text: string): StatementSync {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#db.prepare(text);
      this.#statements.set(text, statement);
    }
    return statement;
  }

  /** Runs `work` in one transaction. When it throws, nothing of it is stored, and what it changed in memory is void. */
  transaction<T>(work: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  get bytes(): number {
    const pages = Number(this.sql("PRAGMA page_count").get()?.["page_count"]);
    return pages * Number(this.sql("PRAGMA page_size").get()?.["page_size"]);
  }

  /** Gives pages that a purge freed back to the file system. */
  releasePages(pagesMax: number): void {
    this.#db.exec(`PRAGMA incremental_vacuum(${Math.floor(pagesMax)})`);
  }

  close(): void {
    this.#statements.clear();
    if (this.#db.isOpen) this.#db.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function checkVersion(db: DatabaseSync): void {
  const text = String(db.prepare("SELECT sqlite_version() AS v").get()?.["v"]);
  const version = text.split(".").map(Number);
  const at = sqliteVersionMin.findIndex((part, i) => part !== version[i]);
  if (at >= 0 && (version[at] ?? 0) < sqliteVersionMin[at]!) {
    throw new TidegateError("SQLITE_TOO_OLD", `SQLite ${text} can lose committed writes`, {
      hint: `run with a Node.js that has SQLite ${sqliteVersionMin.join(".")} or newer`,
    });
  }
}

function configure(db: DatabaseSync): void {
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
  db.exec("PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY");
  db.exec("PRAGMA wal_autocheckpoint = 2000; PRAGMA journal_size_limit = 67108864; PRAGMA foreign_keys = ON");
}

function migrate(db: DatabaseSync): void {
  const marked = Number(db.prepare("PRAGMA application_id").get()?.["application_id"]);
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > 0 && marked !== applicationId)
    throw new TidegateError("STORE_CORRUPT", "the file is another program's database");
  if (version > migrations.length) {
    throw new TidegateError(
      "STORE_CORRUPT",
      `the store has format ${version}, this program knows ${migrations.length}`,
      {
        hint: "run the newer version of the program that wrote it",
      },
    );
  }
  db.exec("BEGIN IMMEDIATE");
  for (const migration of migrations.slice(version)) db.exec(migration);
  db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}; COMMIT`);
  // Some builds fall back to NORMAL after the first write (FACTS): assert what durability rests on.
  const synchronous = Number(db.prepare("PRAGMA synchronous").get()?.["synchronous"]);
  if (synchronous !== 2) throw new TidegateError("STORE_CORRUPT", `SQLite runs with synchronous = ${synchronous}`);
}

const sqliteBusy = 5;

function asStoreError(error: unknown, folder: string): unknown {
  if (error instanceof TidegateError) return error;
  const code = (error as { errcode?: number }).errcode;
  if (code !== undefined && (code & 0xff) === sqliteBusy) {
    return new TidegateError("DATA_FOLDER_IN_USE", `another process holds ${folder}`, {
      cause: error,
      hint: "stop the other cloud service, or give this one its own dataFolder",
    });
  }
  return new TidegateError("STORE_CORRUPT", `the store in ${folder} cannot be opened`, {
    cause: error,
    hint: "move the folder away: a new store is rebuilt from Kafka as far as its retention reaches",
  });
}
