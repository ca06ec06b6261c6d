import { TidegateError } from "../../src/errors.ts";
import { crc32c } from "../../src/wire/crc32c.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { Block, Packed } from "./block.ts";
import type { Connection, Row, SqlValue } from "./connection.ts";
import { damaged } from "./database.ts";
import { directoryWithin, unpackStored } from "./merged-block.ts";
import { perLane } from "./per-lane.ts";
import type { PackedBlock } from "./protocol.ts";
import { packDirectory, Parts, readDirectory, unpackDirectory, type StoredDirectory } from "./stored-directory.ts";

/** What stands beside a block's bytes in its row. */
export interface BlockRow {
  readonly id: number;
  /** Counter of the epoch. */
  readonly epoch: number;
  readonly count: number;
  readonly storedMicros: number;
  readonly monoMs: number;
}

export interface SizedRow extends BlockRow {
  /** Packed, without the directory. */
  readonly blockBytes: number;
}

export interface StoredSize {
  readonly id: number;
  /** Packed, without the directory. */
  readonly bytes: number;
}

/** What a merged block replaces. */
export interface Merged {
  /** Id of its first part. */
  readonly first: number;
  /** When that was stored. */
  readonly sinceMicros: number;
}

/** A row with everything that counting needs. */
export interface Extent {
  readonly id: number;
  readonly records: number;
  /** Packed, directory included. */
  readonly bytes: number;
  readonly parts: Parts;
}

/** The blocks of all lanes with their directories, as rows. A merged block has the id of its last part. */
export class BlockTables {
  readonly #connection: Connection;
  /** The lane's newest block; 0 where it has none. */
  readonly #last: Record<Lane, number>;
  /** The merged block whose parts were asked for last: a forwarder settles one after the other. */
  #known: { readonly lane: Lane; readonly id: number; readonly parts: Parts } | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#last = perLane((lane) => this.#readLast(lane));
  }

  last(lane: Lane): number {
    return this.#last[lane];
  }

  /** Adds the lane's newest block. Returns its packed size, and the id of the block before it; 0 for the first. */
  append(lane: Lane, row: BlockRow, packed: Packed): { previous: number; bytes: number } {
    const bytes = this.#insert(lane, row, packed);
    const previous = this.#last[lane];
    this.#last[lane] = row.id;
    return { previous, bytes };
  }

  #insert(lane: Lane, row: BlockRow, { block, directory }: Packed): number {
    this.#connection.run(
      `INSERT INTO blocks_${lane} (id, epoch, count, stored, mono, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.epoch,
      row.count,
      row.storedMicros,
      row.monoMs,
      crc32c(block),
      block,
    );
    const packedDirectory = packDirectory(directory);
    this.#connection.run(
      `INSERT INTO directories_${lane} (id, crc, data) VALUES (?, ?, ?)`,
      row.id,
      crc32c(packedDirectory),
      packedDirectory,
    );
    return block.length + packedDirectory.length;
  }

  delete(lane: Lane, id: number): void {
    for (const table of ["blocks", "directories", "merged"]) {
      this.#connection.run(`DELETE FROM ${table}_${lane} WHERE id = ?`, id);
    }
  }

  /** Puts one block in the place of its parts, which end with `row.id`. Returns its packed size. */
  replace(lane: Lane, row: BlockRow, { first, sinceMicros }: Merged, packed: Packed): number {
    for (const table of ["blocks", "directories"]) {
      this.#connection.run(`DELETE FROM ${table}_${lane} WHERE id BETWEEN ? AND ?`, first, row.id);
    }
    const bytes = this.#insert(lane, row, packed);
    this.#connection.run(`INSERT INTO merged_${lane} (id, first, since) VALUES (?, ?, ?)`, row.id, first, sinceMicros);
    return bytes;
  }

  /** Keeps the bytes of a damaged block for a person to look at. */
  setAside({ id, lane, crc, data }: PackedBlock): void {
    this.#connection.run(
      "INSERT OR REPLACE INTO set_aside (id, lane, crc, data) VALUES (?, ?, ?, ?)",
      id,
      lane,
      crc,
      data,
    );
  }

  /** The first block of the lane above `after`, as it lies on disk. */
  next(lane: Lane, after: number): PackedBlock | undefined {
    const row = this.#connection.get(
      `SELECT id, crc, data FROM blocks_${lane} WHERE id > ? ORDER BY id LIMIT 1`,
      after,
    );
    // One wrong bit in a page can hide rows or change an id, and a reader would go past records that nobody misses.
    const directory = this.#connection.get(
      `SELECT id FROM directories_${lane} WHERE id > ? ORDER BY id LIMIT 1`,
      after,
    );
    if (row?.id !== directory?.id) throw damaged(`a block or directory of ${lane} is missing after ${after}`);
    return row === undefined ? undefined : packedOf(lane, row);
  }

  get(lane: Lane, id: number): PackedBlock | undefined {
    const row = this.#connection.get(`SELECT id, crc, data FROM blocks_${lane} WHERE id = ?`, id);
    return row === undefined ? undefined : packedOf(lane, row);
  }

  /** Rows above `after`, without their bytes. */
  rowsAfter(lane: Lane, after: number, limit: number): SizedRow[] {
    const rows = this.#connection.all(
      `SELECT id, epoch, count, stored, mono, length(data) AS size FROM blocks_${lane} WHERE id > ? ORDER BY id LIMIT ?`,
      after,
      limit,
    );
    return rows.map((row) => ({
      id: Number(row.id),
      epoch: Number(row.epoch),
      count: Number(row.count),
      storedMicros: Number(row.stored),
      monoMs: Number(row.mono),
      blockBytes: Number(row.size),
    }));
  }

  /** The lane's newest merged block; 0 where there is none. */
  lastMerged(lane: Lane): number {
    return this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM merged_${lane}`);
  }

  countWithin(lane: Lane, first: number, last: number): number {
    return this.#connection.number(`SELECT count(*) AS n FROM blocks_${lane} WHERE id BETWEEN ? AND ?`, first, last);
  }

  /** Records and packed bytes of the blocks with ids in [first, last]; a merged block counts by its own id. */
  sizeOf(lane: Lane, first: number, last: number): { records: number; bytes: number } {
    const row = this.#connection.get(
      `SELECT coalesce(sum(count), 0) AS records, coalesce(sum(length(data)), 0) AS bytes FROM blocks_${lane} WHERE id BETWEEN ? AND ?`,
      first,
      last,
    )!;
    const directories = this.#connection.number(
      `SELECT coalesce(sum(length(data)), 0) AS n FROM directories_${lane} WHERE id BETWEEN ? AND ?`,
      first,
      last,
    );
    return { records: Number(row.records), bytes: Number(row.bytes) + directories };
  }

  /** Merged blocks with a part in [first, last]. */
  mergedOverlapping(lane: Lane, first: number, last: number): Extent[] {
    const rows = this.#connection.all(
      `SELECT id FROM merged_${lane} WHERE id >= ? AND id <= coalesce((SELECT min(id) FROM merged_${lane} WHERE id >= ?), ?) AND first <= ? ORDER BY id`,
      first,
      last,
      Number.MAX_SAFE_INTEGER,
      last,
    );
    // In a damaged database a row may be left of a block that is gone: it has no extent, and nothing to send.
    return rows.map((row) => this.extent(lane, Number(row.id))).filter((extent) => extent !== undefined);
  }

  extent(lane: Lane, id: number): Extent | undefined {
    const { records, bytes } = this.sizeOf(lane, id, id);
    if (records === 0) return undefined;
    const merged = this.#connection.get(`SELECT first FROM merged_${lane} WHERE id = ?`, id);
    const parts = merged === undefined ? new Parts([id], [id], [records]) : this.#partsOf(lane, id, records);
    return { id, records, bytes, parts };
  }

  #partsOf(lane: Lane, id: number, records: number): Parts {
    if (this.#known?.lane === lane && this.#known.id === id) return this.#known.parts;
    // Where both copies of the directory are damaged, the block counts as one.
    const parts = this.directoryOf(lane, id)?.parts ?? new Parts([id], [id], [records]);
    this.#known = { lane, id, parts };
    return parts;
  }

  /** When the first record of the first block from `id` on was stored. */
  storedMicros(lane: Lane, id: number): number | undefined {
    const row = this.#connection.get(
      `SELECT coalesce((SELECT since FROM merged_${lane} WHERE id = b.id), stored) AS n FROM blocks_${lane} b WHERE id >= ? ORDER BY id LIMIT 1`,
      id,
    );
    return row === undefined ? undefined : Number(row.n);
  }

  /** The first block from `id` on, and when its last record was stored. */
  firstFrom(lane: Lane, id: number): { readonly id: number; readonly storedMicros: number } | undefined {
    const row = this.#connection.get(`SELECT id, stored FROM blocks_${lane} WHERE id >= ? ORDER BY id LIMIT 1`, id);
    return row === undefined ? undefined : { id: Number(row.id), storedMicros: Number(row.stored) };
  }

  /** Of the oldest blocks from `first` on, at most `limit`, those that were stored until `untilMicros`. */
  storedUntil(lane: Lane, first: number, untilMicros: number, limit: number): StoredSize[] {
    return this.storedBetween(lane, first, Number.MAX_SAFE_INTEGER, untilMicros, limit);
  }

  /** The same of blocks with ids in [first, last]. Looks at `limit` rows, since times ascend as ids do. */
  storedBetween(lane: Lane, first: number, last: number, untilMicros: number, limit: number): StoredSize[] {
    const rows = this.#connection.all(
      `SELECT id, stored, length(data) AS size FROM blocks_${lane} WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?`,
      first,
      last,
      limit,
    );
    return rows
      .filter(({ stored }) => Number(stored) <= untilMicros)
      .map(({ id, size }) => ({ id: Number(id), bytes: Number(size) }));
  }

  /** The separate directory row, or where that is damaged the copy inside the block; undefined where both are gone. */
  directoryOf(lane: Lane, id: number): StoredDirectory | undefined {
    const row = this.#directoryRow(lane, id);
    const separate = row === undefined ? undefined : sound(() => readRow(row));
    if (separate !== undefined) return separate;
    const block = this.get(lane, id);
    return block === undefined ? undefined : sound(() => directoryWithin(id, block.data, block.crc));
  }

  /** The blocks that a stored one holds; undefined where it is damaged. */
  partsWithin(lane: Lane, id: number): Block[] | undefined {
    const block = this.get(lane, id);
    return block === undefined ? undefined : sound(() => unpackStored(id, block.data, block.crc));
  }

  /** Directories from `first` on, in order; undefined for one that is damaged. Nothing may be written meanwhile. */
  *directoriesFrom(lane: Lane, first: number): Generator<StoredDirectory | undefined> {
    const rows = this.#connection.each(
      `SELECT id, crc, data FROM directories_${lane} WHERE id >= ? ORDER BY id`,
      first,
    );
    for (const row of rows) yield sound(() => readRow(row));
  }

  /** The next directories above `after`, at most so many; that of a block is undefined where both copies are damaged. */
  directoriesAfter(lane: Lane, after: number, limit: number): { id: number; directory: StoredDirectory | undefined }[] {
    const rows = this.#connection.all(
      `SELECT id, crc, data FROM directories_${lane} WHERE id > ? ORDER BY id LIMIT ?`,
      after,
      limit,
    );
    return this.#directoriesOf(lane, rows);
  }

  /** The same downwards, the highest id below `before` first. */
  directoriesBefore(
    lane: Lane,
    before: number,
    limit: number,
  ): { id: number; directory: StoredDirectory | undefined }[] {
    const rows = this.#connection.all(
      `SELECT id, crc, data FROM directories_${lane} WHERE id < ? ORDER BY id DESC LIMIT ?`,
      before,
      limit,
    );
    return this.#directoriesOf(lane, rows);
  }

  #directoriesOf(lane: Lane, rows: readonly Row[]): { id: number; directory: StoredDirectory | undefined }[] {
    return rows.map((row) => {
      const id = Number(row.id);
      return { id, directory: sound(() => readRow(row)) ?? this.directoryOf(lane, id) };
    });
  }

  /** Encoded directories from `first` on, each with the block before it. Throws JOURNAL_CORRUPT. */
  encodedFrom(lane: Lane, first: number): { id: number; previous: number; encoded: Buffer }[] {
    const rows = this.#connection.all(`SELECT id, crc, data FROM directories_${lane} WHERE id >= ? ORDER BY id`, first);
    return rows.map((row) => ({
      id: Number(row.id),
      previous: this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM blocks_${lane} WHERE id < ?`, row.id!),
      encoded: unpackDirectory(Number(row.id), blobOf(row.data), Number(row.crc)),
    }));
  }

  /** Memory goes back to what the last transaction left on disk. */
  reload(): void {
    this.#known = undefined;
    for (const lane of lanes) this.#last[lane] = this.#readLast(lane);
  }

  #readLast(lane: Lane): number {
    return this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM blocks_${lane}`);
  }

  #directoryRow(lane: Lane, id: number): Row | undefined {
    return this.#connection.get(`SELECT id, crc, data FROM directories_${lane} WHERE id = ?`, id);
  }
}

function packedOf(lane: Lane, row: Row): PackedBlock {
  return { id: Number(row.id), lane, crc: Number(row.crc), data: blobOf(row.data) };
}

function readRow(row: Row): StoredDirectory {
  return readDirectory(Number(row.id), blobOf(row.data), Number(row.crc));
}

/** A damaged page can turn a BLOB into something else, which then fails its checksum. */
function blobOf(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

/** Undefined for what fails its checksum, or has a form that only damage explains. */
export function sound<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return undefined;
    throw error;
  }
}
