import type { Clock } from "../../src/clock.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import type { MetricSpec } from "../../src/profile/profile.ts";
import type { RolloutStatus } from "../../src/wire/rollouts.ts";
import type { DeviceRecord, GatewayStatusRecord } from "../../src/wire/records.ts";

/** Later epochs count on from higher numbers, so that their metadata always wins on a compacted topic. */
const revisionsPerEpoch = 1_000_000;

export interface GatewayFacts {
  readonly id: string;
  readonly path: string;
  readonly version: string;
  readonly epoch: string;
}

/** The records in which the gateway speaks of itself and of its devices; readers keep the highest revision. */
export class AgentRecords {
  readonly #clock: Clock;
  readonly #gateway: GatewayFacts;
  #revision: number;

  constructor(clock: Clock, gateway: GatewayFacts) {
    this.#clock = clock;
    this.#gateway = gateway;
    this.#revision = Number(gateway.epoch.split("-")[0]) * revisionsPerEpoch;
  }

  device(
    device: { readonly id: string; readonly path: string; readonly profile: { readonly id: string } },
    metrics: readonly MetricSpec[],
  ): DeviceRecord {
    return {
      device: device.id,
      path: device.path,
      profile: device.profile.id,
      gateway: this.#gateway.id,
      time: formatWireTime(this.#clock.nowMicros()),
      revision: ++this.#revision,
      metrics: Object.fromEntries(metrics.map((spec) => [spec.name, metricOf(spec)])),
    };
  }

  rollout(news: Omit<RolloutStatus, "gateway" | "time" | "revision">): RolloutStatus {
    const time = formatWireTime(this.#clock.nowMicros());
    return { gateway: this.#gateway.id, ...news, time, revision: ++this.#revision };
  }

  status(
    state: GatewayStatusRecord["state"],
    counts: Pick<GatewayStatusRecord, "devices" | "unsentRecords" | "quarantined" | "drift" | "models">,
  ): GatewayStatusRecord {
    const { id, path, version, epoch } = this.#gateway;
    return {
      gateway: id,
      path,
      version,
      epoch,
      time: formatWireTime(this.#clock.nowMicros()),
      revision: ++this.#revision,
      state,
      clock: this.#clock.state(),
      ...counts,
    };
  }
}

function metricOf({ label, unit, kind, range }: MetricSpec): DeviceRecord["metrics"][string] {
  return { label, unit, kind, ...(range === undefined ? {} : { range: [range[0], range[1]] as [number, number] }) };
}
