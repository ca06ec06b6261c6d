import { Ranges } from "../../src/wire/ranges.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { BlockTables } from "./block-tables.ts";
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
  /** Blocks that were sent and are not settled: what is dropped of them may have been delivered. */
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

  /** True where records of the block may be in Kafka although nobody said so. */
  isSent(lane: Lane, id: number): boolean {
    return this.#sent[lane].has(id);
  }

  settledRanges(lane: Lane): number[] {
    return this.#settled[lane].toJSON();
  }

  firstUnsettled(lane: Lane): number {
    const { nextBlock } = this.#counters.head;
    return this.#settled[lane].missing(1, nextBlock)[0]?.[0] ?? nextBlock;
  }

  sending(lane: Lane, first: number, last: number): void {
    this.#sent[lane].add(first, last);
  }

  /** `now`: the database can be read; otherwise it counts with `reload`. */
  settle(lane: Lane, first: number, last: number, now: boolean): void {
    this.#unwritten[lane].add(first, last);
    this.#sent[lane].remove(first, last);
    if (now) this.#settle(lane, first, last);
  }

  #settle(lane: Lane, first: number, last: number): void {
    const { lanes: counts, total } = this.#counters.head;
    for (const [from, to] of this.#settled[lane].missing(first, last)) {
      const { records, bytes } = this.#blocks.sizeOf(lane, from, to);
      counts[lane].unsentRecords -= records;
      counts[lane].unsentBytes -= bytes;
      total.published += records;
    }
    this.#settled[lane].add(first, last);
    this.#dirty.add(lane);
  }

  /** The block is gone: nothing is left to send of it. */
  dropped(lane: Lane, id: number): void {
    this.#settled[lane].add(id);
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
