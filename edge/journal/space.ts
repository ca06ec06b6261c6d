import type { Clock } from "../../src/clock.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { BlockTables, StoredSize } from "./block-tables.ts";
import type { Connection } from "./connection.ts";
import type { Counters } from "./counters.ts";
import type { Cursors } from "./cursors.ts";
import type { DropReason } from "./dropper.ts";
import { Forecast } from "./forecast.ts";
import { lanePolicies, reserveBytes, type LanePolicy } from "./lane-policy.ts";
import type { JournalLimits } from "./options.ts";
import { perLane } from "./per-lane.ts";
import type { LaneUsage, Usage } from "./protocol.ts";
import { leastSevere } from "./severity.ts";

/** Blocks that one reclaim transaction deletes: bounds how long a commit can wait behind it. */
const reclaimBlocksMax = 64;
/** Of the oldest so many of `insight`, the least severe go first. */
const severityLookMax = 256;
const replayShareOfQuota = 0.2;

/** Blocks of a lane that have to go. */
export interface Victims {
  readonly lane: Lane;
  readonly ids: readonly number[];
  readonly reason: DropReason;
}

/** Keeps the journal within its quotas: knows how full it is and says what has to go. */
export class Space {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #blocks: BlockTables;
  readonly #cursors: Cursors;
  readonly #counters: Counters;
  readonly #ballastBytes: number;
  #limits: JournalLimits;
  #policies: Readonly<Record<Lane, LanePolicy>>;
  readonly #forecast = new Forecast();
  /** Lanes that may take nothing: a quota is reached and nothing may be dropped. */
  readonly #full: Set<Lane> = new Set();

  constructor(
    connection: Connection,
    clock: Clock,
    blocks: BlockTables,
    cursors: Cursors,
    counters: Counters,
    ballastBytes: number,
    limits: JournalLimits,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#blocks = blocks;
    this.#cursors = cursors;
    this.#counters = counters;
    this.#ballastBytes = ballastBytes;
    this.#limits = limits;
    this.#policies = lanePolicies(limits);
  }

  /** Other limits from now on: what is beyond them goes in the next steps. */
  limit(limits: JournalLimits): void {
    this.#limits = limits;
    this.#policies = lanePolicies(limits);
  }

  isFull(lane: Lane): boolean {
    return this.#full.has(lane);
  }

  usage(): Omit<Usage, "salvage"> {
    const unsentBytes = perLane((lane) => this.#counters.head.lanes[lane].unsentBytes);
    const growing = { ...unsentBytes, history: this.#counters.head.lanes.history.bytes };
    this.#forecast.sample(this.#clock.monotonicMs(), growing);
    const unsent = lanes.reduce((sum, lane) => sum + unsentBytes[lane], 0);
    const commonFree = this.#commonBytes - unsent;
    const laneUsage = perLane((lane): LaneUsage => {
      const { quotaBytes } = this.#policies[lane];
      return {
        quotaBytes,
        oldestUnsentMicros: this.#oldestUnsent(lane),
        bytesPerSecond: this.#forecast.bytesPerSecond(lane),
        fullInSeconds: this.#forecast.fullInSeconds(lane, quotaBytes - growing[lane], commonFree),
        isFull: this.#full.has(lane),
      };
    });
    const oldest = lanes.flatMap((lane) => laneUsage[lane].oldestUnsentMicros ?? []);
    return {
      bytes: this.#bytesUsed(),
      quotaBytes: this.#limits.quotaBytes,
      head: this.#counters.head,
      oldestUnsentMicros: oldest.length === 0 ? undefined : Math.min(...oldest),
      lanes: laneUsage,
    };
  }

  #bytesUsed(): number {
    return this.#connection.bytesUsed() + this.#ballastBytes;
  }

  /** What all lanes may use together; `critical` and the ledger have a reserve beyond it. */
  get #commonBytes(): number {
    return this.#limits.quotaBytes - reserveBytes(this.#limits);
  }

  #oldestUnsent(lane: Lane): number | undefined {
    if (this.#counters.head.lanes[lane].unsentRecords === 0) return undefined;
    return this.#blocks.storedMicros(lane, this.#cursors.firstUnsettled(lane));
  }

  /**
   * What goes next, in bounded steps: what is older than its lane keeps it, then what a lane's quota asks for, then what
   * the journal's asks for in the order forwarded → history → policy; no more than is asked for. Undefined where nothing
   * has to go, or nothing may. On a full disk only what nobody needs goes: nothing unsent is dropped because of
   * somebody else's files.
   */
  nextVictims(diskFull: boolean): Victims | undefined {
    this.#full.clear();
    const victims = this.#expired() ?? this.#ofLanes() ?? this.#ofAll();
    return victims ?? (diskFull ? (this.#forwarded(everything) ?? this.#ofHistory(everything)) : undefined);
  }

  #expired(): Victims | undefined {
    const now = this.#clock.nowMicros();
    const until = (micros: number): Wanted => ({ untilMicros: micros, bytes: Infinity, reason: "age" });
    const aged = (lane: Lane): Victims | undefined => {
      const { maxAgeMicros } = this.#policies[lane];
      return maxAgeMicros === undefined ? undefined : this.#unsent(lane, until(now - maxAgeMicros));
    };
    return (
      this.#ofHistory(until(now - this.#policies.history.maxAgeMicros!)) ??
      this.#forwarded(until(now - this.#limits.replayWindowHours * 3600e6)) ??
      aged("telemetry") ??
      aged("insight")
    );
  }

  /** Lanes beyond their own quota. */
  #ofLanes(): Victims | undefined {
    for (const lane of ["history", "insight", "telemetry"] as const) {
      const excess = this.#counters.head.lanes[lane].bytes - this.#policies[lane].quotaBytes;
      if (excess <= 0) continue;
      const wanted = atLeast(excess);
      const victims = this.#forwardedOf(lane, wanted) ?? this.#byPolicy(lane, wanted);
      if (victims !== undefined) return victims;
      this.#full.add(lane);
    }
    return undefined;
  }

  /** All lanes together beyond what they have in common. */
  #ofAll(): Victims | undefined {
    const used = this.#bytesUsed();
    if (used <= this.#commonBytes) return undefined;
    const wanted = atLeast(used - this.#commonBytes);
    const victims =
      this.#forwarded(wanted) ??
      this.#ofHistory(wanted) ??
      this.#byPolicy("telemetry", wanted) ??
      this.#byPolicy("insight", wanted);
    if (victims !== undefined) return victims;
    this.#full.add("telemetry").add("history").add("insight");
    if (used > this.#limits.quotaBytes) this.#full.add("critical");
    return undefined;
  }

  #byPolicy(lane: Lane, wanted: Wanted): Victims | undefined {
    switch (this.#policies[lane].whenFull) {
      case "stop":
        return undefined;
      case "expire":
        return this.#ofHistory(wanted);
      case "drop":
        return lane === "insight" ? this.#leastSevere(wanted) : this.#unsent(lane, wanted);
    }
  }

  #ofHistory(wanted: Wanted): Victims | undefined {
    return victimsOf("history", this.#blocks.storedUntil("history", 0, wanted.untilMicros, reclaimBlocksMax), wanted);
  }

  #unsent(lane: Lane, wanted: Wanted): Victims | undefined {
    const from = this.#cursors.firstUnsettled(lane);
    return victimsOf(lane, this.#blocks.storedUntil(lane, from, wanted.untilMicros, reclaimBlocksMax), wanted);
  }

  #leastSevere(wanted: Wanted): Victims | undefined {
    const from = this.#cursors.firstUnsettled("insight");
    const oldest = this.#blocks.storedUntil("insight", from, wanted.untilMicros, severityLookMax);
    const least = leastSevere(oldest, ({ id }) => this.#blocks.partsWithin("insight", id) ?? []);
    return victimsOf("insight", least.slice(0, reclaimBlocksMax), wanted);
  }

  /** Blocks that Kafka has, oldest first: as wanted, or beyond the replay window's share of the quota. */
  #forwarded(wanted: Wanted): Victims | undefined {
    for (const lane of ["telemetry", "insight", "critical"] as const) {
      const victims = this.#forwardedOf(lane, wanted);
      if (victims !== undefined) return victims;
    }
    return undefined;
  }

  #forwardedOf(lane: Lane, wanted: Wanted): Victims | undefined {
    if (lane === "history") return undefined;
    const counts = this.#counters.head.lanes[lane];
    const excess = counts.bytes - counts.unsentBytes - this.#limits.quotaBytes * replayShareOfQuota;
    const found: StoredSize[] = [];
    const { untilMicros } = excess > 0 ? everything : wanted;
    // Behind the first that is unsent there may be later ones that are not: live records overtake a backlog.
    for (const [first, last] of this.#cursors.settledPairs(lane)) {
      const rows = this.#blocks.storedBetween(lane, first, last, untilMicros, reclaimBlocksMax - found.length);
      found.push(...rows.filter(({ id }) => !this.#hasUnsent(lane, id)));
      if (found.length === reclaimBlocksMax) break;
    }
    return victimsOf(lane, found, { ...wanted, bytes: Math.max(wanted.bytes, excess) });
  }

  /** A merged block may be settled in part. */
  #hasUnsent(lane: Lane, id: number): boolean {
    const extent = this.#blocks.extent(lane, id);
    return extent !== undefined && this.#cursors.unsent(lane, extent).records > 0;
  }
}

/** What has to go: stored until then, and no more than these bytes need. */
interface Wanted {
  readonly untilMicros: number;
  readonly bytes: number;
  readonly reason: DropReason;
}

const everything: Wanted = { untilMicros: Infinity, bytes: Infinity, reason: "quota" };

function atLeast(bytes: number): Wanted {
  return { ...everything, bytes };
}

function victimsOf(lane: Lane, found: readonly StoredSize[], { bytes, reason }: Wanted): Victims | undefined {
  let sum = 0;
  const enough = found.findIndex((block) => (sum += block.bytes) >= bytes);
  const ids = (enough < 0 ? found : found.slice(0, enough + 1)).map(({ id }) => id);
  return ids.length === 0 ? undefined : { lane, ids, reason };
}
