import type { Lane } from "../../src/wire/streams.ts";
import type { JournalLimits } from "./options.ts";

/** How much of the journal a lane may take, for how long, and what happens beyond. */
export interface LanePolicy {
  readonly quotaBytes: number;
  /** Of what Kafka does not have, and of history; undefined: no limit. */
  readonly maxAgeMicros: number | undefined;
  /**
   * `drop`: the oldest go, named in the ledger; of `insight` the least severe of them first. `expire`: the oldest go,
   * counted. `stop`: nothing more is taken.
   */
  readonly whenFull: "drop" | "expire" | "stop";
}

const hourMicros = 3_600e6;

export function lanePolicies(options: JournalLimits): Readonly<Record<Lane, LanePolicy>> {
  const common = options.quotaBytes - reserveBytes(options);
  const share = (percent: number): number => Math.min(common, (options.quotaBytes * percent) / 100);
  const age = (hours: number): number | undefined => (hours === 0 ? undefined : hours * hourMicros);
  return {
    critical: { quotaBytes: options.quotaBytes, maxAgeMicros: undefined, whenFull: "stop" },
    insight: {
      quotaBytes: share(options.insightSharePercent),
      maxAgeMicros: age(options.insightMaxAgeHours),
      whenFull: "drop",
    },
    telemetry: {
      quotaBytes: share(options.telemetrySharePercent),
      maxAgeMicros: age(options.telemetryMaxAgeHours),
      whenFull: options.telemetryWhenFull === "stop" ? "stop" : "drop",
    },
    history: {
      quotaBytes: share(options.historySharePercent),
      maxAgeMicros: options.historyDays * 24 * hourMicros,
      whenFull: "expire",
    },
  };
}

/** What only the lane `critical` and the ledger of what is dropped may use. */
export function reserveBytes({ quotaBytes, criticalReservePercent }: JournalLimits): number {
  return (quotaBytes * criticalReservePercent) / 100;
}
