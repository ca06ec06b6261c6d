import assert from "node:assert/strict";
import { TidegateError } from "../../src/errors.ts";
import { giveBack } from "../../src/give-back.ts";
import { wireTimeLength } from "../../src/observation/time.ts";
import { crc32c } from "../../src/wire/crc32c.ts";
import { streams, type Lane } from "../../src/wire/streams.ts";
import {
  codecs,
  corrupt,
  decompress,
  noTime,
  recordHeaderBytes,
  unpackBlock,
  writeRecordHeader,
  type Block,
  type Entry,
} from "./block.ts";
import { Reader, Writer } from "./bytes.ts";
import { decodeMerged, encodeMerged, Parts, type StoredDirectory } from "./stored-directory.ts";
import { readTime, writeTime } from "./time-bytes.ts";

/*
 * Many blocks of one lane and epoch in one, which is read back block by block, byte for byte as they were. The values
 * of a device stand together, and their times as differences: that halves what zstd makes of them.
 *
 *   packed   u8 2 | u8 codec | codec(body)
 *   body     section directory | section column*                          section := varint n | n bytes
 *   columns  of records in order of arrival
 *              entries   varint  index into the directory
 *              skips     varint  as in the record header
 *            of records by entry, in order of arrival within one
 *              shapes    varint  0 = no time; 1 + timeAt * 3 + how: 0 = the text is whole, 1 = its time is cut out,
 *                                2 = the received time that follows it too
 *              lengths   varint  of the text
 *              times     varint  what was cut out: difference to the time of the record before in the entry, and of
 *                                the received time to the time; microseconds, zigzag
 *              texts             values, without what was cut out
 */
const mergedBlockVersion = 2;
const packedHeaderBytes = 2;
/** How much smaller zstd makes a merged block, mostly. */
const usualRatio = 12;

const whole = 0;
const timeCut = 1;
const bothCut = 2;
/** What stands between the two times in an observation (src/observation/observation.ts). */
const between = Buffer.from('","received":"');
/** Differences beyond it do not survive the zigzag in a double. */
const differenceMax = 2 ** 51;
const notATime = Number.NaN;

/** Collects blocks, oldest first, and encodes them as one. */
export class MergeBuilder {
  readonly #lane: Lane;
  readonly #epoch: string;
  readonly #parts: { readonly id: number; readonly commit: number; readonly count: number }[] = [];
  readonly #runs: Run[] = [];
  /** The last run of each stream and device. */
  readonly #open = new Map<string, number>();
  readonly #order = new Writer(16_384);
  readonly #skips = new Writer(16_384);
  #bytes = 0;
  #records = 0;

  constructor(lane: Lane, epoch: string) {
    this.#lane = lane;
    this.#epoch = epoch;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#records;
  }

  get blocks(): number {
    return this.#parts.length;
  }

  add(block: Block): void {
    assert(block.lane === this.#lane && block.epoch === this.#epoch, "one lane and epoch");
    const { records } = block;
    const runs = block.entries.map((entry) => this.#runOf(entry));
    let count = 0;
    for (let at = 0; at < records.length; count++) {
      const run = runs[records.readUInt16LE(at)];
      assert(run !== undefined, "record names an entry of its directory");
      this.#order.varint(run.index);
      this.#skips.varint(records.readUInt16LE(at + 2));
      const start = at + recordHeaderBytes;
      const end = start + records.readUInt32LE(at + 8);
      run.add(records, start, end, records.readUInt16LE(at + 4));
      at = end;
    }
    this.#parts.push({ id: block.id, commit: block.commit, count });
    this.#bytes += records.length;
    this.#records += count;
  }

  #runOf(entry: Entry): Run {
    const key = `${streams[entry.stream].code}/${entry.device}`;
    const index = this.#open.get(key);
    const run = index === undefined ? undefined : this.#runs[index]!;
    if (run?.extend(entry)) return run;
    const fresh = new Run(this.#runs.length, entry);
    this.#open.set(key, fresh.index);
    this.#runs.push(fresh);
    return fresh;
  }

  directory(): StoredDirectory {
    const column = (of: (part: { id: number; commit: number; count: number }) => number) => this.#parts.map(of);
    const parts = new Parts(
      column(({ id }) => id),
      column(({ commit }) => commit),
      column(({ count }) => count),
    );
    return { lane: this.#lane, epoch: this.#epoch, parts, entries: this.#runs.map(({ entry }) => entry) };
  }

  /** What is to be compressed. Called once: what was collected is given back. */
  body(): Uint8Array {
    const writer = new Writer(this.#bytes + 65_536);
    writer.section(encodeMerged(this.directory()));
    writer.section(this.#order.done());
    writer.section(this.#skips.done());
    this.#order.end();
    this.#skips.end();
    for (const column of ["shapes", "lengths", "times", "texts"] as const) {
      writer.varint(this.#runs.reduce((sum, run) => sum + run[column].length, 0));
      for (const run of this.#runs) {
        writer.raw(run[column].done());
        run[column].end();
      }
    }
    return writer.done();
  }
}

/** Records of one stream and device whose numbers follow each other. */
class Run {
  readonly index: number;
  readonly entry: Entry;
  readonly shapes = new Writer(32);
  readonly lengths = new Writer(32);
  readonly times = new Writer(64);
  readonly texts = new Writer(1_024);
  #time = 0;

  constructor(index: number, entry: Entry) {
    this.index = index;
    this.entry = { ...entry };
  }

  /** False where the numbers do not follow. */
  extend({ firstSeq, count, minTimeMicros, maxTimeMicros }: Entry): boolean {
    const { entry } = this;
    if (firstSeq !== (entry.firstSeq === 0 ? 0 : entry.firstSeq + entry.count)) return false;
    entry.count += count;
    entry.minTimeMicros = Math.min(entry.minTimeMicros, minTimeMicros);
    entry.maxTimeMicros = Math.max(entry.maxTimeMicros, maxTimeMicros);
    return true;
  }

  /** `records[start, end)` is the value. */
  add(records: Buffer, start: number, end: number, timeAt: number): void {
    if (timeAt === noTime) return this.#addWhole(records, start, end, 0);
    const at = start + timeAt;
    const time = readTime(records, at, end);
    if (!(Math.abs(time - this.#time) < differenceMax))
      return this.#addWhole(records, start, end, 1 + timeAt * 3 + whole);
    const second = at + wireTimeLength + between.length;
    const received = startsWith(records, at + wireTimeLength, between) ? readTime(records, second, end) : notATime;
    const both = Math.abs(received - time) < differenceMax;
    this.shapes.varint(1 + timeAt * 3 + (both ? bothCut : timeCut));
    this.times.varint(zigzag(time - this.#time));
    this.#time = time;
    let length = end - start - wireTimeLength;
    this.texts.copy(records, start, at);
    if (both) {
      length -= wireTimeLength;
      this.times.varint(zigzag(received - time));
      this.texts.copy(records, at + wireTimeLength, second);
      this.texts.copy(records, second + wireTimeLength, end);
    } else this.texts.copy(records, at + wireTimeLength, end);
    this.lengths.varint(length);
  }

  #addWhole(records: Buffer, start: number, end: number, shape: number): void {
    this.shapes.varint(shape);
    this.lengths.varint(end - start);
    this.texts.copy(records, start, end);
  }
}

function zigzag(difference: number): number {
  return difference >= 0 ? difference * 2 : -difference * 2 - 1;
}

function unzigzag(value: number): number {
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

function startsWith(bytes: Buffer, at: number, what: Buffer): boolean {
  for (let i = 0; i < what.length; i++) if (bytes[at + i] !== what[i]) return false;
  return true;
}

/** The form in which a merged block is stored; `compressed` is what zstd made of its body. */
export function packMerged(compressed: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.of(mergedBlockVersion, codecs.zstd), compressed]);
}

/** The blocks that a stored block holds, oldest first; of a plain one itself. Throws JOURNAL_CORRUPT. */
export function unpackStored(id: number, packed: Uint8Array, expectedCrc: number): Block[] {
  if (packed[0] !== mergedBlockVersion) return [unpackBlock(id, packed, expectedCrc)];
  const { directory, columns, body } = openMerged(id, packed, expectedCrc);
  const blocks = readParts(directory, columns);
  giveBack(body);
  return blocks;
}

/** The directory that stands within a stored merged block. Throws JOURNAL_CORRUPT. */
export function directoryWithin(id: number, packed: Uint8Array, expectedCrc: number): StoredDirectory {
  if (packed[0] === mergedBlockVersion) return openMerged(id, packed, expectedCrc).directory;
  const { lane, epoch, commit, entries } = unpackBlock(id, packed, expectedCrc);
  const count = entries.reduce((sum, entry) => sum + entry.count, 0);
  return { lane, epoch, entries, parts: new Parts([id], [commit], [count]) };
}

interface Columns {
  readonly order: Reader;
  readonly skips: Reader;
  readonly shapes: Reader;
  readonly lengths: Reader;
  readonly times: Reader;
  readonly texts: Buffer;
}

function openMerged(id: number, packed: Uint8Array, expectedCrc: number) {
  if (crc32c(packed) !== expectedCrc) throw corrupt(`block ${id} failed its checksum`);
  const view = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
  if (view[1] !== codecs.zstd) throw new TidegateError("JOURNAL_FORMAT_NEWER", `block ${id} has codec ${view[1]}`);
  const body = decompress(view.subarray(packedHeaderBytes), packed.length * usualRatio);
  const sections = new Reader(body);
  const directory = decodeMerged(sections.section());
  const reader = () => new Reader(sections.section());
  const columns: Columns = {
    order: reader(),
    skips: reader(),
    shapes: reader(),
    lengths: reader(),
    times: reader(),
    texts: sections.section(),
  };
  return { directory, columns, body };
}

/** Where each record's pieces are, by entry. */
interface Pieces {
  readonly starts: Uint32Array;
  readonly shapes: Uint32Array;
  readonly lengths: Uint32Array;
  readonly textAt: Uint32Array;
  readonly times: Float64Array;
  readonly received: Float64Array;
  /** Of all records with their headers, as they were. */
  readonly bytes: number;
}

function readPieces({ entries, parts }: StoredDirectory, columns: Columns): Pieces {
  const count = parts.records;
  const starts = new Uint32Array(entries.length);
  const [shapes, lengths, textAt] = [new Uint32Array(count), new Uint32Array(count), new Uint32Array(count)];
  const [times, received] = [new Float64Array(count), new Float64Array(count)];
  let at = 0;
  let text = 0;
  let bytes = 0;
  entries.forEach((entry, index) => {
    starts[index] = at;
    let time = 0;
    for (const end = at + entry.count; at < end; at++) {
      const shape = (shapes[at] = columns.shapes.varint());
      const length = (lengths[at] = columns.lengths.varint());
      textAt[at] = text;
      text += length;
      bytes += recordHeaderBytes + length;
      const how = shape === 0 ? whole : (shape - 1) % 3;
      times[at] = notATime;
      if (how === whole) continue;
      times[at] = time += unzigzag(columns.times.varint());
      if (how === bothCut) received[at] = time + unzigzag(columns.times.varint());
      bytes += how * wireTimeLength;
    }
  });
  assert(at === count && text === columns.texts.length, "the columns hold the directory's records");
  return { starts, shapes, lengths, textAt, times, received, bytes };
}

function readParts(directory: StoredDirectory, columns: Columns): Block[] {
  const { lane, epoch, entries, parts } = directory;
  const pieces = readPieces(directory, columns);
  const out = new RecordWriter(pieces, columns.texts);
  /** Per entry: records read so far, and its place in the part that it was met in last. */
  const ranks = new Uint32Array(entries.length);
  const metIn = new Int32Array(entries.length).fill(-1);
  const places = new Uint16Array(entries.length);
  return parts.ids.map((id, part) => {
    const start = out.at;
    const met: Entry[] = [];
    for (let i = 0; i < parts.counts[part]!; i++) {
      const index = columns.order.varint();
      const entry = entries[index];
      assert(entry !== undefined, "record names an entry of its directory");
      const rank = ranks[index]!++;
      if (metIn[index] !== part) {
        metIn[index] = part;
        places[index] = met.length;
        met.push(emptyPart(entry, rank));
      }
      const record = pieces.starts[index]! + rank;
      countIn(met[places[index]!]!, entry, pieces.times[record]!);
      out.write(record, places[index]!, columns.skips.varint());
    }
    return { id, lane, epoch, commit: parts.commits[part]!, entries: met, records: out.bytes.subarray(start, out.at) };
  });
}

function emptyPart(run: Entry, rank: number): Entry {
  const firstSeq = run.firstSeq === 0 ? 0 : run.firstSeq + rank;
  return { ...run, firstSeq, count: 0, minTimeMicros: Infinity, maxTimeMicros: -Infinity };
}

/** `time`: NaN where the record's is not known, but lies within its run. */
function countIn(part: Entry, run: Entry, time: number): void {
  part.count++;
  part.minTimeMicros = Math.min(part.minTimeMicros, Number.isNaN(time) ? run.minTimeMicros : time);
  part.maxTimeMicros = Math.max(part.maxTimeMicros, Number.isNaN(time) ? run.maxTimeMicros : time);
}

/** Puts records together again. */
class RecordWriter {
  readonly bytes: Buffer;
  at = 0;
  readonly #view: DataView;
  readonly #pieces: Pieces;
  readonly #texts: Buffer;

  constructor(pieces: Pieces, texts: Buffer) {
    this.#pieces = pieces;
    this.#texts = texts;
    this.bytes = Buffer.allocUnsafeSlow(pieces.bytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Record `i` of the columns; `entry` is its index in the directory of its part. */
  write(i: number, entry: number, skip: number): void {
    const shape = this.#pieces.shapes[i]!;
    const start = this.at + recordHeaderBytes;
    const timeAt = shape === 0 ? noTime : Math.floor((shape - 1) / 3);
    const end = this.#writeValue(i, start, timeAt, shape === 0 ? whole : (shape - 1) % 3);
    this.at = writeRecordHeader(this.#view, this.at, entry, skip, timeAt, end - start);
  }

  #writeValue(i: number, start: number, timeAt: number, how: number): number {
    const { lengths, textAt, times, received } = this.#pieces;
    const from = textAt[i]!;
    const to = from + lengths[i]!;
    if (how === whole) return start + this.#texts.copy(this.bytes, start, from, to);
    let at = start + this.#texts.copy(this.bytes, start, from, from + timeAt);
    at = writeTime(this.bytes, at, times[i]!);
    let rest = from + timeAt;
    if (how === bothCut) {
      at += this.#texts.copy(this.bytes, at, rest, rest + between.length);
      at = writeTime(this.bytes, at, received[i]!);
      rest += between.length;
    }
    return at + this.#texts.copy(this.bytes, at, rest, to);
  }
}
