import assert from "node:assert/strict";
import { streams, type Stream } from "../../src/wire/streams.ts";
import { recordHeaderBytes, type Block, type Entry } from "../journal/block.ts";
import type { BlockRows, RowOrigin } from "../out-rows.ts";

/** The rows `[from, to)` of one block, in order of arrival, which go to one topic-partition. */
export interface RowGroup {
  readonly key: string;
  readonly stream: Stream;
  readonly partition: number;
  readonly rows: BlockRows;
  readonly from: number;
  readonly to: number;
}

/** Names a topic-partition. */
export function partitionKey(stream: Stream, partition: number): string {
  return `${stream}/${partition}`;
}

interface OpenGroup {
  readonly key: string;
  readonly stream: Stream;
  readonly partition: number;
  from: number;
  /** Behind the last row that was put in. */
  to: number;
  /** By the directory. */
  count: number;
}

/**
 * Splits a block into its topic-partitions, and leaves out what is not wanted. The hot path: one walk over the records,
 * nothing is parsed, and what rows of a device share is made once.
 */
export function groupRows(
  block: Omit<Block, "id">,
  backfill: boolean,
  isWanted?: (origin: RowOrigin, seq: number) => boolean,
): RowGroup[] {
  const { records, entries } = block;
  const groups = new Map<string, OpenGroup>();
  const targets = entries.map((entry) => groupOf(groups, entry));
  const origins = entries.map((entry) => originOf(block, entry, backfill));
  const nextSeq = Float64Array.from(entries, ({ firstSeq }) => Math.max(1, firstSeq));
  const count = placeGroups(groups.values());
  const [starts, seqs] = [new Uint32Array(count), new Float64Array(count)];
  for (let at = 0; at < records.length;) {
    const start = at;
    const index = records[at]! | (records[at + 1]! << 8);
    at += recordHeaderBytes + records.readUInt32LE(at + 8);
    assert(index < entries.length, "record names an entry of its directory");
    const seq = nextSeq[index]!;
    nextSeq[index] = seq + 1;
    const group = targets[index];
    if (group === undefined) continue;
    if (isWanted !== undefined && !isWanted(origins[index]!, seq)) continue;
    starts[group.to] = start;
    seqs[group.to++] = seq;
  }
  const rows: BlockRows = { memory: records, origins, starts, seqs };
  return [...groups.values()].map(({ key, stream, partition, from, to, count }) => {
    assert(to - from <= count, "the directory counts its records");
    return { key, stream, partition, rows, from, to };
  });
}

/** Gives each group its place behind the one before; returns how many rows they have together. */
function placeGroups(groups: Iterable<OpenGroup>): number {
  let rows = 0;
  for (const group of groups) {
    group.from = group.to = rows;
    rows += group.count;
  }
  return rows;
}

/** Undefined for streams that stay on the gateway. */
function groupOf(groups: Map<string, OpenGroup>, { stream, partition, count }: Entry): OpenGroup | undefined {
  if (streams[stream].topic === undefined) return undefined;
  const key = partitionKey(stream, partition);
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = { key, stream, partition, from: 0, to: 0, count: 0 }));
  group.count += count;
  return group;
}

function originOf({ epoch, commit }: Omit<Block, "id">, { stream, device }: Entry, backfill: boolean): RowOrigin {
  return { epoch, stream, device, key: Buffer.from(device, "utf8"), commit, backfill };
}
