import { giveBack } from "../../src/give-back.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import { unpackBlock } from "./block.ts";
import type { BlockTables, SizedRow } from "./block-tables.ts";
import type { Counters } from "./counters.ts";
import type { Cursors } from "./cursors.ts";
import { MergeBuilder, packMerged } from "./merged-block.ts";
import { perLane } from "./per-lane.ts";
import { encodeMerged } from "./stored-directory.ts";

/** A run of small blocks is merged when it has one of these: about 256 KiB once it is stored, about 2 MiB in memory. */
const mergeAtRecords = 8_192;
const mergeAtPackedBytes = 524_288;
const mergeAtBytes = 2_097_152;
/** How much older the oldest record may be than its block says by its newest. */
const spanMaxMicros = 3_600e6;
const blocksMin = 4;
/** A larger block gains nothing. */
const smallBytes = 131_072;
const rowsPerLook = 64;
/** Beyond it the clock was set between two blocks: then each keeps a time and a monotonic time of its own. */
const clockStepMicros = 1e6;

/** Where the search for small blocks is in a lane, and those found last that follow each other. */
interface Search {
  after: number;
  rows: SizedRow[];
  records: number;
  packedBytes: number;
}

/** A merge on its way. Only `replace` changes the journal. */
export interface Merge {
  readonly lane: Lane;
  /** Not read yet, oldest first. */
  readonly waiting: SizedRow[];
  readonly taken: SizedRow[];
  builder: MergeBuilder | undefined;
}

/**
 * Merges small blocks into large ones, oldest first, in steps that are short enough to stand between two commits:
 * `find` until there is something, `take` until all is read, then zstd elsewhere, and one transaction with `replace`.
 */
export class Merger {
  readonly #blocks: BlockTables;
  readonly #cursors: Cursors;
  readonly #counters: Counters;
  readonly #searches: Record<Lane, Search>;

  constructor(blocks: BlockTables, cursors: Cursors, counters: Counters) {
    this.#blocks = blocks;
    this.#cursors = cursors;
    this.#counters = counters;
    this.#searches = perLane((lane) => searchAfter(blocks.lastMerged(lane)));
  }

  /** Looks at some rows of each lane. `nothing`: there is nothing to merge now. */
  find(): Merge | "again" | "nothing" {
    let seen = 0;
    for (const lane of lanes) {
      const search = this.#searches[lane];
      for (const row of this.#blocks.rowsAfter(lane, search.after, rowsPerLook)) {
        // What has to go of `insight` is chosen by its severity, block by block.
        if (lane === "insight" && !this.#cursors.isSettled(lane, row.id)) break;
        seen++;
        const run = this.#look(search, row);
        if (run !== undefined) return { lane, waiting: run, taken: [], builder: undefined };
      }
    }
    return seen > 0 ? "again" : "nothing";
  }

  /** Returns a run that has come to its end. */
  #look(search: Search, row: SizedRow): SizedRow[] | undefined {
    const { rows } = search;
    if (rows.length > 0 && !follows(rows.at(-1)!, row)) {
      Object.assign(search, searchAfter(search.after));
      // The row is looked at again.
      if (rows.length >= blocksMin) return rows;
    }
    search.after = row.id;
    if (row.blockBytes >= smallBytes) return undefined;
    search.rows.push(row);
    search.records += row.count;
    search.packedBytes += row.blockBytes;
    if (!isWhole(search)) return undefined;
    const whole = search.rows;
    Object.assign(search, searchAfter(row.id));
    return whole;
  }

  /** Reads the next block of the merge; false where there is none, or it is large enough. Throws JOURNAL_CORRUPT for a damaged one. */
  take(merge: Merge): boolean {
    const row = merge.waiting.shift();
    if (row === undefined) return false;
    const stored = this.#blocks.get(merge.lane, row.id);
    // It may have been reclaimed meanwhile.
    if (stored === undefined) return true;
    const block = unpackBlock(row.id, stored.data, stored.crc);
    merge.builder ??= new MergeBuilder(merge.lane, block.epoch);
    merge.builder.add(block);
    giveBack(block.records);
    giveBack(stored.data);
    merge.taken.push(row);
    if (merge.builder.bytes < mergeAtBytes) return true;
    // What was not read begins the next run.
    this.#searches[merge.lane] = searchAfter(row.id);
    return false;
  }

  /** Inside a transaction: puts the merged block in the place of its parts. False where these are not what they were. */
  replace({ lane, taken, builder }: Merge, compressed: Uint8Array): boolean {
    const [oldest, newest] = [taken[0]!, taken.at(-1)!];
    const [first, last] = [oldest.id, newest.id];
    if (this.#blocks.countWithin(lane, first, last) !== taken.length) return false;
    const counts = this.#counters.head.lanes[lane];
    const before = this.#blocks.sizeOf(lane, first, last).bytes;
    if (lane !== "history") counts.unsentBytes -= this.#cursors.unsentBytesWithin(lane, first, last);
    const row = { ...newest, count: builder!.records };
    const packed = { block: packMerged(compressed), directory: encodeMerged(builder!.directory()) };
    const bytes = this.#blocks.replace(lane, row, { first, sinceMicros: oldest.storedMicros }, packed);
    counts.blocks -= taken.length - 1;
    counts.bytes += bytes - before;
    if (lane !== "history") counts.unsentBytes += this.#cursors.unsent(lane, this.#blocks.extent(lane, last)!).bytes;
    return true;
  }

  /** The merge did not happen: its blocks are looked at again. */
  giveUp({ lane, taken, waiting }: Merge): void {
    const first = taken[0] ?? waiting[0];
    if (first !== undefined) this.#searches[lane] = searchAfter(first.id - 1);
  }
}

function follows(before: SizedRow, row: SizedRow): boolean {
  const step = row.storedMicros - before.storedMicros - (row.monoMs - before.monoMs) * 1_000;
  return row.epoch === before.epoch && row.blockBytes < smallBytes && Math.abs(step) < clockStepMicros;
}

function isWhole({ rows, records, packedBytes }: Search): boolean {
  if (rows.length < blocksMin) return false;
  const spanMicros = rows.at(-1)!.storedMicros - rows[0]!.storedMicros;
  return records >= mergeAtRecords || packedBytes >= mergeAtPackedBytes || spanMicros >= spanMaxMicros;
}

function searchAfter(after: number): Search {
  return { after, rows: [], records: 0, packedBytes: 0 };
}
