import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isSystemError, TidegateError } from "../../src/errors.ts";
import { lanes } from "../../src/wire/streams.ts";
import { isForeignLog, losesCommits } from "./log-check.ts";
import { finishSettingAside, setAside, setLogAside } from "./set-aside.ts";
import { rowChecksum } from "./row-checksum.ts";
import { makeDurableFolder, syncFile } from "./sync-folder.ts";

/** "TGJ1" as SQLite's application id: another program's database is not opened. */
export const applicationId = 0x54474a31;
export const schemaVersion = 5;
/** First release without the WAL-reset bug, which loses committed writes (sqlite.org/wal.html, section 8). */
const sqliteMinimum = [3, 51, 3] as const;
/** First format whose number stands in a table too, where a damaged header cannot pass for a newer version. */
const formatTold = 4;
const walPages = 1_000;

export const databaseName = "journal.db";

/** The bytes stand last: what comes before them is found without reading them. */
function quarantineTable(name: string): string {
  return `CREATE TABLE ${name} (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, source TEXT NOT NULL,
     address TEXT NOT NULL, device TEXT NOT NULL, profile TEXT NOT NULL, form TEXT NOT NULL, reason TEXT NOT NULL,
     detail TEXT NOT NULL, size INTEGER NOT NULL, kept INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
     tried INTEGER NOT NULL DEFAULT 0, data BLOB NOT NULL)`;
}

const lossTable = `CREATE TABLE losses (id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL, stream TEXT NOT NULL,
     device TEXT NOT NULL, records INTEGER NOT NULL, data_from TEXT NOT NULL, data_to TEXT NOT NULL,
     since INTEGER NOT NULL, until INTEGER NOT NULL)`;

/*
 * One table of blocks per lane, so that reading and reclaiming a lane needs no index: every page that a commit
 * touches is written to flash, and a commit of one record costs the leaf of its blocks table, of its directories
 * table, of `state` and of `redelivery`.
 */
const mergedTables = lanes.map(
  (lane) => `CREATE TABLE merged_${lane} (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, since INTEGER NOT NULL)`,
);
const highestTable = `CREATE TABLE highest (epoch INTEGER NOT NULL, stream INTEGER NOT NULL, device TEXT NOT NULL,
     seq INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (epoch, stream, device)) WITHOUT ROWID`;
const createTables = [
  "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
  `CREATE TABLE epochs (counter INTEGER PRIMARY KEY, text TEXT NOT NULL, boot TEXT NOT NULL, started INTEGER NOT NULL,
     manifest INTEGER NOT NULL DEFAULT 0, final INTEGER NOT NULL DEFAULT 0, crc INTEGER NOT NULL DEFAULT 0)`,
  ...lanes.flatMap((lane) => [
    `CREATE TABLE blocks_${lane} (id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, count INTEGER NOT NULL,
       stored INTEGER NOT NULL, mono INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL)`,
    `CREATE TABLE directories_${lane} (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, data BLOB NOT NULL)`,
  ]),
  ...mergedTables,
  "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL, crc INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
  "CREATE TABLE redelivery (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, data BLOB NOT NULL)",
  quarantineTable("quarantine"),
  lossTable,
  highestTable,
  "CREATE TABLE set_aside (id INTEGER PRIMARY KEY, lane TEXT NOT NULL, crc INTEGER NOT NULL, data BLOB)",
];

/** Steps from one format version to the next; index 0 leads from version 1 to 2. */
const migrations: readonly ((db: DatabaseSync) => void)[] = [describeQuarantine, addMerged, addChecksums, addHighest];

/** Version 2: the quarantine knows device, profile and tries; what was lost lately can be listed. */
function describeQuarantine(db: DatabaseSync): void {
  db.exec(quarantineTable("described"));
  db.exec(`INSERT INTO described (id, time, source, address, device, profile, form, reason, detail, size, kept, data)
    SELECT id, time, source, address, '', '', 'bytes', reason, detail, size, length(data), data FROM quarantine`);
  // Ids are never given twice, also when the newest message was deleted.
  db.exec("DELETE FROM sqlite_sequence WHERE name = 'described'");
  db.exec("INSERT INTO sqlite_sequence SELECT 'described', seq FROM sqlite_sequence WHERE name = 'quarantine'");
  db.exec("DROP TABLE quarantine");
  db.exec("ALTER TABLE described RENAME TO quarantine");
  db.exec(lossTable);
}

/** Version 3: small blocks are merged. */
function addMerged(db: DatabaseSync): void {
  for (const statement of mergedTables) db.exec(statement);
}

/** Version 4: rows that decide what is sent and what an epoch is get a checksum, as blocks and directories have one. */
function addChecksums(db: DatabaseSync): void {
  for (const table of ["epochs", "state"]) db.exec(`ALTER TABLE ${table} ADD COLUMN crc INTEGER NOT NULL DEFAULT 0`);
  const { value: partitions } = db.prepare("SELECT value FROM meta WHERE key = 'partitions'").get() ?? {};
  if (partitions !== undefined) db.prepare("INSERT INTO state (key, value) VALUES ('partitions', ?)").run(partitions);
  for (const { key, value } of db.prepare("SELECT key, value FROM state").all()) {
    db.prepare("UPDATE state SET crc = ? WHERE key = ?").run(rowChecksum(key!, value!), key!);
  }
  for (const { counter, text, boot, started, manifest, final } of db.prepare("SELECT * FROM epochs").all()) {
    const crc = rowChecksum(counter!, text!, boot!, started!, manifest!, final!);
    db.prepare("UPDATE epochs SET crc = ? WHERE counter = ?").run(crc, counter!);
  }
}

/** Version 5: how far the numbers of ended epochs went. Of those that ended before, nothing is known. */
function addHighest(db: DatabaseSync): void {
  db.exec(highestTable);
}

export interface Opened {
  readonly db: DatabaseSync;
  /** The name that an unreadable database was moved to; undefined in the normal case. */
  readonly setAside: string | undefined;
}

/**
 * Opens or creates the journal's database and takes the lock on the data folder, which SQLite's exclusive mode gives.
 * Never fails for what is in the file: an unreadable one is renamed and a fresh one started (DESIGN P5).
 * Throws DATA_FOLDER_IN_USE, JOURNAL_FORMAT_NEWER, SQLITE_TOO_OLD, JOURNAL_IO.
 */
export function openDatabase(folder: string, nowMicros: number): Opened {
  makeFolder(folder);
  return mapErrors(() => openIn(folder, nowMicros), folder);
}

function openIn(folder: string, nowMicros: number): Opened {
  finishSettingAside(folder, databaseName);
  const path = join(folder, databaseName);
  // A process that was killed between writing a commit and syncing it left one that SQLite reads and a power cut can
  // still take: nothing may be recognised, acknowledged or written on top of it before it is durable.
  if (existsSync(`${path}-wal`)) syncFile(`${path}-wal`);
  try {
    if (isForeignLog(path)) setLogAside(folder, databaseName, nowMicros);
    if (losesCommits(path)) throw damaged("SQLite would leave out commits of its write-ahead log");
    return { db: openFile(path), setAside: undefined };
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  return openAfresh(folder, nowMicros);
}

/** Renames the database that is there and makes a fresh one. No connection to it may be open. */
export function openAfresh(folder: string, nowMicros: number): Opened {
  const aside = setAside(folder, databaseName, nowMicros);
  return { db: openFile(join(folder, databaseName)), setAside: aside };
}

function makeFolder(folder: string): void {
  try {
    makeDurableFolder(folder);
  } catch (cause) {
    throw new TidegateError("CONFIG_UNREADABLE", `the data folder ${folder} cannot be made`, {
      cause,
      hint: "Is something else in the way, or may this user not write there? Correct gateway.dataFolder or the rights.",
    });
  }
}

function openFile(path: string): DatabaseSync {
  const fresh = !existsSync(path) || statSync(path).size === 0;
  const db = mapErrors(() => new DatabaseSync(path));
  try {
    mapErrors(() => {
      requireSqlite(db);
      // The lock first: nothing of another process's journal may be touched before it is ours.
      db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = 200");
      if (fresh) db.exec("PRAGMA auto_vacuum = INCREMENTAL");
      db.exec("PRAGMA journal_mode = WAL");
      db.exec("PRAGMA synchronous = FULL");
      db.exec(`PRAGMA wal_autocheckpoint = ${walPages}; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192`);
      db.exec("BEGIN IMMEDIATE");
      migrate(db);
      db.exec("COMMIT");
      // Some builds fall back to NORMAL after the first write (FACTS): then nothing that is promised here holds.
      assert.deepEqual({ ...db.prepare("PRAGMA synchronous").get() }, { synchronous: 2 });
      assert.deepEqual({ ...db.prepare("PRAGMA journal_mode").get() }, { journal_mode: "wal" });
    }, dirname(path));
    return db;
  } catch (error) {
    db.close();
    if (!fresh && sqliteCode(causeOf(error)) !== sqliteCodes.busy && hasWrongHeader(path)) throw damaged(error);
    throw error;
  }
}

function migrate(db: DatabaseSync): void {
  const id = pragmaNumber(db, "application_id");
  const version = pragmaNumber(db, "user_version");
  if (id === 0 && version === 0) {
    for (const statement of createTables) db.exec(statement);
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`);
    db.exec(`INSERT INTO meta (key, value) VALUES ('format', '${schemaVersion}')`);
    return;
  }
  if (id !== applicationId) throw damaged(`application id ${id.toString(16)} is not a journal's`);
  const told = db.prepare("SELECT value FROM meta WHERE key = 'format'").get()?.value;
  if (told === undefined ? version >= formatTold : Number(told) !== version) {
    throw damaged(`the header says format ${version}, the journal ${String(told)}`);
  }
  if (version > schemaVersion) {
    throw new TidegateError(
      "JOURNAL_FORMAT_NEWER",
      `the journal has format ${version}, this version reads ${schemaVersion}`,
      {
        hint: "Install the newer version again; it can read its own journal. Nothing was changed.",
      },
    );
  }
  for (let from = version; from < schemaVersion; from++) migrations[from - 1]!(db);
  // Written at every start: a file that cannot be written is found out here.
  db.exec(`PRAGMA user_version = ${schemaVersion}`);
  if (version < schemaVersion)
    db.exec(`INSERT OR REPLACE INTO meta (key, value) VALUES ('format', '${schemaVersion}')`);
}

/**
 * Some damage to a file's header looks like something else: a read-only database, an SQL error. These are the bytes
 * that never differ (sqlite.org/fileformat2.html, section 1.3): page size 4,096, write-ahead log, and the constants.
 */
function hasWrongHeader(path: string): boolean {
  const header = Buffer.alloc(100);
  const file = openSync(path, "r");
  try {
    readSync(file, header, 0, header.length, 0);
  } finally {
    closeSync(file);
  }
  const expected = Buffer.from("SQLite format 3\0\x10\x00\x02\x02\x00\x40\x20\x20", "latin1");
  if (header.compare(expected, 0, expected.length, 0, expected.length) !== 0) return true;
  // Until the first checkpoint the schema, and with it its format, stands in the log only.
  const schemaFormat = header.readUInt32BE(44);
  return schemaFormat !== 4 && !(schemaFormat === 0 && hasFrames(`${path}-wal`));
}

function hasFrames(log: string): boolean {
  return existsSync(log) && statSync(log).size > 0;
}

function pragmaNumber(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get() as Record<string, number>;
  return Object.values(row)[0]!;
}

function requireSqlite(db: DatabaseSync): void {
  const { version } = db.prepare("SELECT sqlite_version() AS version").get() as { version: string };
  const parts = version.split(".").map(Number);
  for (const [i, least] of sqliteMinimum.entries()) {
    if (parts[i]! > least) return;
    if (parts[i]! < least) {
      throw new TidegateError("SQLITE_TOO_OLD", `SQLite ${version} is older than ${sqliteMinimum.join(".")}`, {
        hint: "Run with the Node.js that Tidegate brings along.",
      });
    }
  }
}

/** Primary result codes. (sqlite.org/rescode.html) */
export const sqliteCodes = {
  error: 1,
  busy: 5,
  readonly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
};

/** What only a damaged schema can answer to statements that never change. */
const schemaComplaint = /no such (table|column)|malformed|unsupported file format|has no column/;

/** An error that says: nothing of this database can be relied on except rows with a checksum of their own. */
export function damaged(cause: unknown): TidegateError {
  return new TidegateError("JOURNAL_DAMAGED", `the journal's database is damaged: ${String(cause)}`, {
    cause,
    hint: "It was set aside and a fresh one is in use; what is readable comes back by itself. Check the disk's health.",
  });
}

export function isDamage(error: unknown): boolean {
  return error instanceof TidegateError && error.code === "JOURNAL_DAMAGED";
}

function causeOf(error: unknown): unknown {
  return error instanceof TidegateError ? error.cause : error;
}

/** The primary result code of an error of node:sqlite; undefined for other errors. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

/** A column holds an integer beyond 2^53, which we never write. */
export function isNoNumberOfOurs(error: unknown): boolean {
  return error instanceof RangeError && "code" in error && error.code === "ERR_OUT_OF_RANGE";
}

function diskRefused(cause: unknown): TidegateError {
  return new TidegateError("JOURNAL_IO", `the disk of the data folder refused: ${String(cause)}`, {
    cause,
    hint: "Check that the data folder is writable and the disk healthy (dmesg, smartctl).",
  });
}

/** Runs `work` and turns SQLite's errors into ours. */
export function mapErrors<T>(work: () => T, folder = ""): T {
  try {
    return work();
  } catch (error) {
    if (isSystemError(error)) throw diskRefused(error);
    if (isNoNumberOfOurs(error)) throw damaged(error);
    switch (sqliteCode(error)) {
      case sqliteCodes.busy:
        throw new TidegateError("DATA_FOLDER_IN_USE", `another process holds the data folder ${folder}`.trimEnd(), {
          cause: error,
          hint: "Is the gateway already running? Stop it, or give this one its own gateway.dataFolder.",
        });
      case sqliteCodes.full:
        throw new TidegateError("JOURNAL_FULL", "the disk of the data folder is full", {
          cause: error,
          hint: "Free space on that disk; the gateway goes on by itself.",
        });
      case sqliteCodes.readonly:
      case sqliteCodes.ioError:
      case sqliteCodes.cannotOpen:
        throw diskRefused(error);
      case sqliteCodes.corrupt:
      case sqliteCodes.notADatabase:
      // Ids and keys are ours to choose: where one is taken, the table is not what it was.
      case sqliteCodes.constraint:
        throw damaged(error);
      case sqliteCodes.error:
        throw schemaComplaint.test(String(error)) ? damaged(error) : error;
      default:
        throw error;
    }
  }
}
