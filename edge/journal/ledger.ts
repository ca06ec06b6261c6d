import { formatWireTime } from "../../src/observation/time.ts";
import type { LedgerRecord, LossReason } from "../../src/wire/records.ts";
import { isNumbered } from "../../src/wire/streams.ts";
import type { Entry } from "./block.ts";
import type { Counters } from "./counters.ts";
import type { LossTable } from "./loss-table.ts";
import type { OwnRecords } from "./own-records.ts";

/** Names what will not arrive, in the transaction that loses it. */
export class Ledger {
  readonly #counters: Counters;
  readonly #own: OwnRecords;
  readonly #losses: LossTable;

  constructor(counters: Counters, own: OwnRecords, losses: LossTable) {
    this.#counters = counters;
    this.#own = own;
    this.#losses = losses;
  }

  add(loss: LedgerRecord): void {
    const { total, losses } = this.#counters.head;
    total.ledgered += loss.count;
    losses[loss.reason] = (losses[loss.reason] ?? 0) + loss.count;
    this.#losses.note(loss);
    this.#own.addLoss(loss);
  }

  /** All numbered records of a block. */
  addBlock({ epoch, entries }: { epoch: string; entries: readonly Entry[] }, reason: LossReason): void {
    for (const entry of entries) {
      if (!isNumbered(entry.stream)) continue;
      this.add({
        kind: "loss",
        epoch,
        stream: entry.stream,
        device: entry.device,
        first: entry.firstSeq,
        last: entry.firstSeq + entry.count - 1,
        count: entry.count,
        from: formatWireTime(entry.minTimeMicros),
        to: formatWireTime(entry.maxTimeMicros),
        reason,
      });
    }
  }
}
