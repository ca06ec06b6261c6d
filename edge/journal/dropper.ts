import type { LossReason } from "../../src/wire/records.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { BlockTables, Extent } from "./block-tables.ts";
import type { Counters } from "./counters.ts";
import type { Cursors } from "./cursors.ts";
import { damaged } from "./database.ts";
import type { Ledger } from "./ledger.ts";

export type DropReason = "quota" | "age" | "corrupt";

/** Deletes blocks, inside a transaction, and names what is lost with them. */
export class Dropper {
  readonly #blocks: BlockTables;
  readonly #cursors: Cursors;
  readonly #counters: Counters;
  readonly #ledger: Ledger;

  constructor(blocks: BlockTables, cursors: Cursors, counters: Counters, ledger: Ledger) {
    this.#blocks = blocks;
    this.#cursors = cursors;
    this.#counters = counters;
    this.#ledger = ledger;
  }

  /** Deletes a block; what Kafka does not have of it is named in the ledger. */
  drop(lane: Lane, id: number, reason: DropReason): void {
    const extent = this.#blocks.extent(lane, id);
    if (extent === undefined) {
      // A wrong bit in its count: it could neither be counted nor deleted, and would be found again and again.
      if (this.#blocks.get(lane, id) !== undefined) throw damaged(`block ${id} of ${lane} has no records`);
      return;
    }
    const { records, bytes, parts } = extent;
    const { lanes: counted, total } = this.#counters.head;
    const counts = counted[lane];
    counts.blocks--;
    counts.bytes -= bytes;
    counts.records -= records;
    const unsent = this.#cursors.unsent(lane, extent);
    if (lane === "history") total.expired += records;
    else if (unsent.records > 0) {
      this.#name(lane, extent, unsent.records, reason);
      counts.unsentRecords -= unsent.records;
      counts.unsentBytes -= unsent.bytes;
      this.#cursors.dropped(lane, parts.first, parts.last);
    }
    this.#blocks.delete(lane, id);
  }

  #name(lane: Lane, { id, records, parts }: Extent, unsent: number, reason: DropReason): void {
    const sent = this.#cursors.sentWithin(lane, parts.first, parts.last);
    const alike = unsent === records && sent !== "some";
    const blocks = alike || reason === "corrupt" ? undefined : this.#blocks.partsWithin(lane, id);
    if (blocks === undefined) {
      // Where both copies are gone, the manifest still says which numbers exist, so the cloud sees the hole. Where only
      // the block is damaged, it is named whole, also what Kafka has of it: what was received beats the ledger.
      const directory = this.#blocks.directoryOf(lane, id);
      if (directory !== undefined)
        this.#ledger.addBlock(directory, alike && reason !== "corrupt" ? reasonOf(sent, reason) : "corrupt");
      return;
    }
    // Some of a merged block is settled or was sent, some not: each of its parts is named for itself.
    for (const part of blocks) {
      if (this.#cursors.isSettled(lane, part.id)) continue;
      this.#ledger.addBlock(part, reasonOf(this.#cursors.sentWithin(lane, part.id, part.id), reason));
    }
  }
}

function reasonOf(sent: "all" | "none" | "some", reason: DropReason): LossReason {
  return sent === "none" ? reason : "maybe-delivered";
}
