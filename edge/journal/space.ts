import type { Clock } from "../../src/clock.ts";
import type { LossReason } from "../../src/wire/records.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { BlockTables, Extent } from "./block-tables.ts";
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

  usage(): Omit<Usage, "salvage"> {
    const oldestUnsent = this.#oldestUnsent();
    const times = Object.values(oldestUnsent);
    return {
      bytes: this.#bytesUsed(),
      quotaBytes: this.#options.quotaBytes,
      head: this.#counters.head,
      oldestUnsentMicros: times.length === 0 ? undefined : Math.min(...times),
      oldestUnsent,
    };
  }

  #bytesUsed(): number {
    return this.#connection.bytesUsed() + this.#options.ballastBytes;
  }

  #oldestUnsent(): Partial<Record<Lane, number>> {
    const oldest: Partial<Record<Lane, number>> = {};
    for (const lane of lanes) {
      if (this.#counters.head.lanes[lane].unsentRecords === 0) continue;
      const stored = this.#blocks.storedMicros(lane, this.#cursors.firstUnsettled(lane));
      if (stored !== undefined) oldest[lane] = stored;
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
        .filter((id) => this.#cursors.unsent(lane, this.#blocks.extent(lane, id)!).records === 0);
      if (ids.length > 0) return { lane, ids };
    }
    return undefined;
  }

  /** Deletes a block; what Kafka does not have of it is named in the ledger. */
  drop(lane: Lane, id: number, reason: "quota" | "corrupt"): void {
    const extent = this.#blocks.extent(lane, id);
    if (extent === undefined) return;
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

  #name(lane: Lane, { id, records, parts }: Extent, unsent: number, reason: "quota" | "corrupt"): void {
    const sent = this.#cursors.sentWithin(lane, parts.first, parts.last);
    const alike = unsent === records && sent !== "some";
    const blocks = alike || reason === "corrupt" ? undefined : this.#blocks.partsWithin(lane, id);
    if (blocks === undefined) {
      // Where both copies are gone, the manifest still says which numbers exist, so the cloud sees the hole. Where only
      // the block is damaged, it is named whole, also what Kafka has of it: what was received beats the ledger.
      const directory = this.#blocks.directoryOf(lane, id);
      if (directory !== undefined)
        this.#ledger.addBlock(directory, alike && reason === "quota" ? reasonOf(sent) : "corrupt");
      return;
    }
    // Some of a merged block is settled or was sent, some not: each of its parts is named for itself.
    for (const part of blocks) {
      if (this.#cursors.isSettled(lane, part.id)) continue;
      this.#ledger.addBlock(part, reasonOf(this.#cursors.sentWithin(lane, part.id, part.id)));
    }
  }
}

function reasonOf(sent: "all" | "none" | "some"): LossReason {
  return sent === "none" ? "quota" : "maybe-delivered";
}
