import { TidegateError } from "../../src/errors.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import { readDirectory, unpackBlock, type Directory, type Packed } from "./block.ts";
import type { Connection, Row, SqlValue } from "./connection.ts";
import { perLane } from "./per-lane.ts";
import type { PackedBlock } from "./protocol.ts";

/** What stands beside a block's bytes in its row. */
export interface BlockRow {
  readonly id: number;
  readonly epoch: number;
  readonly count: number;
  readonly storedMicros: number;
  readonly monoMs: number;
}

/** The blocks of all lanes with their directories, as rows. */
export class BlockTables {
  readonly #connection: Connection;
  /** The lane's newest block; 0 where it has none. */
  readonly #last: Record<Lane, number>;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#last = perLane((lane) => this.#readLast(lane));
  }

  last(lane: Lane): number {
    return this.#last[lane];
  }

  /** Returns the id of the lane's block before it; 0 for the first. */
  insert(lane: Lane, row: BlockRow, packed: Packed): number {
    this.#connection.run(
      `INSERT INTO blocks_${lane} (id, epoch, count, stored, mono, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.epoch,
      row.count,
      row.storedMicros,
      row.monoMs,
      packed.blockCrc,
      packed.block,
    );
    this.#connection.run(
      `INSERT INTO directories_${lane} (id, crc, data) VALUES (?, ?, ?)`,
      row.id,
      packed.directoryCrc,
      packed.directory,
    );
    const previous = this.#last[lane];
    this.#last[lane] = row.id;
    return previous;
  }

  delete(lane: Lane, id: number): void {
    this.#connection.run(`DELETE FROM blocks_${lane} WHERE id = ?`, id);
    this.#connection.run(`DELETE FROM directories_${lane} WHERE id = ?`, id);
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
    return row === undefined ? undefined : packedOf(lane, row);
  }

  get(lane: Lane, id: number): PackedBlock | undefined {
    const row = this.#connection.get(`SELECT id, crc, data FROM blocks_${lane} WHERE id = ?`, id);
    return row === undefined ? undefined : packedOf(lane, row);
  }

  /** The first commit above `commit` that is still stored, with its blocks of all lanes; undefined where there is none yet. */
  nextCommit(commit: number): { commit: number; blocks: PackedBlock[] } | undefined {
    for (let from = commit + 1; ;) {
      const heads = lanes.map((lane) => ({ lane, id: this.#firstFrom(lane, from) })).filter(({ id }) => id > 0);
      const first = heads.toSorted((a, b) => a.id - b.id)[0];
      if (first === undefined) return undefined;
      const found = this.#commitOf(first.lane, first.id);
      // Later blocks of the commit that the reader has share its number; a damaged directory says nothing.
      if (found === undefined || found <= commit) from = first.id + 1;
      else return { commit: found, blocks: heads.flatMap(({ lane, id }) => this.#blocksOfCommit(lane, id, found)) };
    }
  }

  #firstFrom(lane: Lane, id: number): number {
    return this.#connection.number(`SELECT coalesce(min(id), 0) AS n FROM blocks_${lane} WHERE id >= ?`, id);
  }

  #commitOf(lane: Lane, id: number): number | undefined {
    const row = this.#directoryRow(lane, id);
    return row === undefined ? undefined : sound(() => readRow(row))?.commit;
  }

  #blocksOfCommit(lane: Lane, from: number, commit: number): PackedBlock[] {
    const blocks: PackedBlock[] = [];
    for (let id = from; this.#commitOf(lane, id) === commit; id++) {
      const block = this.get(lane, id);
      if (block !== undefined) blocks.push(block);
    }
    return blocks;
  }

  /** Records and packed bytes of the lane's blocks in [first, last], directories included. */
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

  /** When the first block from `id` on was stored. */
  storedMicros(lane: Lane, id: number): number | undefined {
    const row = this.#connection.get(`SELECT stored FROM blocks_${lane} WHERE id >= ? ORDER BY id LIMIT 1`, id);
    return row === undefined ? undefined : Number(row.stored);
  }

  /** Blocks from `first` on that were stored until `untilMicros`, oldest first. */
  idsUntil(lane: Lane, first: number, untilMicros: number, limit: number): number[] {
    const rows = this.#connection.all(
      `SELECT id FROM blocks_${lane} WHERE id >= ? AND stored <= ? ORDER BY id LIMIT ?`,
      first,
      untilMicros,
      limit,
    );
    return rows.map((row) => Number(row.id));
  }

  /** The separate directory row, or where that is damaged the copy inside the block; undefined where both are gone. */
  directoryOf(lane: Lane, id: number): Directory | undefined {
    const row = this.#directoryRow(lane, id);
    const separate = row === undefined ? undefined : sound(() => readRow(row));
    if (separate !== undefined) return separate;
    const block = this.get(lane, id);
    return block === undefined ? undefined : sound(() => unpackBlock(id, block.data, block.crc));
  }

  /** Directories from `first` on, in order; undefined for one that is damaged. Nothing may be written meanwhile. */
  *directoriesFrom(lane: Lane, first: number): Generator<{ id: number; directory: Directory | undefined }> {
    const rows = this.#connection.each(
      `SELECT id, crc, data FROM directories_${lane} WHERE id >= ? ORDER BY id`,
      first,
    );
    for (const row of rows) yield { id: Number(row.id), directory: sound(() => readRow(row)) };
  }

  /** Encoded directories from `first` on, each with the block before it. */
  encodedFrom(lane: Lane, first: number): { id: number; previous: number; encoded: Uint8Array; crc: number }[] {
    const rows = this.#connection.all(`SELECT id, crc, data FROM directories_${lane} WHERE id >= ? ORDER BY id`, first);
    return rows.map((row) => ({
      id: Number(row.id),
      previous: this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM blocks_${lane} WHERE id < ?`, row.id!),
      encoded: blobOf(row.data),
      crc: Number(row.crc),
    }));
  }

  /** Memory goes back to what the last transaction left on disk. */
  reload(): void {
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

function readRow(row: Row): Directory {
  return readDirectory(Number(row.id), blobOf(row.data), Number(row.crc));
}

/** A damaged page can turn a BLOB into something else, which then fails its checksum. */
function blobOf(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

/** Undefined for what fails its checksum. */
function sound<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return undefined;
    throw error;
  }
}
