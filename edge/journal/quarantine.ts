import { formatWireTime } from "../../src/observation/time.ts";
import type { Counters } from "./counters.ts";
import type { QuarantineItem } from "./group.ts";
import type { Ledger } from "./ledger.ts";
import type { QuarantineTable } from "./quarantine-table.ts";

const countMax = 100_000;

export interface QuarantineOptions {
  readonly gateway: string;
  readonly epoch: string;
  readonly quarantineBytesMax: number;
}

/** Bounds the quarantine: the oldest are deleted, and the ledger says so. */
export class Quarantine {
  readonly #table: QuarantineTable;
  readonly #counters: Counters;
  readonly #ledger: Ledger;
  readonly #options: QuarantineOptions;

  constructor(table: QuarantineTable, counters: Counters, ledger: Ledger, options: QuarantineOptions) {
    this.#table = table;
    this.#counters = counters;
    this.#ledger = ledger;
    this.#options = options;
  }

  setApart(items: readonly QuarantineItem[]): void {
    const { quarantine: counts, total } = this.#counters.head;
    for (const item of items) {
      this.#table.add(item);
      counts.count++;
      counts.bytes += item.bytes.length;
    }
    total.quarantined += items.length;
    while (counts.bytes > this.#options.quarantineBytesMax || counts.count > countMax) this.#evictOldest();
  }

  #evictOldest(): void {
    const { timeMicros, bytes } = this.#table.evictOldest();
    const { quarantine: counts } = this.#counters.head;
    counts.count--;
    counts.bytes -= bytes;
    const time = formatWireTime(timeMicros);
    this.#ledger.add({
      kind: "loss",
      epoch: this.#options.epoch,
      stream: "quarantine",
      device: `${this.#options.gateway}/quarantine`,
      count: 1,
      from: time,
      to: time,
      reason: "quarantine-evicted",
    });
  }
}
