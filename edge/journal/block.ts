import assert from "node:assert/strict";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { crc32c } from "../../src/wire/crc32c.ts";
import { lanes, streamOfCode, streams, type Lane, type Stream } from "../../src/wire/streams.ts";
import { TidegateError } from "../../src/errors.ts";
import { Reader, Writer } from "./bytes.ts";

/*
 * A block is the records of one lane of one commit. It exists in three forms:
 *
 *   records    record*                                          in a slab while it is built, and after unpacking
 *              record := u16 entry | u16 skip | u16 timeAt | u16 0 | u32 length | value      (little endian)
 *                entry   index into the directory: which stream and device
 *                skip    records of other lanes that arrived in the same commit since the record before:
 *                        with it a reader restores the order of arrival over all lanes
 *                timeAt  where in the value its 27-character wire time starts; 0xffff = none
 *   directory  u8 version | u8 lane | text epoch | varint commit | f64 base | varint n | entry*
 *              entry := u8 stream | varint partition | text device | varint firstSeq | varint count
 *                     | varint (minTime - base) | varint (maxTime - minTime)               (times in microseconds)
 *              Numbers of a device are dense within a block, so a record's number is firstSeq + its rank in the entry.
 *   packed     u8 version | u8 codec | u32 recordBytes | codec(records ++ directory)          the BLOB in the journal
 *
 * The directory stands in the packed form and once more in a row of its own, both with a CRC-32C: a block that
 * can no longer be read can still be named record by record in the ledger.
 */
export const formatVersion = 1;
export const recordHeaderBytes = 12;
export const noTime = 0xffff;
/** Limits that follow from the record header. */
export const entriesMax = 0xffff;
export const recordsMax = 0xffff;

export const codecs = { none: 0, zstd: 1 } as const;
/** Level 1 is nearly free, and for these blocks the higher ones up to 5 gain nothing. */
export const fast = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Smaller blocks gain too little to pay for a compression call. */
const compressAboveBytes = 512;
const packedHeaderBytes = 6;
/** The directory behind the records is rarely longer; where it is, zstd's output comes in two pieces. */
const directoryBytes = 16_384;
const pieceBytesMax = 4_194_304;

/** All records of one stream and device in a block. */
export interface Entry {
  readonly stream: Stream;
  readonly device: string;
  readonly partition: number;
  /** First sequence number; 0 in streams that are not numbered. */
  firstSeq: number;
  count: number;
  minTimeMicros: number;
  maxTimeMicros: number;
}

export interface Directory {
  readonly lane: Lane;
  readonly epoch: string;
  /** Number of the commit: blocks of several lanes share it. */
  readonly commit: number;
  readonly entries: readonly Entry[];
}

export interface Packed {
  readonly block: Uint8Array;
  readonly directory: Uint8Array;
}

/** A block as readers see it. */
export interface Block extends Directory {
  readonly id: number;
  readonly records: Buffer;
}

export function packBlock(records: Uint8Array, directory: Directory): Packed {
  const encoded = encodeDirectory(directory);
  const whole = Buffer.allocUnsafe(records.length + encoded.length);
  whole.set(records, 0);
  whole.set(encoded, records.length);
  const compressed = whole.length < compressAboveBytes ? undefined : zstdCompressSync(whole, fast);
  const useCompressed = compressed !== undefined && compressed.length < whole.length;
  const payload = useCompressed ? compressed : whole;
  const block = Buffer.allocUnsafe(packedHeaderBytes + payload.length);
  block[0] = formatVersion;
  block[1] = useCompressed ? codecs.zstd : codecs.none;
  block.writeUInt32LE(records.length, 2);
  block.set(payload, packedHeaderBytes);
  return { block, directory: encoded };
}

/** Unpacks and verifies. Throws JOURNAL_CORRUPT: the caller sets the block aside and ledgers it from its directory. */
export function unpackBlock(id: number, packed: Uint8Array, expectedCrc: number): Block {
  if (crc32c(packed) !== expectedCrc) throw corrupt(`block ${id} failed its checksum`);
  // The checksum of nothing is 0, which a row of another table may have in that place.
  if (packed.length < packedHeaderBytes) throw corrupt(`block ${id} is no block`);
  const view = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  if (view[0] !== formatVersion) {
    throw new TidegateError(
      "JOURNAL_FORMAT_NEWER",
      `block ${id} has format ${view[0]}, this version reads ${formatVersion}`,
    );
  }
  const recordBytes = view.readUInt32LE(2);
  const payload = view.subarray(packedHeaderBytes);
  const whole = view[1] === codecs.zstd ? decompress(payload, recordBytes + directoryBytes) : payload;
  assert(recordBytes <= whole.length, "record bytes within the block");
  return { id, ...decodeDirectory(whole.subarray(recordBytes)), records: whole.subarray(0, recordBytes) };
}

/** Into one piece of memory where the size was guessed well: in zstd's usual 16 KiB pieces it takes half as long again. */
export function decompress(payload: Uint8Array, bytesExpected: number): Buffer {
  return zstdDecompressSync(payload, { chunkSize: Math.min(bytesExpected, pieceBytesMax) });
}

export function corrupt(message: string): TidegateError {
  return new TidegateError("JOURNAL_CORRUPT", message, {
    hint: "The disk returned other bytes than were written. The records are named in the ledger; check the disk's health.",
  });
}

/** Writes one record into a slab and returns the offset behind it. The value's bytes must already stand at `at + recordHeaderBytes`. */
export function writeRecordHeader(
  slab: DataView,
  at: number,
  entry: number,
  skip: number,
  timeAt: number,
  length: number,
): number {
  slab.setUint16(at, entry, true);
  slab.setUint16(at + 2, skip, true);
  slab.setUint16(at + 4, timeAt, true);
  slab.setUint16(at + 6, 0, true);
  slab.setUint32(at + 8, length, true);
  return at + recordHeaderBytes + length;
}

/** One record of a block, for readers: `value` is a view into the block's bytes. */
export interface BlockRecord {
  readonly entry: Entry;
  readonly seq: number;
  /** Place in the order of arrival over all lanes of the commit. */
  readonly position: number;
  readonly value: Buffer;
  /** The value's wire time as bytes; undefined where the record has none. */
  readonly time: Buffer | undefined;
}

/** Walks the records of a block in order of arrival. */
export function* recordsOf(block: Pick<Block, "entries" | "records">): Generator<BlockRecord> {
  const ranks = new Uint32Array(block.entries.length);
  let position = -1;
  for (let at = 0; at < block.records.length;) {
    const index = block.records.readUInt16LE(at);
    const entry = block.entries[index];
    assert(entry !== undefined, "record names an entry of its directory");
    position += 1 + block.records.readUInt16LE(at + 2);
    const timeAt = block.records.readUInt16LE(at + 4);
    const start = at + recordHeaderBytes;
    const end = start + block.records.readUInt32LE(at + 8);
    const value = block.records.subarray(start, end);
    yield {
      entry,
      seq: entry.firstSeq === 0 ? 0 : entry.firstSeq + ranks[index]!++,
      position,
      value,
      time: timeAt === noTime ? undefined : value.subarray(timeAt, timeAt + 27),
    };
    at = end;
  }
}

export function encodeDirectory(directory: Directory): Uint8Array {
  const writer = new Writer(64 + directory.entries.length * 48);
  writer.byte(formatVersion);
  writer.byte(lanes.indexOf(directory.lane));
  writer.text(directory.epoch);
  writer.varint(directory.commit);
  writeEntries(writer, directory.entries);
  return writer.done();
}

/** f64 base | varint n | entry* */
export function writeEntries(writer: Writer, entries: readonly Entry[]): void {
  const base = entries.reduce((least, entry) => Math.min(least, entry.minTimeMicros), Infinity);
  writer.double(entries.length === 0 ? 0 : base);
  writer.varint(entries.length);
  for (const entry of entries) {
    writer.byte(streams[entry.stream].code);
    writer.varint(entry.partition);
    writer.text(entry.device);
    writer.varint(entry.firstSeq);
    writer.varint(entry.count);
    writer.varint(entry.minTimeMicros - base);
    writer.varint(entry.maxTimeMicros - entry.minTimeMicros);
  }
}

/** Reads what `encodeDirectory` wrote, without a checksum: for bytes that never left this process. */
export function decodeDirectory(encoded: Buffer): Directory {
  const reader = new Reader(encoded);
  const version = reader.byte();
  if (version !== formatVersion) {
    throw new TidegateError(
      "JOURNAL_FORMAT_NEWER",
      `directory has format ${version}, this version reads ${formatVersion}`,
    );
  }
  const lane = lanes[reader.byte()];
  assert(lane !== undefined, "a known lane");
  const epoch = reader.text();
  const commit = reader.varint();
  return { lane, epoch, commit, entries: readEntries(reader) };
}

export function readEntries(reader: Reader): Entry[] {
  const base = reader.double();
  const count = reader.varint();
  const entries: Entry[] = [];
  for (let i = 0; i < count; i++) {
    const stream = streamOfCode(reader.byte());
    assert(stream !== undefined, "a known stream");
    const partition = reader.varint();
    const device = reader.text();
    const firstSeq = reader.varint();
    const records = reader.varint();
    const minTimeMicros = base + reader.varint();
    const maxTimeMicros = minTimeMicros + reader.varint();
    entries.push({ stream, device, partition, firstSeq, count: records, minTimeMicros, maxTimeMicros });
  }
  return entries;
}
