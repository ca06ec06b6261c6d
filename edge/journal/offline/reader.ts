import { existsSync, statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { TidegateError } from "../../../src/errors.ts";
import { epochOf } from "../../../src/wire/epoch.ts";
import { Ranges } from "../../../src/wire/ranges.ts";
import type { Lane } from "../../../src/wire/streams.ts";
import type { Block } from "../block.ts";
import type { Row, SqlValue } from "../connection.ts";
import { applicationId, isNoNumberOfOurs, schemaVersion, sqliteCode, sqliteCodes } from "../database.ts";
import { parseHead, type Head } from "../head.ts";
import { directoryWithin, unpackStored } from "../merged-block.ts";
import { hasCommits } from "../log-check.ts";
import type { QuarantineRow } from "../protocol.ts";
import { quarantineRow } from "../quarantine-table.ts";
import { rowChecksum } from "../row-checksum.ts";
import { readDirectory, type StoredDirectory } from "../stored-directory.ts";

/*
 * A journal read without touching it: not a byte of its files changes and none appears beside it, so a copy, a file
 * that was set aside and one on a read-only mount are all the same.
 *
 *   mode=ro         SQLite may not write to the file.
 *   vfs=unix-none   No locks, which need a file that may be written. Whether an agent runs is asked beforehand.
 *   EXCLUSIVE       The index of the write-ahead log is kept in memory instead of in a `-shm` file.
 *
 * So the commits that stand in the write-ahead log only are read too. `immutable=1`, which is the usual advice for
 * read-only media, leaves the log out: of a journal that was killed or copied it shows the state before the last
 * checkpoint.
 *
 * A log without a single readable commit is another matter: SQLite deletes such a log when it closes the database, also
 * one that is open for reading only. There `immutable` is right, since there is nothing to leave out.
 */
const lockFree = "mode=ro&vfs=unix-none";
const withoutLog = "immutable=1";
const locking = "mode=ro";
/** Format from which state rows and epochs have checksums. */
const checksumsSince = 4;
/** Format from which the highest numbers of ended epochs are kept. */
const highestSince = 5;

/** Rows of a table that could not be read, because pages of the file are destroyed. */
export interface Unreadable {
  readonly table: string;
  /** Ids between these two, both excluded; `before` is undefined where the table ends in it. */
  readonly after: number;
  readonly before: number | undefined;
}

/** A block, of one commit or merged of many, with what is known of it. */
export interface StoredBlock {
  readonly lane: Lane;
  readonly id: number;
  readonly count: number;
  readonly storedMicros: number;
  /** Of block and directory. */
  readonly bytes: number;
  /** From the row of its own, or where that is damaged from the block; undefined where both are. */
  readonly directory: StoredDirectory | undefined;
  /** The directory's own row is missing or fails its checksum. */
  readonly directoryDamaged: boolean;
}

export interface CheckedBlock extends StoredBlock {
  /** The blocks that it holds; undefined where it fails its checksum. */
  readonly blocks: readonly Block[] | undefined;
  /** The directory that stands inside it. */
  readonly within: StoredDirectory | undefined;
}

export interface StoredEpoch {
  readonly counter: number;
  readonly text: string;
  readonly startedMicros: number;
  readonly boot: string;
  /** Its last manifest is written: it was closed, or a later start has finished it. */
  readonly ended: boolean;
}

export class OfflineJournal implements Disposable {
  readonly path: string;
  readonly fileBytes: number;
  /** Of the write-ahead log beside it; undefined where there is none. */
  readonly logBytes: number | undefined;
  readonly formatVersion: number;
  /** What the scans so far had to leave out. */
  readonly unreadable: Unreadable[] = [];
  /** State rows and epochs that fail their checksum or make no sense, as far as they were asked for. */
  readonly damagedRows: Set<string> = new Set();
  readonly #db: DatabaseSync;
  readonly #lookUps: Map<string, StatementSync> = new Map();

  /** Throws JOURNAL_MISSING, DATA_FOLDER_IN_USE, JOURNAL_CORRUPT (not a journal, or its first page is gone), JOURNAL_FORMAT_NEWER. */
  static open(path: string): OfflineJournal {
    if (!existsSync(path) || !statSync(path).isFile()) {
      throw new TidegateError("JOURNAL_MISSING", `there is no journal at ${path}`, {
        hint: "Has the agent ever run with this data folder? `tidegate buffer inspect` takes a file or a folder, too.",
      });
    }
    refuseWhileRunning(path);
    const db = openWith(path, hasCommits(path) ? lockFree : withoutLog);
    try {
      return new OfflineJournal(path, db);
    } catch (error) {
      db.close();
      throw asCorrupt(path, error);
    }
  }

  private constructor(path: string, db: DatabaseSync) {
    this.path = path;
    this.#db = db;
    this.formatVersion = requireFormat(path, db);
    this.fileBytes = statSync(path).size;
    const log = `${path}-wal`;
    this.logBytes = existsSync(log) ? statSync(log).size : undefined;
  }

  /** Live pages, without those that are free for reuse. */
  get bytesUsed(): number {
    const pages = "SELECT (page_count - freelist_count) AS n FROM pragma_page_count, pragma_freelist_count";
    const size = this.#first("SELECT page_size AS n FROM pragma_page_size");
    return Number(this.#first(pages)?.n ?? 0) * Number(size?.n ?? 0);
  }

  /** What the journal counted by itself; undefined where nothing was ever committed. */
  head(): Head | undefined {
    return this.#parsed("head", parseHead);
  }

  /** Undefined where it is missing or fails its checksum. */
  state(key: string): string | undefined {
    const row = this.#first("SELECT * FROM state WHERE key = ?", key);
    if (row === undefined) return undefined;
    if (this.#isSound(row.crc, row.key!, row.value!)) return textOf(row.value);
    this.damagedRows.add(`state row ${key}`);
    return undefined;
  }

  /** Older formats have no checksums of rows. */
  #isSound(crc: SqlValue | undefined, ...cells: SqlValue[]): boolean {
    return this.formatVersion < checksumsSince || rowChecksum(...cells) === crc;
  }

  /** Keys of the state table with the size of their values. */
  stateKeys(): { readonly key: string; readonly bytes: number; readonly text: string }[] {
    const rows = this.#all("SELECT key, length(value) AS bytes, substr(value, 1, 200) AS text FROM state ORDER BY key");
    return rows.map(({ key, bytes, text }) => ({ key: String(key), bytes: Number(bytes), text: textOf(text) }));
  }

  /** Blocks that Kafka has, or that were dropped and named. */
  settled(lane: Lane): Ranges {
    const key = `forward:${lane}`;
    return this.#parsed(key, (text) => new Ranges(JSON.parse(text) as number[])) ?? new Ranges();
  }

  #parsed<T>(key: string, parse: (text: string) => T): T | undefined {
    const text = this.state(key);
    try {
      return text === undefined ? undefined : parse(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.damagedRows.add(`state row ${key}`);
      return undefined;
    }
  }

  meta(key: string): string | undefined {
    const row = this.#first("SELECT value FROM meta WHERE key = ?", key);
    return row === undefined ? undefined : textOf(row.value);
  }

  epochs(): StoredEpoch[] {
    return this.#all("SELECT * FROM epochs ORDER BY counter")
      .filter((row) => this.#isSoundEpoch(row))
      .map(({ counter, text, boot, started, final }) => ({
        counter: Number(counter),
        text: String(text),
        boot: String(boot),
        startedMicros: Number(started),
        ended: Number(final) === 1,
      }));
  }

  /** How many of the highest numbers that are kept per epoch, stream and device fail their checksum. */
  damagedHighest(): number {
    if (this.formatVersion < highestSince) return 0;
    return this.#all("SELECT * FROM highest").filter(
      ({ epoch, stream, device, seq, crc }) => rowChecksum(epoch!, stream!, device!, seq!) !== crc,
    ).length;
  }

  #isSoundEpoch({ counter, text, boot, started, manifest, final, crc }: Row): boolean {
    const cells = [counter!, text!, boot!, started!, manifest!, final!];
    if (this.#isSound(crc, ...cells) && epochOf(String(text)) !== undefined) return true;
    this.damagedRows.add(`epoch ${String(counter)}`);
    return false;
  }

  /** Every block of the lane by its directory, in order of its id. Reads a block itself only where its directory is damaged. */
  *directories(lane: Lane): Generator<StoredBlock> {
    const sql = `SELECT b.id AS id, b.count AS count, b.stored AS stored, length(b.data) AS size,
       d.crc AS dcrc, d.data AS ddata
     FROM blocks_${lane} b LEFT JOIN directories_${lane} d ON d.id = b.id WHERE b.id > ? ORDER BY b.id`;
    for (const row of this.#scan(`blocks_${lane}`, sql)) yield this.#storedBlock(lane, row);
  }

  /** Every block of the lane, with its checksum checked. */
  *blocks(lane: Lane): Generator<CheckedBlock> {
    for (const stored of this.directories(lane)) {
      const blocks = this.blocksWithin(lane, stored.id);
      yield { ...stored, blocks, within: blocks && this.#directoryWithin(lane, stored.id) };
    }
  }

  /** The blocks that a stored one holds; undefined where it is missing or fails its checksum. */
  blocksWithin(lane: Lane, id: number): Block[] | undefined {
    return this.#read(lane, id, unpackStored);
  }

  #directoryWithin(lane: Lane, id: number): StoredDirectory | undefined {
    return this.#read(lane, id, directoryWithin);
  }

  #read<T>(lane: Lane, id: number, unpack: (id: number, data: Uint8Array, crc: number) => T): T | undefined {
    return orUndefined(() => {
      const row = this.#first(`SELECT crc, data FROM blocks_${lane} WHERE id = ?`, id);
      return row === undefined ? undefined : unpack(id, bytesOf(row.data), Number(row.crc));
    });
  }

  /** Records of a block that Kafka does not have and should. */
  static unsentRecords({ lane, id, count, directory }: StoredBlock, settled: Ranges): number {
    if (lane === "history") return 0;
    if (directory === undefined) return settled.has(id) ? 0 : count;
    const { parts } = directory;
    const sent = settled.overlapping(parts.first, parts.last).map(([first, last]) => parts.recordsWithin(first, last));
    return count - sent.reduce((sum, records) => sum + records, 0);
  }

  /** Ids of directories whose block is gone. */
  orphanDirectories(lane: Lane): number[] {
    const sql = `SELECT d.id AS id FROM directories_${lane} d LEFT JOIN blocks_${lane} b ON b.id = d.id
      WHERE d.id > ? AND b.id IS NULL ORDER BY d.id`;
    return [...this.#scan(`directories_${lane}`, sql)].map(({ id }) => Number(id));
  }

  setAsideCount(): number {
    return Number(this.#first("SELECT count(*) AS n FROM set_aside")?.n ?? 0);
  }

  /** Messages of the quarantine, oldest first. */
  *quarantine(): Generator<QuarantineRow> {
    // An older format has fewer columns.
    const columns = this.#all("SELECT name FROM pragma_table_info('quarantine')")
      .map(({ name }) => String(name))
      .filter((name) => name !== "data");
    const sql = `SELECT ${columns.join(", ")} FROM quarantine WHERE id > ? ORDER BY id`;
    for (const row of this.#scan("quarantine", sql)) yield quarantineRow(row);
  }

  quarantinedBytes(id: number): Uint8Array | undefined {
    return orUndefined(() => {
      const row = this.#first("SELECT data FROM quarantine WHERE id = ?", id);
      return row === undefined ? undefined : bytesOf(row.data);
    });
  }

  /** What SQLite itself finds wrong with the file's pages: at most ten sentences. It does not look into blocks. */
  pageFaults(): string[] {
    try {
      const faults = this.#all("PRAGMA quick_check(10)").map((row) => String(Object.values(row)[0]));
      return faults.filter((text) => text !== "ok");
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  /** Nothing is locked while it is read, so what was read counts only if no agent has started meanwhile. Throws DATA_FOLDER_IN_USE. */
  requireUntouched(): void {
    refuseWhileRunning(this.path);
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #storedBlock(lane: Lane, row: Row): StoredBlock {
    const id = Number(row.id);
    const own = row.ddata === null ? undefined : bytesOf(row.ddata);
    const read = own === undefined ? undefined : orUndefined(() => readDirectory(id, own, Number(row.dcrc)));
    return {
      lane,
      id,
      count: Number(row.count),
      storedMicros: Number(row.stored),
      bytes: Number(row.size) + (own?.length ?? 0),
      directory: read ?? this.#directoryWithin(lane, id),
      directoryDamaged: read === undefined,
    };
  }

  /** Row by row in order of `id`; goes on behind pages that are destroyed and notes what it had to leave out. */
  *#scan(table: string, sql: string): Generator<Row> {
    for (let after = 0; ;) {
      try {
        for (const row of this.#db.prepare(sql).iterate(after) as Iterable<Row>) {
          after = Number(row.id);
          yield row;
        }
        return;
      } catch (error) {
        if (!isCorrupt(error)) throw error;
        const before = this.#readableFrom(sql, after);
        this.unreadable.push({ table, after, before });
        if (before === undefined) return;
        after = before - 1;
      }
    }
  }

  /** The first id behind a destroyed stretch: found by growing steps, then by halving. */
  #readableFrom(sql: string, after: number): number | undefined {
    const first = this.#db.prepare(`${sql} LIMIT 1`);
    const readable = (from: number): number | undefined => {
      try {
        const row = first.get(from) as Row | undefined;
        return row === undefined ? Infinity : Number(row.id);
      } catch (error) {
        if (isCorrupt(error)) return undefined;
        throw error;
      }
    };
    let low = after;
    let step = 1;
    while (readable(low + step) === undefined) {
      low += step;
      step *= 2;
      if (!Number.isSafeInteger(low + step)) return undefined;
    }
    let high = low + step;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (readable(middle) === undefined) low = middle;
      else high = middle;
    }
    const id = readable(high)!;
    return id === Infinity ? undefined : id;
  }

  #first(sql: string, ...values: (string | number)[]): Row | undefined {
    let statement = this.#lookUps.get(sql);
    if (statement === undefined) this.#lookUps.set(sql, (statement = this.#db.prepare(sql)));
    return statement.get(...values);
  }

  /** Only for tables that are small by their nature. What cannot be read is noted, and the rest is left out. */
  #all(sql: string): Row[] {
    const rows: Row[] = [];
    try {
      for (const row of this.#db.prepare(sql).iterate()) rows.push(row);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      const table = /FROM (\w+)/.exec(sql)?.[1] ?? sql;
      this.unreadable.push({ table, after: rows.length, before: undefined });
    }
    return rows;
  }
}

function openWith(path: string, query: string): DatabaseSync {
  const url = pathToFileURL(path);
  url.search = `?${query}`;
  const db = new DatabaseSync(url, { readOnly: true });
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  return db;
}

/**
 * An agent holds its journal with an exclusive lock, which shows as "busy" to whoever asks for a shared one. Without
 * an agent the attempt ends with another error (a read-only file cannot be locked exclusively) or works; both are fine.
 */
function refuseWhileRunning(path: string): void {
  const db = openWith(path, locking);
  try {
    db.prepare("SELECT count(*) FROM sqlite_master").get();
  } catch (error) {
    if (sqliteCode(error) !== sqliteCodes.busy) return;
    throw new TidegateError("DATA_FOLDER_IN_USE", `an agent is running and writes ${path}`, {
      cause: error,
      hint: "Stop the agent, or look at the running one: `tidegate buffer --token-file …`, or its console.",
    });
  } finally {
    db.close();
  }
}

function requireFormat(path: string, db: DatabaseSync): number {
  const id = Object.values(db.prepare("PRAGMA application_id").get() ?? {})[0];
  const version = Number(Object.values(db.prepare("PRAGMA user_version").get() ?? {})[0]);
  if (id !== applicationId) {
    throw new TidegateError("JOURNAL_CORRUPT", `${path} is not a journal of Tidegate`, {
      hint: "It is another program's database, or its first page is destroyed.",
    });
  }
  if (version > schemaVersion) {
    throw new TidegateError(
      "JOURNAL_FORMAT_NEWER",
      `${path} has format ${version}, this version reads ${schemaVersion}`,
      { hint: "Use the command of the version that wrote it." },
    );
  }
  return version;
}

function isCorrupt(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === sqliteCodes.corrupt || code === sqliteCodes.notADatabase || isNoNumberOfOurs(error);
}

function asCorrupt(path: string, error: unknown): unknown {
  if (!isCorrupt(error)) return error;
  return new TidegateError("JOURNAL_CORRUPT", `${path} cannot be read: ${String((error as Error).message)}`, {
    cause: error,
    hint: "It is another kind of file, or its first pages are destroyed. An agent that finds it sets it aside, starts a fresh one and keeps this file.",
  });
}

/** A checksum that fails, or a page that cannot be read: both are for the caller to tell. */
function orUndefined<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (isCorrupt(error) || (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT")) return undefined;
    throw error;
  }
}

function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("utf8") : String(value);
}
