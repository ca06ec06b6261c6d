import { closeSync, existsSync, openSync, readSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { rowsOf } from "./database-file.ts";
import type { Head } from "./head.ts";
import { rowChecksum } from "./row-checksum.ts";

/*
 * SQLite reads its write-ahead log up to the first frame whose checksum is wrong and forgets the rest, which is right
 * after a power cut: what was not synced was not acknowledged. A wrong bit in the middle of the log looks the same, and
 * behind it stand commits that were. The difference: we sync every commit before the next begins, so what a power cut
 * tears is one commit at most. (sqlite.org/fileformat2.html, section 4)
 */
const headerBytes = 32;
const frameHeaderBytes = 24;
const pageBytes = 4_096;
const frameBytes = frameHeaderBytes + pageBytes;
/** What a disk writes wholly or not at all. */
const sectorBytes = 512;
/** Of a frame's header: page, size of the database, salts. */
const saltsEnd = 16;
/** The last bit of the magic number says in which order the checksum takes its words. */
const magic = 0x377f0682;

/** True where whole commits stand in the log behind the point up to which SQLite will read it. */
export function losesCommits(databasePath: string): boolean {
  let behind = 0;
  for (const { isRead, isCommit } of framesBeside(databasePath)) if (!isRead && isCommit) behind++;
  return behind > 1;
}

/** True where SQLite would find at least one commit in the log. */
export function hasCommits(databasePath: string): boolean {
  for (const { isRead, isCommit } of framesBeside(databasePath)) {
    if (!isRead) return false;
    if (isCommit) return true;
  }
  return false;
}

interface Frame {
  readonly page: number;
  /** Valid until the next frame is asked for. */
  readonly bytes: Buffer;
  /** The last of a commit. */
  readonly isCommit: boolean;
  /** SQLite reads it, as it reads all before it. */
  readonly isRead: boolean;
}

/** The frames of the log's current round, in order; none where there is no log. */
function* framesBeside(databasePath: string): Generator<Frame> {
  if (!existsSync(`${databasePath}-wal`)) return;
  const file = openSync(`${databasePath}-wal`, "r");
  try {
    yield* framesOf(file);
  } finally {
    closeSync(file);
  }
}

function* framesOf(file: number): Generator<Frame> {
  const header = Buffer.alloc(headerBytes);
  const bytesRead = readSync(file, header, 0, headerBytes, 0);
  if (bytesRead < headerBytes || (header.readUInt32BE(0) & ~1) >>> 0 !== magic) return;
  const checksum = new Checksum((header[3]! & 1) === 1);
  checksum.add(header, 0, 24);
  let isRead = checksum.matches(header, 24);
  const frame = Buffer.alloc(frameBytes);
  for (let at = headerBytes; readSync(file, frame, 0, frameBytes, at) === frameBytes; at += frameBytes) {
    // Frames of an earlier round have other salts.
    const isCurrent = frame.compare(header, 16, 24, 8, 16) === 0;
    if (isRead) {
      checksum.add(frame, 0, 8);
      checksum.add(frame, frameHeaderBytes, frameBytes);
      isRead = isCurrent && checksum.matches(frame, 16);
    }
    // The last frame of a commit says how large the database is after it. Where a power cut may have taken one half of
    // the header and left the other, of an earlier round, nothing is said.
    const isWhole = isRead || (at % sectorBytes) + saltsEnd <= sectorBytes;
    const isCommit = isWhole && frame.readUInt32BE(4) > 0;
    if (isCurrent) yield { page: frame.readUInt32BE(0), bytes: frame.subarray(frameHeaderBytes), isCommit, isRead };
  }
}

class Checksum {
  readonly #isBigEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(isBigEndian: boolean) {
    this.#isBigEndian = isBigEndian;
  }

  add(bytes: Buffer, from: number, to: number): void {
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const littleEndian = !this.#isBigEndian;
    let [first, second] = [this.#first, this.#second];
    for (let at = from; at < to; at += 8) {
      first = (first + words.getUint32(at, littleEndian) + second) >>> 0;
      second = (second + words.getUint32(at + 4, littleEndian) + first) >>> 0;
    }
    this.#first = first;
    this.#second = second;
  }

  matches(bytes: Buffer, at: number): boolean {
    return bytes.readUInt32BE(at) === this.#first && bytes.readUInt32BE(at + 4) === this.#second;
  }
}

/**
 * True where the log beside a database is of another journal, or of an earlier time of this one (files that were
 * copied or restored one by one). SQLite would lay its pages over the database all the same.
 */
export function isForeignLog(databasePath: string): boolean {
  if (!existsSync(databasePath) || !existsSync(`${databasePath}-wal`)) return false;
  const logged = headInLog(databasePath);
  const stored = logged === undefined ? undefined : headWithoutLog(databasePath);
  if (logged === undefined || stored === undefined) return false;
  return logged.journal !== stored.journal || logged.nextBlock < stored.nextBlock;
}

/** The newest that SQLite will read. It is written with every commit, so a log that has one commit has it. */
function headInLog(databasePath: string): Head | undefined {
  let head: Head | undefined;
  for (const { page, bytes, isRead } of framesBeside(databasePath)) {
    if (!isRead) return head;
    for (const { cells } of rowsOf(bytes, page).rows) head = headOf(cells[0], cells[1], cells[2]) ?? head;
  }
  return head;
}

/** Undefined where the database cannot be read without its log. */
function headWithoutLog(databasePath: string): Head | undefined {
  const url = pathToFileURL(databasePath);
  url.searchParams.set("immutable", "1");
  try {
    using db = new DatabaseSync(url, { readOnly: true });
    const { key, value, crc } = db.prepare("SELECT key, value, crc FROM state WHERE key = 'head'").get() ?? {};
    return headOf(key, value, crc);
  } catch (error) {
    if (!(error instanceof Error && "errcode" in error)) throw error;
    return undefined;
  }
}

function headOf(key: unknown, value: unknown, crc: unknown): Head | undefined {
  if (key !== "head" || typeof value !== "string" || rowChecksum(key, value) !== crc) return undefined;
  return JSON.parse(value) as Head;
}
