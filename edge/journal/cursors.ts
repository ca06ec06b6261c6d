import { Ranges } from "../../src/wire/ranges.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { BlockTables, Extent } from "./block-tables.ts";
import type { Counters } from "./counters.ts";
import { perLane } from "./per-lane.ts";
import type { StateTable } from "./state-table.ts";

/**
 * Which blocks the forwarder is done with, per lane. Told at any time, durable with the next transaction; what no
 * transaction has written yet is told again after one that failed.
 */
export class Cursors {
  readonly #state: StateTable;
  readonly #blocks: BlockTables;
  readonly #counters: Counters;
  readonly #settled: Record<Lane, Ranges>;
  /** Blocks that the forwarder has and that are not settled: what is dropped of them may be delivered. */
  readonly #sent: Record<Lane, Ranges>;
  readonly #dirty: Set<Lane> = new Set();
  /** Settlements that no transaction has written yet. */
  #unwritten: Record<Lane, Ranges> = perLane(() => new Ranges());

  constructor(state: StateTable, blocks: BlockTables, counters: Counters) {
    this.#state = state;
    this.#blocks = blocks;
    this.#counters = counters;
    this.#settled = perLane((lane) => this.#read(lane));
    // What an earlier process sent is not known any more, so all of it counts.
    this.#sent = perLane((lane) => (blocks.last(lane) > 0 ? Ranges.of([1, blocks.last(lane)]) : new Ranges()));
  }

  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  isSettled(lane: Lane, id: number): boolean {
    return this.#settled[lane].has(id);
  }

  /** Records of a stored block that Kafka does not have, and their share of its bytes. */
  unsent(lane: Lane, { records, bytes, parts }: Extent): { records: number; bytes: number } {
    const settled = this.#settled[lane]
      .overlapping(parts.first, parts.last)
      .reduce((sum, [first, last]) => sum + parts.recordsWithin(first, last), 0);
    return { records: records - settled, bytes: Math.floor((bytes * (records - settled)) / records) };
  }

  /** Packed bytes of the plain blocks in [first, last] that are not settled. */
  unsentBytesWithin(lane: Lane, first: number, last: number): number {
    const open = this.#settled[lane].missing(first, last);
    return open.reduce((sum, [from, to]) => sum + this.#blocks.sizeOf(lane, from, to).bytes, 0);
  }

  /** Which of the ids in [first, last] may be in Kafka although nobody said so. */
  sentWithin(lane: Lane, first: number, last: number): "all" | "none" | "some" {
    const sent = this.#sent[lane];
    if (sent.covers(first, last)) return "all";
    return sent.overlapping(first, last).length === 0 ? "none" : "some";
  }

  settledRanges(lane: Lane): number[] {
    return this.#settled[lane].toJSON();
  }

  settledPairs(lane: Lane): [number, number][] {
    return this.#settled[lane].pairs();
  }

  firstUnsettled(lane: Lane): number {
    const { nextBlock } = this.#counters.head;
    return this.#settled[lane].missing(1, nextBlock)[0]?.[0] ?? nextBlock;
  }

  sending(lane: Lane, first: number, last: number): void {
    for (const [from, to] of this.#settled[lane].missing(first, last)) this.#sent[lane].add(from, to);
  }

  /** `now`: the database can be read; otherwise it counts with `reload`. */
  settle(lane: Lane, first: number, last: number, now: boolean): void {
    this.#unwritten[lane].add(first, last);
    this.#sent[lane].remove(first, last);
    if (now) this.#settle(lane, first, last);
  }

  #settle(lane: Lane, first: number, last: number): void {
    const counts = this.#counters.head.lanes[lane];
    const merged = this.#blocks.mergedOverlapping(lane, first, last);
    const before = merged.map((extent) => this.unsent(lane, extent));
    let records = 0;
    let bytes = 0;
    for (const [from, to] of this.#settled[lane].missing(first, last)) {
      const size = this.#blocks.sizeOf(lane, from, to);
      records += size.records;
      bytes += size.bytes;
      // These count by their parts.
      for (const extent of merged) {
        if (extent.id < from || extent.id > to) continue;
        records -= extent.records;
        bytes -= extent.bytes;
      }
    }
    this.#settled[lane].add(first, last);
    this.#dirty.add(lane);
    merged.forEach((extent, i) => {
      const after = this.unsent(lane, extent);
      records += before[i]!.records - after.records;
      bytes += before[i]!.bytes - after.bytes;
    });
    counts.unsentRecords -= records;
    counts.unsentBytes -= bytes;
    this.#counters.head.total.published += records;
  }

  /** The blocks are gone: nothing is left to send of them. */
  dropped(lane: Lane, first: number, last: number): void {
    this.#settled[lane].add(first, last);
    this.#dirty.add(lane);
  }

  write(): void {
    for (const lane of this.#dirty) this.#state.set(keyOf(lane), JSON.stringify(this.#settled[lane]));
    this.#dirty.clear();
  }

  /** A transaction has ended well. */
  keep(): void {
    if (this.#dirty.size === 0) this.#unwritten = perLane(() => new Ranges());
  }

  /** Memory goes back to what the last transaction left on disk, and what was settled since. */
  reload(): void {
    for (const lane of lanes) this.#settled[lane] = this.#read(lane);
    this.#dirty.clear();
    for (const lane of lanes) {
      for (const [first, last] of this.#unwritten[lane].pairs()) this.#settle(lane, first, last);
    }
  }

  #read(lane: Lane): Ranges {
    const value = this.#state.get(keyOf(lane));
    return new Ranges(value === undefined ? [] : (JSON.parse(String(value)) as number[]));
  }
}

function keyOf(lane: Lane): string {
  return `forward:${lane}`;
}
