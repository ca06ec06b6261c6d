import type { Clock } from "../../src/clock.ts";
import type { LossReason } from "../../src/wire/records.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { BlockTables } from "./block-tables.ts";
import type { Connection } from "./connection.ts";
import type { Counters } from "./counters.ts";
import type { Cursors } from "./cursors.ts";
import type { Ledger } from "./ledger.ts";
import type { JournalOptions } from "./options.ts";
import type { Usage } from "./protocol.ts";

/** Blocks that one reclaim transaction deletes: bounds how long a commit can wait behind it. */
const reclaimBlocksMax = 64;
const replayShareOfQuota = 0.2;
const dayMicros = 86_400e6;

/** Blocks of a lane that have to go. */
export interface Victims {
  readonly lane: Lane;
  readonly ids: readonly number[];
}

/** Keeps the journal within its quota: says what has to go, and deletes it. */
export class Space {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #blocks: BlockTables;
  readonly #cursors: Cursors;
  readonly #counters: Counters;
  readonly #ledger: Ledger;
  readonly #options: JournalOptions;
  /** The quota is reached and nothing may be dropped. */
  #full = false;

  constructor(
    connection: Connection,
    clock: Clock,
    blocks: BlockTables,
    cursors: Cursors,
    counters: Counters,
    ledger: Ledger,
    options: JournalOptions,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#blocks = blocks;
    this.#cursors = cursors;
    this.#counters = counters;
    this.#ledger = ledger;
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#full;
  }

  usage(): Usage {
    return {
      bytes: this.#bytesUsed(),
      quotaBytes: this.#options.quotaBytes,
      head: this.#counters.head,
      oldestUnsentMicros: this.#oldestUnsent(),
    };
  }

  #bytesUsed(): number {
    return this.#connection.bytesUsed() + this.#options.ballastBytes;
  }

  #oldestUnsent(): number | undefined {
    let oldest: number | undefined;
    for (const lane of lanes) {
      if (this.#counters.head.lanes[lane].unsentRecords === 0) continue;
      const stored = this.#blocks.storedMicros(lane, this.#cursors.firstUnsettled(lane));
      if (stored !== undefined) oldest = Math.min(oldest ?? Infinity, stored);
    }
    return oldest;
  }

  /**
   * What goes next, in bounded steps: history and the replay window by age, then what the quota asks for in the order
   * forwarded → history → policy. Undefined where nothing has to go, or nothing may.
   */
  nextVictims(): Victims | undefined {
    const now = this.#clock.nowMicros();
    const { historyDays, replayWindowHours, quotaBytes } = this.#options;
    const over = this.#bytesUsed() > quotaBytes;
    const victims =
      this.#oldest("history", over ? now : now - historyDays * dayMicros, false) ??
      this.#forwarded(over ? now : now - replayWindowHours * 3600e6) ??
      (over ? this.#unsent(now) : undefined);
    this.#full = over && victims === undefined;
    return victims;
  }

  #unsent(now: number): Victims | undefined {
    const telemetry =
      this.#options.telemetryWhenFull === "dropOldest" ? this.#oldest("telemetry", now, true) : undefined;
    return telemetry ?? this.#oldest("insight", now, true);
  }

  #oldest(lane: Lane, before: number, unsentOnly: boolean): Victims | undefined {
    const from = unsentOnly ? this.#cursors.firstUnsettled(lane) : 0;
    const ids = this.#blocks.idsUntil(lane, from, before, reclaimBlocksMax);
    return ids.length === 0 ? undefined : { lane, ids };
  }

  /** Blocks that Kafka has, oldest first: beyond the replay window by age, or by its share of the quota. */
  #forwarded(before: number): Victims | undefined {
    for (const lane of ["telemetry", "insight", "critical"] as const) {
      const counts = this.#counters.head.lanes[lane];
      const window =
        counts.bytes - counts.unsentBytes > this.#options.quotaBytes * replayShareOfQuota
          ? this.#clock.nowMicros()
          : before;
      const ids = this.#blocks
        .idsUntil(lane, 0, window, reclaimBlocksMax)
        .filter((id) => this.#cursors.isSettled(lane, id));
      if (ids.length > 0) return { lane, ids };
    }
    return undefined;
  }

  /** Deletes a block; what Kafka does not have is named in the ledger, from the directory. */
  drop(
    lane: Lane,
    id: number,
    reason: LossReason = this.#cursors.isSent(lane, id) ? "maybe-delivered" : "quota",
  ): void {
    const { records, bytes } = this.#blocks.sizeOf(lane, id, id);
    if (records === 0) return;
    const { lanes: counted, total } = this.#counters.head;
    const counts = counted[lane];
    counts.blocks--;
    counts.bytes -= bytes;
    counts.records -= records;
    if (lane === "history") total.expired += records;
    else if (!this.#cursors.isSettled(lane, id)) {
      // Where both copies are gone, the manifest still says which numbers exist, so the cloud sees the hole.
      const directory = this.#blocks.directoryOf(lane, id);
      if (directory !== undefined) this.#ledger.addBlock(directory, reason);
      counts.unsentRecords -= records;
      counts.unsentBytes -= bytes;
      this.#cursors.dropped(lane, id);
    }
    this.#blocks.delete(lane, id);
  }
}
