import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import { unpackStored } from "../../../edge/journal/merged-block.ts";
import type { PackedBlock } from "../../../edge/journal/protocol.ts";
import { Store } from "../../../edge/journal/store.ts";
import { systemClock } from "../../../src/clock.ts";
import { epochOf } from "../../../src/wire/epoch.ts";
import { Ranges } from "../../../src/wire/ranges.ts";
import type { LedgerRecord, ManifestRecord } from "../../../src/wire/records.ts";
import { isNumbered, lanes, type Lane, type Stream } from "../../../src/wire/streams.ts";
import { GroupMaker } from "../../support/records.ts";
import { groupOf, loadOptions, numberOf } from "./load.ts";
import type { Mark, Placed } from "./marks.ts";

/** Numbers per (epoch, stream, device). */
type Numbers = Map<string, Ranges>;

/** Appended after each power cut; of a session that the recording has not. */
const groupAfter = groupOf(900, 0);
const slabBytes = 65_536;

/**
 * Knows what the recorded program said up to a moment, and checks a reopened journal against it:
 *
 * - what was acknowledged is there byte for byte under its identity, or Kafka has it, or the ledger names it;
 *   "there" means that the forwarder would still send it: a cursor ahead of what was delivered is a loss;
 * - numbers of a device are dense, no number has two records, nothing is there that was never written;
 * - source cursor and redelivery ids belong to the last group that is there;
 * - every earlier epoch is ended by a manifest with its true highest numbers, the journal knows them for itself, and the
 *   new epoch is a new one;
 * - the journal appends, and gives back what was appended.
 */
export class Oracle {
  /** Where each acknowledged record lies, from the whole recording: a record may be there before it is acknowledged. */
  readonly #numberAt = new Map<string, number>();
  readonly #groups = new Map<string, { readonly epoch: string; readonly records: readonly Placed[] }>();
  readonly #acknowledged: Numbers = new Map();
  readonly #delivered: Numbers = new Map();
  readonly #ledgered: Numbers = new Map();
  readonly #manifests: ManifestRecord[] = [];
  readonly #epochs: string[] = [];
  readonly #history = new Set<number>();
  #last: readonly [session: number, n: number] | undefined;
  readonly #cache = new Map<string, { readonly data: Buffer; readonly blocks: readonly ReadBlock[] }>();

  constructor(recording: readonly Mark[]) {
    let epoch = "";
    for (const mark of recording) {
      if (mark.kind === "epoch") epoch = mark.epoch;
      if (mark.kind !== "acknowledged") continue;
      this.#groups.set(`${mark.session}/${mark.n}`, { epoch, records: mark.records });
      for (const [number, stream, device, seq] of mark.records) {
        if (isNumbered(stream)) this.#numberAt.set(`${key(epoch, stream, device)}/${seq}`, number);
      }
    }
  }

  /** The next mark of the recording happened before the power cut. */
  learn(mark: Mark): void {
    switch (mark.kind) {
      case "epoch":
        this.#epochs.push(mark.epoch);
        return;
      case "refused":
        return;
      case "acknowledged":
        this.#last = [mark.session, mark.n];
        for (const [number, stream, device, seq] of mark.records) {
          if (isNumbered(stream)) rangesAt(this.#acknowledged, key(this.#epochs.at(-1)!, stream, device)).add(seq);
          else this.#history.add(number);
        }
        return;
      case "delivered":
        for (const [epoch, stream, device, seq, own] of mark.records) {
          if (isNumbered(stream)) rangesAt(this.#delivered, key(epoch, stream, device)).add(seq);
          if (own !== undefined)
            this.#takeOwn(JSON.parse(own) as LedgerRecord | ManifestRecord, this.#ledgered, this.#manifests);
        }
    }
  }

  /** Opens the journal in the folder and returns what is wrong with it. */
  check(folder: string): string[] {
    let store: Store;
    try {
      store = Store.open(loadOptions(folder, false), systemClock);
    } catch (error) {
      return [`does not open: ${String(error)}`];
    }
    try {
      return this.#examine(store);
    } catch (error) {
      return [`cannot be read: ${error instanceof Error ? error.stack : String(error)}`];
    } finally {
      store.abandon();
    }
  }

  #examine(store: Store): string[] {
    const found = new Found();
    if (store.setAside !== undefined) found.problems.push("was taken for unreadable");
    if (this.#epochs.includes(store.epoch.text)) found.problems.push("reuses an epoch");
    const counters = this.#epochs.map((epoch) => epochOf(epoch)!.counter);
    if (store.epoch.counter <= Math.max(0, ...counters)) found.problems.push("reuses a start counter");
    for (const lane of lanes) this.#readLane(store, lane, found);
    this.#compareRecords(found);
    this.#compareHistory(found, store);
    this.#compareManifests(found, store.epoch.text);
    this.#compareBounds(found, store);
    this.#compareCursor(found, store);
    this.#append(found, store);
    return found.problems;
  }

  #readLane(store: Store, lane: Lane, found: Found): void {
    const settled = new Ranges(store.settledRanges(lane));
    for (let after = 0; ;) {
      const packed = store.next(lane, after);
      if (packed === undefined) return;
      after = packed.id;
      for (const block of this.#read(packed)) {
        found.problems.push(...block.problems);
        if (!settled.has(block.id)) this.#takeBlock(block, found);
        else if (lane === "history") found.problems.push("history is never settled");
      }
    }
  }

  #takeBlock(block: ReadBlock, found: Found): void {
    for (const [at, first, count] of block.numbers) {
      const fresh = rangesAt(found.stored, at).add(first, first + count - 1);
      if (fresh !== count) found.problems.push(`${at} has ${first} or a number behind it twice`);
    }
    for (const number of block.history) found.history.add(number);
    for (const record of block.own) this.#takeOwn(record, found.ledgered, found.manifests);
  }

  #takeOwn(record: LedgerRecord | ManifestRecord, ledgered: Numbers, manifests: ManifestRecord[]): void {
    if (record.kind === "manifest") manifests.push(record);
    else if (record.first !== undefined) {
      rangesAt(ledgered, key(record.epoch, record.stream as Stream, record.device)).add(record.first, record.last);
    }
  }

  /** Verified once per content: most states share most blocks. */
  #read({ id, lane, crc, data }: PackedBlock): readonly ReadBlock[] {
    const at = `${lane}/${id}/${crc}`;
    const known = this.#cache.get(at);
    if (known?.data.equals(data)) return known.blocks;
    const blocks = unpackStored(id, data, crc).map((block) => readBlock(block, this.#numberAt));
    this.#cache.set(at, { data: Buffer.from(data), blocks });
    return blocks;
  }

  #compareRecords(found: Found): void {
    const keys = new Set([...this.#acknowledged.keys(), ...this.#delivered.keys(), ...found.stored.keys()]);
    for (const at of keys) {
      const accounted = new Ranges(found.stored.get(at)?.toJSON());
      for (const more of [this.#delivered.get(at), this.#ledgered.get(at), found.ledgered.get(at)]) {
        for (const [first, last] of more?.pairs() ?? []) accounted.add(first, last);
      }
      for (const [first, last] of this.#acknowledged.get(at)?.pairs() ?? []) {
        for (const [from, to] of accounted.missing(first, last)) found.problems.push(`lost ${at} ${from} to ${to}`);
      }
      const [[first] = [1], ...more] = accounted.pairs();
      // The ledger stream's records are the journal's own: what Kafka has of them may already be reclaimed unseen.
      if (first !== 1 || more.length > 0) found.problems.push(`${at} is not dense: ${accounted.toJSON().join(",")}`);
      found.highest.set(at, accounted.last ?? 0);
    }
  }

  /** History is neither numbered nor delivered; it may only go by age or quota, and then it is counted. */
  #compareHistory(found: Found, store: Store): void {
    const missing = [...this.#history].filter((number) => !found.history.has(number)).length;
    const { expired } = store.usage().head.total;
    if (missing > expired) found.problems.push(`lost ${missing - expired} records of history`);
  }

  #compareManifests(found: Found, current: string): void {
    const manifests = [...this.#manifests, ...found.manifests];
    const ended = new Set(manifests.filter(({ final }) => final).map(({ epoch }) => epoch));
    const told = new Map<string, number>();
    for (const { epoch, highest } of manifests) {
      for (const [stream, devices] of Object.entries(highest)) {
        for (const [device, seq] of Object.entries(devices)) {
          const at = key(epoch, stream as Stream, device);
          told.set(at, Math.max(told.get(at) ?? 0, seq));
        }
      }
    }
    for (const epoch of this.#epochs) if (!ended.has(epoch)) found.problems.push(`epoch ${epoch} is not ended`);
    for (const [at, highest] of found.highest) {
      if (at.startsWith(`${current}/`) || at.includes("/ledger/")) continue;
      if (told.get(at) !== highest) found.problems.push(`manifests of ${at} say ${told.get(at)}, it is ${highest}`);
    }
  }

  /** What a command of the cloud may ask for, also of what is reclaimed, and nothing above it. */
  #compareBounds(found: Found, store: Store): void {
    for (const [at, highest] of found.highest) {
      const [epoch, stream, ...device] = at.split("/") as [string, Stream, ...string[]];
      if (stream === "ledger") continue;
      const [bound] = store.numberBounds([{ epoch, stream, device: device.join("/"), ranges: [] }]);
      if (bound !== highest) found.problems.push(`the numbers of ${at} are said to end with ${bound}, not ${highest}`);
    }
  }

  /** The cursor commits with its group: neither may be there without the other. */
  #compareCursor(found: Found, store: Store): void {
    const text = store.statesBelow("source:").find(([name]) => name === "load/at")?.[1];
    const cursor = text === undefined ? undefined : (JSON.parse(text) as [number, number]);
    if (isBefore(cursor, this.#last)) found.problems.push(`the source cursor is ${text}, before ${String(this.#last)}`);
    if (cursor === undefined) return;
    const redelivery = store.redeliveries().at(-1);
    const newest = redelivery === undefined ? undefined : Buffer.from(redelivery).toString();
    if (newest !== text) found.problems.push(`redelivery ends with ${newest}, the cursor is ${text}`);
    // Where the group was acknowledged later in the recording, its places are known: it must have come with the cursor.
    const group = this.#groups.get(cursor.join("/"));
    for (const [number, stream, device, seq] of group?.records ?? []) {
      if (!isNumbered(stream) || seq <= (found.highest.get(key(group!.epoch, stream, device)) ?? 0)) continue;
      found.problems.push(`the cursor is at ${text}, but record ${number} of that group is not there`);
    }
  }

  #append(found: Found, store: Store): void {
    const committed = store.commit(new GroupMaker(loadOptions("", false).partitions, slabBytes).group(groupAfter));
    if (committed.kind !== "stored") {
      found.problems.push(`does not append: ${committed.message}`);
      return;
    }
    const values = committed.blocks.flatMap(({ lane, id }) => {
      const packed = store.next(lane, id - 1);
      if (packed?.id !== id) return [];
      const read = unpackStored(id, packed.data, packed.crc).flatMap((block) => [...recordsOf(block)]);
      return read.map(({ value }) => value.toString());
    });
    const same =
      values.toSorted().join() ===
      groupAfter
        .map(({ value }) => value)
        .toSorted()
        .join();
    if (!same) found.problems.push("does not give back what was appended");
  }
}

/** What the oracle wants to know of a block. */
interface ReadBlock {
  readonly id: number;
  /** Per entry of a numbered stream: key, first number, count. */
  readonly numbers: readonly (readonly [at: string, first: number, count: number])[];
  readonly history: readonly number[];
  readonly own: readonly (LedgerRecord | ManifestRecord)[];
  readonly problems: readonly string[];
}

/** `numberAt`: which record of the load was acknowledged under an identity. */
function readBlock(block: Block, numberAt: ReadonlyMap<string, number>): ReadBlock {
  const history: number[] = [];
  const own: (LedgerRecord | ManifestRecord)[] = [];
  const problems: string[] = [];
  for (const { entry, seq, value } of recordsOf(block)) {
    if (entry.stream === "ledger") {
      own.push(JSON.parse(value.toString()) as LedgerRecord | ManifestRecord);
      continue;
    }
    const number = numberOf(value.toString());
    const at = `${key(block.epoch, entry.stream, entry.device)}/${seq}`;
    const expected = numberAt.get(at) ?? number;
    if (number === undefined) problems.push(`block ${block.id} has a record that was never written`);
    else if (entry.stream === "history") history.push(number);
    else if (expected !== number) problems.push(`${at} is record ${number}, not ${expected}`);
  }
  const numbers = block.entries
    .filter(({ stream }) => isNumbered(stream))
    .map(({ stream, device, firstSeq, count }) => [key(block.epoch, stream, device), firstSeq, count] as const);
  return { id: block.id, numbers, history, own, problems };
}

/** What one reopened journal holds that the forwarder would still send, and what is wrong with it. */
class Found {
  readonly problems: string[] = [];
  readonly stored: Numbers = new Map();
  readonly ledgered: Numbers = new Map();
  readonly manifests: ManifestRecord[] = [];
  readonly history = new Set<number>();
  /** Highest number known at all. */
  readonly highest = new Map<string, number>();
}

function key(epoch: string, stream: Stream, device: string): string {
  return `${epoch}/${stream}/${device}`;
}

function rangesAt(numbers: Numbers, at: string): Ranges {
  let ranges = numbers.get(at);
  if (ranges === undefined) {
    ranges = new Ranges();
    numbers.set(at, ranges);
  }
  return ranges;
}

function isBefore(cursor: readonly [number, number] | undefined, last: readonly [number, number] | undefined): boolean {
  if (last === undefined) return false;
  if (cursor === undefined) return true;
  return cursor[0] < last[0] || (cursor[0] === last[0] && cursor[1] < last[1]);
}
