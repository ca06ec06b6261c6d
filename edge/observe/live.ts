import type { Observation } from "../../src/observation/observation.ts";
import type { MetricSpec } from "../../src/profile/profile.ts";
import type { DeviceView, MetricView, TrendView } from "../console/view.ts";
import { Trend } from "./trend.ts";

/** What the live view needs of a device; the pipeline's own object. */
export interface LiveDevice {
  readonly id: string;
  readonly path: string;
  readonly profile: { readonly id: string; readonly metrics: ReadonlyMap<string, MetricSpec> };
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
  #trends = 0;

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
      for (const name of live.device.profile.metrics.keys()) {
        if (!(name in observation.values) && !(observation.exact !== undefined && name in observation.exact)) continue;
        const before = live.metrics.get(name);
        if (before !== undefined && live.recentMs > before.seenMs) this.#rhythm(live, live.recentMs - before.seenMs);
        live.metrics.set(name, { observation, seenMs: live.recentMs });
      }
    }
    live.recent = [];
  }

  #rhythm(live: Live, intervalMs: number): void {
    live.intervalMs = live.intervalMs === 0 ? intervalMs : live.intervalMs * 0.9 + intervalMs * 0.1;
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

  get size(): number {
    return this.#devices.size;
  }

  #view(live: Live, nowMs: number): DeviceView {
    this.#fold(live);
    const { device } = live;
    const metrics = [...device.profile.metrics.values()].flatMap((spec) => this.#metricView(live, spec, nowMs) ?? []);
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
      spark: live.trends.get(spec.name)?.spark ?? [],
    };
  }
}
