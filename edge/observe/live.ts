import type { Observation } from "../../src/observation/observation.ts";
import type { MetricSpec } from "../../src/profile/profile.ts";
import type { DeviceView, MetricView, TrendView } from "../console/view.ts";
import { Trend } from "./trend.ts";

/** What the live view needs of a device; the pipeline's own object. */
export interface LiveDevice {
  readonly id: string;
  readonly path: string;
  readonly profile: {
    readonly id: string;
    readonly metrics: ReadonlyMap<string, MetricSpec>;
    specOf(name: string): MetricSpec | undefined;
  };
  readonly lastSource: string;
  readonly lastSeenMs: number;
}

/** Trends are kept for this many metrics; those that come later show values only. */
const trendsMax = 5_000;
/** A device that is silent for this many of its own intervals, but at least `staleMinMs`, looks stale. */
const staleIntervals = 5;
const staleMinMs = 10_000;
/** Messages of a device between two looks that are shown; of more, the newest. */
const recentMax = 16;

/** What the models say of a metric; undefined where none watches it. */
type DriftOf = (device: string, metric: string) => MetricView["drift"];

interface Live {
  device: LiveDevice;
  /** Of each metric the last observation that carried it, and when. */
  readonly metrics: Map<string, { observation: Observation; seenMs: number }>;
  /** Since the last look; a device may spread its metrics over several messages. */
  recent: Observation[];
  recentMs: number;
  /** Smoothed time between messages. */
  intervalMs: number;
  readonly trends: Map<string, Trend>;
}

/** Last values and short trends of all devices. Taking an observation costs a push; the rest is done once a second. */
export class LiveValues {
  readonly #devices: Map<string, Live> = new Map();
  /** Devices that sent metrics which their profile does not name. */
  readonly #grown: Set<string> = new Set();
  readonly #driftOf: DriftOf;
  #trends = 0;

  constructor(driftOf: DriftOf) {
    this.#driftOf = driftOf;
  }

  observed(device: LiveDevice, observation: Observation): void {
    let live = this.#devices.get(device.id);
    if (live === undefined) {
      live = { device, metrics: new Map(), recent: [], recentMs: 0, intervalMs: 0, trends: new Map() };
      this.#devices.set(device.id, live);
    }
    if (live.recent.length < recentMax) live.recent.push(observation);
    else live.recent[recentMax - 1] = observation;
    live.recentMs = device.lastSeenMs;
  }

  #fold(live: Live): void {
    for (const observation of live.recent) {
      for (const name in observation.values) this.#see(live, name, observation);
      for (const name in observation.exact) this.#see(live, name, observation);
    }
    live.recent = [];
  }

  #see(live: Live, name: string, observation: Observation): void {
    const before = live.metrics.get(name);
    if (before !== undefined && live.recentMs > before.seenMs) this.#rhythm(live, live.recentMs - before.seenMs);
    if (before === undefined && !live.device.profile.metrics.has(name)) this.#grown.add(live.device.id);
    live.metrics.set(name, { observation, seenMs: live.recentMs });
  }

  #rhythm(live: Live, intervalMs: number): void {
    live.intervalMs = live.intervalMs === 0 ? intervalMs : live.intervalMs * 0.9 + intervalMs * 0.1;
  }

  /** These are the devices now: what is shown of others goes. */
  follow(devices: ReadonlyMap<string, LiveDevice>): void {
    for (const [id, live] of this.#devices) {
      const device = devices.get(id);
      if (device !== undefined) live.device = device;
      else {
        this.#trends -= live.trends.size;
        this.#devices.delete(id);
      }
    }
  }

  /** To be called once a second: feeds the trends. */
  sample(nowMs: number, wallMs: number): void {
    for (const live of this.#devices.values()) {
      this.#fold(live);
      for (const [name, { observation, seenMs }] of live.metrics) {
        const trend = this.#trendOf(live, name);
        const value = observation.values[name];
        const isUsable =
          typeof value === "number" && observation.quality?.[name] !== "bad" && nowMs - seenMs < this.#staleAfter(live);
        trend?.sample(wallMs, isUsable ? value : null);
      }
    }
  }

  #trendOf(live: Live, name: string): Trend | undefined {
    let trend = live.trends.get(name);
    if (trend === undefined && this.#trends < trendsMax) {
      trend = new Trend();
      this.#trends++;
      live.trends.set(name, trend);
    }
    return trend;
  }

  #staleAfter(live: Live): number {
    return Math.max(staleMinMs, staleIntervals * live.intervalMs);
  }

  views(nowMs: number): DeviceView[] {
    return [...this.#devices.values()].map((live) => this.#view(live, nowMs));
  }

  view(id: string, nowMs: number): DeviceView | undefined {
    const live = this.#devices.get(id);
    return live === undefined ? undefined : this.#view(live, nowMs);
  }

  trend(id: string, metric: string): TrendView | undefined {
    return this.#devices.get(id)?.trends.get(metric)?.view;
  }

  /** The metrics that the device's profile names, then those that it sent besides. */
  metricsOf(id: string): MetricSpec[] {
    const live = this.#devices.get(id);
    if (live === undefined) return [];
    const { profile } = live.device;
    const named = [...profile.metrics.values()];
    const more = [...live.metrics.keys()].filter((name) => !profile.metrics.has(name));
    return [...named, ...more.flatMap((name) => profile.specOf(name) ?? [])];
  }

  /** Devices whose metrics have become more since the last call: their metadata is to be published again. */
  takeGrown(): string[] {
    const grown = [...this.#grown];
    this.#grown.clear();
    return grown;
  }

  #view(live: Live, nowMs: number): DeviceView {
    this.#fold(live);
    const { device } = live;
    const metrics = this.metricsOf(device.id).flatMap((spec) => this.#metricView(live, spec, nowMs) ?? []);
    return {
      id: device.id,
      path: device.path,
      profile: device.profile.id,
      source: device.lastSource,
      ageMs: device.lastSeenMs === -Infinity ? undefined : nowMs - device.lastSeenMs,
      metrics,
    };
  }

  #metricView(live: Live, spec: MetricSpec, nowMs: number): MetricView | undefined {
    const last = live.metrics.get(spec.name);
    if (last === undefined) return undefined;
    const { observation, seenMs } = last;
    return {
      name: spec.name,
      label: spec.label,
      unit: spec.unit,
      kind: spec.kind,
      range: spec.range,
      value: observation.values[spec.name],
      exact: observation.exact?.[spec.name],
      quality: observation.quality?.[spec.name] ?? "good",
      ageMs: nowMs - seenMs,
      staleAfterMs: this.#staleAfter(live),
      drift: this.#driftOf(live.device.id, spec.name),
      spark: live.trends.get(spec.name)?.spark ?? [],
    };
  }
}
