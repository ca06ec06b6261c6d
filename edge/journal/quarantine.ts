import { formatWireTime } from "../../src/observation/time.ts";
import type { Actor, LossReason } from "../../src/wire/records.ts";
import type { Counters } from "./counters.ts";
import type { QuarantineItem, RetriedMessage } from "./group.ts";
import type { Ledger } from "./ledger.ts";
import type { OwnRecords } from "./own-records.ts";
import type { QuarantineRow } from "./protocol.ts";
import type { QuarantineTable } from "./quarantine-table.ts";

const countMax = 100_000;

export interface QuarantineOptions {
  readonly gateway: string;
  readonly epoch: string;
}

/**
 * Bounds the quarantine and accounts for what leaves it: an eviction stands in the ledger, a deletion in ledger and
 * audit, a retry in the audit. Every call is part of a transaction of the caller.
 */
export class Quarantine {
  readonly #table: QuarantineTable;
  readonly #counters: Counters;
  readonly #ledger: Ledger;
  readonly #own: OwnRecords;
  readonly #options: QuarantineOptions;
  /** The oldest make room beyond it. */
  bytesMax: number;

  constructor(
    table: QuarantineTable,
    counters: Counters,
    ledger: Ledger,
    own: OwnRecords,
    options: QuarantineOptions,
    bytesMax: number,
  ) {
    this.#table = table;
    this.#counters = counters;
    this.#ledger = ledger;
    this.#own = own;
    this.#options = options;
    this.bytesMax = bytesMax;
  }

  setApart(items: readonly QuarantineItem[]): void {
    const { quarantine: counts, total } = this.#counters.head;
    for (const item of items) {
      this.#table.add(item);
      counts.count++;
      counts.bytes += item.bytes.length;
    }
    total.quarantined += items.length;
    const evicted: QuarantineRow[] = [];
    while (counts.bytes > this.bytesMax || counts.count > countMax) {
      const oldest = this.#table.oldest();
      this.#remove(oldest);
      evicted.push(oldest);
    }
    this.#ledgerAll(evicted, "quarantine-evicted");
  }

  /** What was read leaves with its records; the rest stays with one more try. A message that was evicted meanwhile is only audited. */
  settleRetries(retried: readonly RetriedMessage[]): void {
    for (const message of retried) {
      const { id, outcome } = message;
      const row = this.#table.row(id);
      if (row === undefined) continue;
      if (outcome.kind === "bad") this.#table.noteTry(message, outcome.reason, outcome.detail);
      else {
        this.#remove(row);
        this.#counters.head.total.released++;
      }
    }
    for (const messages of Map.groupBy(retried, ({ by }) => `${by.role} ${by.from}`).values()) this.#audit(messages);
  }

  #audit(messages: readonly RetriedMessage[]): void {
    const { by, timeMicros } = messages[0]!;
    const read = messages.filter(({ outcome }) => outcome.kind === "read").length;
    this.#own.addAudit(timeMicros, {
      by,
      action: "quarantine-retry",
      target: messagesText(messages.map(({ id }) => id)),
      result: "done",
      count: messages.length,
      detail: `${read} could be read, ${messages.length - read} still not`,
    });
  }

  /** Returns how many were still there. */
  delete(ids: readonly number[], by: Actor, nowMicros: number): number {
    const rows = [...new Set(ids)].flatMap((id) => this.#table.row(id) ?? []);
    if (rows.length === 0) return 0;
    for (const row of rows) this.#remove(row);
    this.#ledgerAll(rows, "quarantine-deleted");
    const reasons = [...new Set(rows.map(({ reason }) => reason))].sort().join(", ");
    this.#own.addAudit(nowMicros, {
      by,
      action: "quarantine-delete",
      target: messagesText(rows.map(({ id }) => id)),
      result: "done",
      count: rows.length,
      detail: reasons,
    });
    return rows.length;
  }

  #remove({ id, keptBytes }: QuarantineRow): void {
    const { quarantine: counts } = this.#counters.head;
    this.#table.remove(id);
    counts.count--;
    counts.bytes -= keptBytes;
  }

  /** One entry for all: they were never numbered, so the count and the times are what can be said. */
  #ledgerAll(rows: readonly QuarantineRow[], reason: LossReason): void {
    if (rows.length === 0) return;
    const times = rows.map(({ timeMicros }) => timeMicros);
    this.#ledger.add({
      kind: "loss",
      epoch: this.#options.epoch,
      stream: "quarantine",
      device: `${this.#options.gateway}/quarantine`,
      count: rows.length,
      from: formatWireTime(times.reduce((a, b) => Math.min(a, b))),
      to: formatWireTime(times.reduce((a, b) => Math.max(a, b))),
      reason,
    });
  }
}

function messagesText(ids: readonly number[]): string {
  const first = ids.reduce((a, b) => Math.min(a, b));
  const last = ids.reduce((a, b) => Math.max(a, b));
  return ids.length === 1 ? `message ${first}` : `${ids.length} messages from ${first} to ${last}`;
}
