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

  /** Of the open transaction, not told yet. */
  #open: Map<string, LedgerRecord> = new Map();

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
    this.#coalesce(loss);
  }

  /** Ranges that follow each other become one: a step that drops many small blocks names each device once. */
  #coalesce(loss: LedgerRecord): void {
    const key = `${loss.epoch}/${loss.stream}/${loss.device}/${loss.reason}`;
    const open = this.#open.get(key);
    if (open === undefined || loss.first === undefined || open.last === undefined || open.last + 1 !== loss.first) {
      if (open !== undefined) this.#own.addLoss(open);
      this.#open.set(key, { ...loss });
      return;
    }
    open.last = loss.last!;
    open.count += loss.count;
    if (loss.from < open.from) open.from = loss.from;
    if (loss.to > open.to) open.to = loss.to;
  }

  /** At the end of the transaction, before its own records are stored. */
  write(): void {
    for (const loss of this.#open.values()) this.#own.addLoss(loss);
    this.clear();
  }

  clear(): void {
    if (this.#open.size > 0) this.#open = new Map();
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
