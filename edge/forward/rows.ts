import assert from "node:assert/strict";
import { streams, type Stream } from "../../src/wire/streams.ts";
import { noTime, recordHeaderBytes, type Block, type Entry } from "../journal/block.ts";
import type { OutRow, RowOrigin } from "../sink.ts";

/** A row as the forwarder holds it: its value can be moved out of the block's memory. */
export interface Row extends OutRow {
  value: Buffer;
}

/** The rows of one block that go to one topic-partition, in order of arrival. */
export interface RowGroup {
  readonly key: string;
  readonly stream: Stream;
  readonly partition: number;
  readonly rows: Row[];
}

/** Names a topic-partition. */
export function partitionKey(stream: Stream, partition: number): string {
  return `${stream}/${partition}`;
}

/**
 * Splits a block into its topic-partitions. The hot path: one walk over the records, nothing is parsed, and what rows
 * of a device share is made once.
 */
export function groupRows(block: Omit<Block, "id">, backfill: boolean): RowGroup[] {
  const groups = new Map<string, RowGroup>();
  const targets: (Row[] | undefined)[] = [];
  const origins: RowOrigin[] = [];
  for (const entry of block.entries) {
    targets.push(groupOf(groups, entry)?.rows);
    origins.push(originOf(block, entry, backfill));
  }
  const nextSeq = Float64Array.from(block.entries, ({ firstSeq }) => Math.max(1, firstSeq));
  const { records } = block;
  for (let at = 0; at < records.length;) {
    const index = records[at]! | (records[at + 1]! << 8);
    const time = records[at + 4]! | (records[at + 5]! << 8);
    const start = at + recordHeaderBytes;
    at = start + records.readUInt32LE(start - 4);
    const origin = origins[index];
    assert(origin !== undefined, "record names an entry of its directory");
    const seq = nextSeq[index]!++;
    targets[index]?.push({ value: records.subarray(start, at), seq, timeAt: time === noTime ? -1 : time, origin });
  }
  return [...groups.values()];
}

/** Undefined for streams that stay on the gateway. */
function groupOf(groups: Map<string, RowGroup>, { stream, partition }: Entry): RowGroup | undefined {
  if (streams[stream].topic === undefined) return undefined;
  const key = partitionKey(stream, partition);
  let group = groups.get(key);
  if (group === undefined) groups.set(key, (group = { key, stream, partition, rows: [] }));
  return group;
}

function originOf({ epoch, commit }: Omit<Block, "id">, { stream, device }: Entry, backfill: boolean): RowOrigin {
  return { epoch, stream, device, key: Buffer.from(device, "utf8"), commit, backfill };
}
