import assert from "node:assert/strict";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { TidegateError } from "../../src/errors.ts";
import { crc32c } from "../../src/wire/crc32c.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import { corrupt, decodeDirectory, fast, formatVersion, readEntries, writeEntries, type Entry } from "./block.ts";
import { Reader, Writer } from "./bytes.ts";

/*
 * The row beside a block, with a checksum of its own:
 *
 *   plain    as in block.ts, u8 1 | …
 *   merged   u8 3 | u8 lane | text epoch | varint n | part* | entries
 *            part    := varint (id - id of the part before) | varint (id - commit) | varint records
 *            entries as in block.ts; an entry is a run of numbers without a hole, so a device may have several
 *   packed   u8 2 | zstd(one of the others), where that is shorter
 */
const packedVersion = 2;
export const mergedVersion = 3;
const packAboveBytes = 1_024;

/** What a row says of its block, whether it holds one commit's records or those of many. */
export interface StoredDirectory {
  readonly lane: Lane;
  readonly epoch: string;
  readonly entries: readonly Entry[];
  readonly parts: Parts;
}

/** The blocks that a stored block holds under their own ids. A plain one holds itself. */
export class Parts {
  readonly ids: readonly number[];
  readonly commits: readonly number[];
  readonly counts: readonly number[];
  /** Records of all parts before this one; one more than there are parts. */
  readonly #before: number[] = [0];

  constructor(ids: readonly number[], commits: readonly number[], counts: readonly number[]) {
    this.ids = ids;
    this.commits = commits;
    this.counts = counts;
    for (const count of counts) this.#before.push(this.#before.at(-1)! + count);
  }

  get first(): number {
    return this.ids[0]!;
  }

  get last(): number {
    return this.ids.at(-1)!;
  }

  get records(): number {
    return this.#before.at(-1)!;
  }

  /** Records of parts whose id is in [first, last]. */
  recordsWithin(first: number, last: number): number {
    return this.#before[this.#from(last + 1)]! - this.#before[this.#from(first)]!;
  }

  /** Index of the first part whose id is at least `id`. */
  #from(id: number): number {
    let low = 0;
    let high = this.ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function encodeMerged({ lane, epoch, entries, parts }: StoredDirectory): Uint8Array {
  const writer = new Writer(256 + entries.length * 32 + parts.ids.length * 4);
  writer.byte(mergedVersion);
  writer.byte(lanes.indexOf(lane));
  writer.text(epoch);
  writer.varint(parts.ids.length);
  parts.ids.forEach((id, i) => {
    writer.varint(id - (i === 0 ? 0 : parts.ids[i - 1]!));
    writer.varint(id - parts.commits[i]!);
    writer.varint(parts.counts[i]!);
  });
  writeEntries(writer, entries);
  return writer.done();
}

export function decodeMerged(encoded: Buffer): StoredDirectory {
  const reader = new Reader(encoded);
  assert.equal(reader.byte(), mergedVersion);
  const lane = lanes[reader.byte()];
  assert(lane !== undefined, "a known lane");
  const epoch = reader.text();
  const [ids, commits, counts]: [number[], number[], number[]] = [[], [], []];
  const count = reader.varint();
  for (let i = 0; i < count; i++) {
    const id = reader.varint() + (ids.at(-1) ?? 0);
    ids.push(id);
    commits.push(id - reader.varint());
    counts.push(reader.varint());
  }
  return { lane, epoch, parts: new Parts(ids, commits, counts), entries: readEntries(reader) };
}

/** The form that an encoded directory, plain or merged, has in its row. */
export function packDirectory(encoded: Uint8Array): Uint8Array {
  if (encoded.length < packAboveBytes) return encoded;
  const packed = zstdCompressSync(encoded, fast);
  return packed.length + 1 < encoded.length ? Buffer.concat([Buffer.of(packedVersion), packed]) : encoded;
}

/** The encoded directory, plain or merged, of a row. Throws JOURNAL_CORRUPT. */
export function unpackDirectory(id: number, row: Uint8Array, expectedCrc: number): Buffer {
  if (crc32c(row) !== expectedCrc) throw corrupt(`the directory of block ${id} failed its checksum`);
  if (row.length === 0) throw corrupt(`the directory of block ${id} is empty`);
  const bytes = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
  return bytes[0] === packedVersion ? zstdDecompressSync(bytes.subarray(1)) : bytes;
}

/** Throws JOURNAL_CORRUPT. */
export function readDirectory(id: number, row: Uint8Array, expectedCrc: number): StoredDirectory {
  const encoded = unpackDirectory(id, row, expectedCrc);
  switch (encoded[0]) {
    case mergedVersion:
      return decodeMerged(encoded);
    case formatVersion: {
      const { lane, epoch, commit, entries } = decodeDirectory(encoded);
      const count = entries.reduce((sum, entry) => sum + entry.count, 0);
      return { lane, epoch, entries, parts: new Parts([id], [commit], [count]) };
    }
    default:
      throw new TidegateError("JOURNAL_FORMAT_NEWER", `the directory of block ${id} has format ${encoded[0]}`);
  }
}
