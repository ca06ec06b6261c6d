import type { Observation } from "../../src/observation/observation.ts";
import { formatWireTime, parseWireTime } from "../../src/observation/time.ts";
import type { CompiledProfile } from "../../src/profile/profile.ts";
import type { InsightRecord } from "../../src/wire/predictions.ts";
import type { AlertRecord } from "../../src/wire/records.ts";
import type { ModelView } from "../console/view.ts";
import type { ModelRule } from "./options.ts";
import { PackageScorer } from "./rows/package-scorer.ts";
import type { ServedModel } from "./rows/served-model.ts";

/** Episodes of a version beyond this are only counted. */
const listedMax = 10_000;

/** One alert that a version would have raised, from its beginning to its end. Times are wire times. */
export interface ReplayedAlert {
  readonly device: string;
  readonly raised: string;
  /** Undefined where it was open at the end of the history. */
  cleared: string | undefined;
  /** The metric with the largest share when it was raised. */
  readonly metric: string;
  readonly priority: AlertRecord["priority"];
  /** Highest score while it was open, on the scale of alerts. */
  peak: number;
  readonly explanation: string;
}

export interface ReplayedVersion extends Pick<ModelView, "version" | "devices" | "hours" | "rows" | "abnormalRows"> {
  /** Alerts that it would have raised. */
  readonly episodes: number;
  /** Episodes per machine and day; undefined where no row was judged. */
  readonly alertsPerMachineDay: number | undefined;
  /** The first ones in the order of time. */
  readonly alerts: readonly ReplayedAlert[];
  /** Why it is out of service, or out of service for a profile. */
  readonly faults: readonly string[];
}

export interface ReplayReport {
  readonly observations: number;
  /** Wire times of the first and the last one; absent where there was none. */
  readonly from?: string;
  readonly to?: string;
  readonly candidate: ReplayedVersion;
  /** Undefined where there is no version beside it. */
  readonly beside: ReplayedVersion | undefined;
  /** Observations at which both had an opinion, and those at which only one had an alert open. */
  readonly compared: number;
  readonly onlyCandidate: number;
  readonly onlyBeside: number;
}

/**
 * What a version of a model would have said of observations of the past, beside another one. Both run by the same code
 * as on the running gateway, from a state that has seen nothing.
 */
export class Replay {
  readonly #candidate: ReplaySide;
  /** The candidate is its shadow, which counts where the two differ. */
  readonly #beside: ReplaySide;
  readonly #hasBeside: boolean;
  #observations = 0;
  #fromMicros = Infinity;
  #toMicros = -Infinity;

  constructor(candidate: ServedModel, beside: ServedModel | undefined, rules: readonly ModelRule[]) {
    this.#candidate = new ReplaySide(candidate, undefined, rules);
    this.#beside = new ReplaySide(beside, candidate, rules);
    this.#hasBeside = beside !== undefined;
  }

  take(observation: Observation, profile: CompiledProfile): void {
    this.#observations++;
    this.#fromMicros = Math.min(this.#fromMicros, observation.timeMicros);
    this.#toMicros = Math.max(this.#toMicros, observation.timeMicros);
    this.#candidate.take(observation, profile);
    this.#beside.take(observation, profile);
  }

  /** Waits for models that answer later; to be called now and then, and before the report. */
  async settle(): Promise<void> {
    await this.#candidate.settle();
    await this.#beside.settle();
  }

  report(): ReplayReport {
    const difference = this.#beside.view("shadow")!;
    return {
      observations: this.#observations,
      ...(this.#observations === 0
        ? {}
        : { from: formatWireTime(this.#fromMicros), to: formatWireTime(this.#toMicros) }),
      candidate: this.#candidate.version(),
      beside: this.#hasBeside ? this.#beside.version() : undefined,
      compared: difference.compared,
      onlyCandidate: difference.onlyShadow,
      onlyBeside: difference.onlyLive,
    };
  }
}

class ReplaySide {
  readonly #scorer: PackageScorer;
  readonly #name: string | undefined;
  readonly #faults: string[] = [];
  readonly #alerts: ReplayedAlert[] = [];
  /** By device: the open one, and up to when its scores were looked at. */
  readonly #open: Map<string, { readonly alert: ReplayedAlert; seenMicros: number }> = new Map();

  constructor(live: ServedModel | undefined, shadow: ServedModel | undefined, rules: readonly ModelRule[]) {
    this.#name = live?.name;
    this.#scorer = new PackageScorer(rules, {
      fault: (_model, stage, reason) => {
        if (stage === "live") this.#faults.push(reason);
      },
      nowMs: () => 0,
    });
    if (live !== undefined) this.#scorer.deploy(live.name, "live", live);
    if (shadow !== undefined) this.#scorer.deploy(shadow.name, "shadow", shadow);
  }

  take(observation: Observation, profile: CompiledProfile): void {
    this.#hear(this.#scorer.score(observation, profile), [observation.device]);
  }

  async settle(): Promise<void> {
    const alerts = await this.#scorer.settle();
    if (alerts !== undefined) this.#hear(alerts, this.#open.keys());
  }

  #hear(alerts: readonly InsightRecord[], devices: Iterable<string>): void {
    for (const alert of alerts) {
      if (alert.kind === "raise") this.#raise(alert);
      if (alert.kind !== "clear") continue;
      this.#followPeak(alert.device);
      this.#clear(alert);
    }
    for (const device of devices) this.#followPeak(device);
  }

  #raise({ device, time, metric, priority, score, explanation }: AlertRecord): void {
    const alert = { device, raised: time, cleared: undefined, metric, priority, peak: score, explanation };
    if (this.#alerts.length < listedMax) this.#alerts.push(alert);
    this.#open.set(device, { alert, seenMicros: parseWireTime(time)! });
  }

  #followPeak(device: string): void {
    const open = this.#open.get(device);
    if (open === undefined || this.#name === undefined) return;
    for (const { timeMicros, score } of this.#scorer.recentScores(device, this.#name, open.seenMicros) ?? []) {
      open.seenMicros = timeMicros;
      if (score > open.alert.peak) open.alert.peak = score;
    }
  }

  #clear({ device, time }: AlertRecord): void {
    const open = this.#open.get(device);
    if (open !== undefined) open.alert.cleared = time;
    this.#open.delete(device);
  }

  view(stage: ModelView["stage"]): ModelView | undefined {
    return this.#scorer.status().find((view) => view.stage === stage);
  }

  version(): ReplayedVersion {
    const { version, devices, hours, rows, abnormalRows, episodes } = this.view("live")!;
    return {
      version,
      devices,
      hours,
      rows,
      abnormalRows,
      episodes,
      alertsPerMachineDay: hours === 0 ? undefined : (24 * episodes) / hours,
      alerts: this.#alerts,
      faults: this.#faults,
    };
  }
}

/** Whether an alert of the other version on the same device was open at the same time. */
export function isSeenBy(others: readonly ReplayedAlert[], alert: ReplayedAlert): boolean {
  const end = alert.cleared ?? "9";
  return others.some(
    ({ device, raised, cleared }) => device === alert.device && raised <= end && (cleared ?? "9") >= alert.raised,
  );
}
