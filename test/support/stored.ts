import { zstdCompressSync } from "node:zlib";
import { recordsOf, type Block } from "../../edge/journal/block.ts";
import { CommitReader } from "../../edge/journal/commit-reader.ts";
import { unpackStored } from "../../edge/journal/merged-block.ts";
import type { Store } from "../../edge/journal/store.ts";
import type { LedgerRecord } from "../../src/wire/records.ts";
import type { Lane } from "../../src/wire/streams.ts";

/** Every block of the lane under its own id, whether it was merged or not. */
export function blocksOf(store: Store, lane: Lane): Block[] {
  const blocks: Block[] = [];
  for (let after = 0; ;) {
    const packed = store.next(lane, after);
    if (packed === undefined) return blocks;
    blocks.push(...unpackStored(packed.id, packed.data, packed.crc));
    after = packed.id;
  }
}

/** Merges whatever can be merged, without the pauses of the journal's thread. Returns how many merges there were. */
export function mergeAll(store: Store): number {
  for (let merges = 0; ;) {
    const found = store.findMerge();
    if (found === "nothing") return merges;
    if (found === "again") continue;
    while (store.takeForMerge(found).more);
    store.finishMerge(found, zstdCompressSync(found.builder!.body()));
    merges++;
  }
}

/** Reads a store commit by commit, as the main thread does it through the journal's worker. */
export function commitReader(store: Store): CommitReader {
  return new CommitReader((wanted) =>
    Promise.resolve(
      new Map(store.nextOf(wanted).map(({ lane, id, data, crc }) => [lane, unpackStored(id, data, crc)])),
    ),
  );
}

/** Losses that the store's own ledger names. */
export function ledgerOf(store: Store): LedgerRecord[] {
  return blocksOf(store, "critical")
    .flatMap((block) => [...recordsOf(block)])
    .filter(({ entry }) => entry.stream === "ledger")
    .map(({ value }) => JSON.parse(value.toString()) as LedgerRecord)
    .filter(({ kind }) => kind === "loss");
}
