import { noTime, recordHeaderBytes, writeRecordHeader, type Block, type Entry } from "../../edge/journal/block.ts";
import type { ForwardJournal } from "../../edge/forward/journal-port.ts";
import type { RefusedRecord } from "../../edge/forward/protocol.ts";
import type { LiveBlock } from "../../edge/reader.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import { isNumbered, streams, type Lane, type Stream } from "../../src/wire/streams.ts";

/** A record to append: the stream, the device, and the partition it goes to. */
export interface NewRecord {
  readonly stream: Stream;
  readonly device: string;
  readonly partition: number;
  /** Default: names the record. */
  readonly value?: string;
}

/** The journal as the forwarder sees it, in memory: what is settled survives a "crash", the live blocks do not. */
export class FakeForwardJournal implements ForwardJournal {
  readonly epoch = "1-00112233445566aa";
  readonly blocks: Block[] = [];
  readonly settled = new Map<Lane, Ranges>();
  readonly quarantined: RefusedRecord[] = [];
  /** Every record, in the order of append. */
  readonly appended: {
    readonly stream: Stream;
    readonly device: string;
    readonly seq: number;
    readonly block: number;
  }[] = [];
  /** Live blocks that were handed out and not released yet. */
  readonly unreleased = new Set<number>();
  /** Blocks of which rows were sent. */
  readonly sent = new Set<number>();
  /** The disk is full: nothing goes into the quarantine. */
  refusesToStore = false;
  reads = 0;
  readonly #newest = new Map<Lane, number>();
  readonly #lastSeq = new Map<string, number>();
  #nextId = 1;
  #commit = 0;

  /** Appends one commit; returns its blocks as they are in memory, one per lane. */
  append(records: readonly NewRecord[]): LiveBlock[] {
    this.#commit++;
    const lanes = new Set(records.map(({ stream }) => streams[stream].lane));
    return [...lanes].map((lane) =>
      this.#appendBlock(
        lane,
        records.filter(({ stream }) => streams[stream].lane === lane),
      ),
    );
  }

  next(lane: Lane, after: number): Promise<Block | undefined> {
    return Promise.resolve(this.look(lane, after));
  }

  /** What `next` finds now. */
  look(lane: Lane, after: number): Block | undefined {
    this.reads++;
    const found = this.blocks.find((block) => block.lane === lane && block.id > after);
    return found === undefined ? undefined : { ...found, records: Buffer.from(found.records) };
  }

  load(): Promise<ReadonlyMap<Lane, readonly number[]>> {
    return Promise.resolve(this.settledNow());
  }

  settledNow(): Map<Lane, readonly number[]> {
    return new Map([...this.settled].map(([lane, ranges]) => [lane, ranges.toJSON()]));
  }

  sending(lane: Lane, first: number, last: number): void {
    for (const block of this.blocks)
      if (block.lane === lane && block.id >= first && block.id <= last) this.sent.add(block.id);
  }

  settle(lane: Lane, first: number, last: number): void {
    const ranges = this.settled.get(lane) ?? new Ranges();
    ranges.add(first, last);
    this.settled.set(lane, ranges);
  }

  async quarantine(records: readonly RefusedRecord[]): Promise<void> {
    await Promise.resolve();
    if (this.refusesToStore) throw new Error("the disk is full");
    this.quarantined.push(...records);
  }

  /** Blocks that are not settled. */
  unsettled(): number[] {
    return this.blocks.filter(({ lane, id }) => this.settled.get(lane)?.has(id) !== true).map(({ id }) => id);
  }

  #appendBlock(lane: Lane, records: readonly NewRecord[]): LiveBlock {
    const id = this.#nextId++;
    const previous = this.#newest.get(lane) ?? 0;
    this.#newest.set(lane, id);
    const block: Block = { id, lane, epoch: this.epoch, commit: this.#commit, ...this.#encode(id, records) };
    this.blocks.push(block);
    this.unreleased.add(id);
    const memory = Buffer.from(block.records);
    const release = (): void => {
      if (!this.unreleased.delete(id)) throw new Error(`block ${id} was released twice`);
      memory.fill(0); // Who still reads it sees nonsense.
    };
    return { ...block, previous, records: memory, release };
  }

  #encode(id: number, records: readonly NewRecord[]): { entries: Entry[]; records: Buffer } {
    const entries: Entry[] = [];
    const parts: Buffer[] = [];
    for (const { stream, device, partition, value } of records) {
      let index = entries.findIndex((entry) => entry.stream === stream && entry.device === device);
      const key = `${stream}/${device}`;
      const seq = (this.#lastSeq.get(key) ?? 0) + 1;
      this.#lastSeq.set(key, seq);
      if (index < 0) {
        const firstSeq = isNumbered(stream) ? seq : 0;
        entries.push({ stream, device, partition, firstSeq, count: 0, minTimeMicros: 1, maxTimeMicros: 1 });
        index = entries.length - 1;
      }
      entries[index]!.count++;
      this.appended.push({ stream, device, seq, block: id });
      const text = Buffer.from(value ?? `${key}/${seq}`, "utf8");
      const record = Buffer.alloc(recordHeaderBytes + text.length);
      record.set(text, recordHeaderBytes);
      writeRecordHeader(new DataView(record.buffer, record.byteOffset), 0, index, 0, noTime, text.length);
      parts.push(record);
    }
    return { entries, records: Buffer.concat(parts) };
  }
}
