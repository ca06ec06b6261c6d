import { parseWireTime } from "../../../src/observation/time.ts";
import { isNumbered, lanes, type Lane, type Stream } from "../../../src/wire/streams.ts";
import { recordsOf, type Block, type BlockRecord, type Entry } from "../block.ts";
import { OfflineJournal, type StoredBlock } from "./reader.ts";

/** Which records of a journal are wanted; what is absent fits everything. */
export interface RecordFilter {
  readonly device?: string;
  readonly stream?: Stream;
  readonly lane?: Lane;
  readonly epoch?: string;
  /** Records whose own time is at or after this, and before that. */
  readonly fromMicros?: number;
  readonly toMicros?: number;
  readonly firstSeq?: number;
  readonly lastSeq?: number;
  /** Only what Kafka does not have. */
  readonly unsent?: boolean;
}

/** A line of the export, or a block that could not be read. */
export type Exported =
  | { readonly kind: "record"; readonly line: string }
  | { readonly kind: "damaged"; readonly lane: Lane; readonly block: number; readonly records: number };

/**
 * The records that fit, in order of arrival, one block in memory at a time; blocks whose directory promises nothing
 * that fits are not read. A line is one JSON object: the record's identity and state, and its value as Kafka carries it.
 */
export function* exportRecords(journal: OfflineJournal, filter: RecordFilter): Generator<Exported> {
  const wanted = lanes.filter((lane) => filter.lane === undefined || filter.lane === lane);
  const settled = new Map(wanted.map((lane) => [lane, journal.settled(lane)]));
  for (const stored of inOrderOfArrival(wanted.map((lane) => journal.directories(lane)))) {
    const { lane, id, count } = stored;
    const sent = settled.get(lane)!;
    if (filter.unsent === true && OfflineJournal.unsentRecords(stored, sent) === 0) continue;
    if (!mayFit(stored, filter)) continue;
    const blocks = journal.blocksWithin(lane, id);
    if (blocks === undefined) yield { kind: "damaged", lane, block: id, records: count };
    for (const block of blocks ?? []) {
      const isUnsent = lane !== "history" && !sent.has(block.id);
      if (isUnsent || filter.unsent !== true) yield* linesOf(block, isUnsent, filter);
    }
  }
  journal.requireUntouched();
}

/** Block ids are unique over the lanes and ascend within each; a merged block stands where its last part was. */
function* inOrderOfArrival(sources: readonly Generator<StoredBlock>[]): Generator<StoredBlock> {
  const heads = sources.map((source) => ({ source, block: nextOf(source) }));
  for (;;) {
    let first: (typeof heads)[number] | undefined;
    for (const head of heads) {
      if (head.block !== undefined && (first?.block === undefined || head.block.id < first.block.id)) first = head;
    }
    if (first?.block === undefined) return;
    yield first.block;
    first.block = nextOf(first.source);
  }
}

function nextOf(source: Generator<StoredBlock>): StoredBlock | undefined {
  const result: IteratorResult<StoredBlock, void> = source.next();
  return result.done === true ? undefined : result.value;
}

/** By its directory; a block whose directory cannot be read may hold anything. */
export function mayFit({ directory }: StoredBlock, filter: RecordFilter): boolean {
  if (directory === undefined) return true;
  const { epoch, entries } = directory;
  return (filter.epoch === undefined || filter.epoch === epoch) && entries.some((entry) => entryFits(entry, filter));
}

function entryFits(entry: Entry, { device, stream, fromMicros, toMicros, firstSeq, lastSeq }: RecordFilter): boolean {
  if (device !== undefined && entry.device !== device) return false;
  if (stream !== undefined && entry.stream !== stream) return false;
  if (fromMicros !== undefined && entry.maxTimeMicros < fromMicros) return false;
  if (toMicros !== undefined && entry.minTimeMicros >= toMicros) return false;
  if (firstSeq === undefined && lastSeq === undefined) return true;
  if (!isNumbered(entry.stream)) return false;
  return entry.firstSeq + entry.count - 1 >= (firstSeq ?? 1) && entry.firstSeq <= (lastSeq ?? Infinity);
}

function* linesOf(block: Block, isUnsent: boolean, filter: RecordFilter): Generator<Exported> {
  for (const record of fittingRecords(block, filter)) yield { kind: "record", line: lineOf(record, block, isUnsent) };
}

export function* fittingRecords(block: Block, filter: RecordFilter): Generator<BlockRecord> {
  const fitting = new Set(block.entries.filter((entry) => entryFits(entry, filter)));
  for (const record of recordsOf(block)) {
    if (fitting.has(record.entry) && recordFits(record, filter)) yield record;
  }
}

function recordFits({ seq, time }: BlockRecord, { fromMicros, toMicros, firstSeq, lastSeq }: RecordFilter): boolean {
  if (seq < (firstSeq ?? 0) || seq > (lastSeq ?? Infinity)) return false;
  if (time === undefined || (fromMicros === undefined && toMicros === undefined)) return true;
  const micros = parseWireTime(time.toString("latin1"));
  return micros === undefined || (micros >= (fromMicros ?? -Infinity) && micros < (toMicros ?? Infinity));
}

/** The value is JSON already: it is copied, not read. */
function lineOf({ entry, seq, value }: BlockRecord, { epoch, lane, id }: Block, isUnsent: boolean): string {
  const { stream, device, partition } = entry;
  const sent = lane === "history" ? {} : { sent: !isUnsent };
  const numbered = seq > 0 ? { seq } : {};
  const header = JSON.stringify({ epoch, stream, device, ...numbered, lane, partition, block: id, ...sent });
  return `${header.slice(0, -1)},"value":${value.toString("utf8")}}`;
}
