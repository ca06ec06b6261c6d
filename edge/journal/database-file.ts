import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";

/*
 * A SQLite database read page by page without SQLite, for what is left of one that it refuses. The file format is
 * fixed (sqlite.org/fileformat2.html); the page size is what our databases are made with, since the header that says
 * so may be the part that is gone. Nothing that is read here is believed without a checksum of our own.
 */
const pageBytes = 4_096;
const tableLeaf = 0x0d;
const indexLeaf = 0x0a;
/** Of a cell, what stands on its own page at most and at least (section 1.6, U = 4,096). */
const tableLocalMax = pageBytes - 35;
const indexLocalMax = Math.floor(((pageBytes - 12) * 64) / 255) - 23;
const localMin = Math.floor(((pageBytes - 12) * 32) / 255) - 23;
/** No row of ours is larger: a group has 4 MiB per lane, a quarantined message 1 MiB. */
const payloadMax = 16 * 1_048_576;
const walHeaderBytes = 32;
const frameHeaderBytes = 24;

export type Cell = number | string | Uint8Array | null;

export interface FoundRow {
  /** Of a table with a rowid, where its rows are; undefined for tables without. */
  readonly id: number | undefined;
  readonly cells: readonly Cell[];
  /** From an older version of its page than the newest. */
  readonly isOld: boolean;
}

export interface FoundPage {
  readonly rows: readonly FoundRow[];
  /** Cells of the newest version that could not be followed. */
  readonly unreadable: number;
}

/** Gives a page of the chain in which the end of a long row stands. */
type MorePages = (page: number) => Buffer | undefined;

export class DatabaseFile {
  readonly pages: number;
  readonly #file: number;
  readonly #log: number | undefined;
  /** Where the versions of a page stand in the write-ahead log, newest last. */
  readonly #logged: ReadonlyMap<number, readonly number[]>;

  constructor(path: string) {
    this.#file = openSync(path, "r");
    this.#log = existsSync(`${path}-wal`) ? openSync(`${path}-wal`, "r") : undefined;
    this.#logged = this.#log === undefined ? new Map<number, number[]>() : placesOf(this.#log);
    let pages = Math.ceil(fstatSync(this.#file).size / pageBytes);
    for (const page of this.#logged.keys()) pages = Math.max(pages, page);
    this.pages = pages;
  }

  /**
   * The rows of a leaf page; none for every other kind of page. Pages count from 1. Where the log has versions of the
   * page, all of them are read: the newest may be the one that is wrong.
   */
  read(number: number): FoundPage {
    const logged = this.#logged.get(number) ?? [];
    const versions = logged.toReversed().map((at) => readPage(this.#log!, at));
    versions.push(this.#stored(number));
    const [newest, ...older] = versions.map((page, at) => {
      const isStored = at === versions.length - 1;
      return rowsOf(page, number, (next) => this.#more(next, isStored), at > 0);
    });
    return { rows: [newest!, ...older].flatMap(({ rows }) => rows), unreadable: newest!.unreadable };
  }

  close(): void {
    closeSync(this.#file);
    if (this.#log !== undefined) closeSync(this.#log);
  }

  #stored(number: number): Buffer {
    return readPage(this.#file, (number - 1) * pageBytes);
  }

  #more(number: number, isStored: boolean): Buffer | undefined {
    if (number === 0 || number > this.pages) return undefined;
    const logged = isStored ? undefined : this.#logged.get(number)?.at(-1);
    return logged === undefined ? this.#stored(number) : readPage(this.#log!, logged);
  }
}

function readPage(file: number, at: number): Buffer {
  const page = Buffer.alloc(pageBytes);
  readSync(file, page, 0, pageBytes, at);
  return page;
}

/** The rows of a leaf page that stand on it as a whole, or that `more` completes. */
export function rowsOf(
  page: Buffer,
  number: number,
  more: MorePages = () => undefined,
  isOld = false,
): { rows: FoundRow[]; unreadable: number } {
  // The first page begins with the header of the file.
  const at = number === 1 ? 100 : 0;
  const kind = page[at];
  const rows: FoundRow[] = [];
  let unreadable = 0;
  if (kind !== tableLeaf && kind !== indexLeaf) return { rows, unreadable };
  const count = Math.min(page.readUInt16BE(at + 3), (pageBytes - at - 8) / 2);
  for (let i = 0; i < count; i++) {
    const row = rowAt(page, page.readUInt16BE(at + 8 + i * 2), kind === tableLeaf, more);
    if (row === undefined) unreadable++;
    else rows.push({ ...row, isOld });
  }
  return { rows, unreadable };
}

function rowAt(page: Buffer, from: number, isTable: boolean, more: MorePages): Omit<FoundRow, "isOld"> | undefined {
  const cursor = new Varints(page, from);
  const size = cursor.next();
  const id = isTable ? cursor.next() : undefined;
  if (size > payloadMax || cursor.at > pageBytes) return undefined;
  const payload = payloadAt(page, cursor.at, size, isTable ? tableLocalMax : indexLocalMax, more);
  const cells = payload === undefined ? undefined : cellsOf(payload);
  return cells === undefined ? undefined : { id, cells };
}

/** The bytes of a row, of which what does not fit its page stands in a chain of others. */
function payloadAt(page: Buffer, at: number, size: number, localMax: number, more: MorePages): Buffer | undefined {
  if (size <= localMax) return at + size <= pageBytes ? page.subarray(at, at + size) : undefined;
  const fitting = localMin + ((size - localMin) % (pageBytes - 4));
  const local = fitting <= localMax ? fitting : localMin;
  if (at + local + 4 > pageBytes) return undefined;
  const payload = Buffer.alloc(size);
  let filled = page.copy(payload, 0, at, at + local);
  for (let next = page.readUInt32BE(at + local); filled < size;) {
    const chained = more(next);
    if (chained === undefined) return undefined;
    filled += chained.copy(payload, filled, 4, Math.min(pageBytes, 4 + size - filled));
    next = chained.readUInt32BE(0);
  }
  return payload;
}

/**
 * Where the versions of each page are in a write-ahead log. Frames of its current round, as its header says; of a log
 * without a sound header all of them. Checksums are not asked: rows have their own.
 */
function placesOf(log: number): Map<number, number[]> {
  const places = new Map<number, number[]>();
  const { size } = fstatSync(log);
  const header = Buffer.alloc(walHeaderBytes);
  readSync(log, header, 0, walHeaderBytes, 0);
  const isSound = (header.readUInt32BE(0) & ~1) >>> 0 === 0x377f0682;
  const frame = Buffer.alloc(frameHeaderBytes);
  for (let at = walHeaderBytes; at + frameHeaderBytes + pageBytes <= size; at += frameHeaderBytes + pageBytes) {
    readSync(log, frame, 0, frameHeaderBytes, at);
    const isCurrent = frame.compare(header, 16, 24, 8, 16) === 0;
    const page = frame.readUInt32BE(0);
    if (page === 0 || (isSound && !isCurrent)) continue;
    const versions = places.get(page);
    if (versions === undefined) places.set(page, [at + frameHeaderBytes]);
    else versions.push(at + frameHeaderBytes);
  }
  return places;
}

/** Big-endian base 128, up to 9 bytes. */
class Varints {
  readonly #bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  /** Infinity beyond the bytes, and for what no length or id of ours can be. */
  next(): number {
    let value = 0;
    for (let i = 0; i < 8; i++) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) return Infinity;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return Infinity;
  }
}

/** A row's cells (section 2.1); undefined where the bytes are none. */
function cellsOf(payload: Buffer): Cell[] | undefined {
  const types = new Varints(payload, 0);
  const headerBytes = types.next();
  if (headerBytes > payload.length) return undefined;
  const cells: Cell[] = [];
  let at = headerBytes;
  while (types.at < headerBytes) {
    const type = types.next();
    const size = sizeOf(type);
    if (size === undefined || at + size > payload.length) return undefined;
    cells.push(cellOf(type, payload.subarray(at, at + size)));
    at += size;
  }
  return cells;
}

const integerBytes = [0, 1, 2, 3, 4, 6, 8] as const;

function sizeOf(type: number): number | undefined {
  if (type >= 12) return Number.isFinite(type) ? Math.floor((type - 12) / 2) : undefined;
  if (type === 8 || type === 9) return 0;
  return integerBytes[type];
}

function cellOf(type: number, bytes: Buffer): Cell {
  if (type === 0) return null;
  if (type >= 12) return type % 2 === 0 ? bytes : bytes.toString("utf8");
  if (type === 8 || type === 9) return type - 8;
  return type === 6 ? Number(bytes.readBigInt64BE()) : bytes.readIntBE(0, bytes.length);
}
