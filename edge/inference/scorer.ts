import type { Observation, Value } from "../../src/observation/observation.ts";
import { formatWireTime, maxWireMicros, minWireMicros } from "../../src/observation/time.ts";
import type { CompiledProfile } from "../../src/profile/profile.ts";
import type { AlertRecord } from "../../src/wire/records.ts";
import type { DriftChannel, DriftState } from "./drift/drift.ts";
import { discoveryLimit } from "./drift/false-discovery.ts";
import { episodeId, raiseThreshold } from "./episode.ts";
import { explain, normalText } from "./explain.ts";
import {
  isSameGuards,
  MetricWatch,
  models,
  modelVersion,
  watchOf,
  type Judgement,
  type WatchSpec,
} from "./metric-watch.ts";
import type { ScorePoint } from "./score-trace.ts";
import { StateReader, StateWriter } from "./state.ts";

/** What a profile wants to be watched; made once per profile. */
export interface Plan {
  readonly watches: readonly WatchSpec[];
}

export interface ScorerOptions {
  /** At most this many metrics are watched, about 8 kB each. The longest silent device makes room; while all are busy, new ones are not watched. */
  readonly metricsMax: number;
}

export interface ScorerStatus {
  readonly devices: number;
  readonly metrics: number;
  /** Metrics that are still learning: nothing is said about them yet. */
  readonly learning: number;
  readonly openEpisodes: number;
  /** Observations that were not scored because `metricsMax` was reached. */
  readonly unwatched: number;
  /** How many metrics are in which state of drift. */
  readonly drift: Readonly<Record<DriftState, number>>;
}

/** A metric of a device whose data is no longer what its model learned. */
export interface DriftingMetric {
  readonly device: string;
  readonly metric: string;
  readonly state: "warn" | "degraded";
  readonly channel: DriftChannel;
}

/** A device may be forgotten for another one when it was silent for this long. */
const silentMicros = 3600 * 1_000_000;
/** Looking for a silent device walks through all: not more often than this. */
const searchEvery = 1000;

/** All metrics are decided on together, so that of what is reported only a small part is false. */
const driftDecisionMicros = 15 * 60 * 1_000_000;
const falseDiscoveries = 0.05;

const nothing: readonly AlertRecord[] = [];

interface DeviceWatch {
  readonly device: string;
  path: string;
  /** The plan that `metrics` follows; undefined after a restore until the device speaks. */
  plan: Plan | undefined;
  metrics: readonly MetricWatch[];
  lastReceivedMicros: number;
}

/**
 * Scores observations of all devices and says when a person should look. Pure: the same observations in the same
 * order give the same alerts, bit for bit, also across `snapshot` and `restore`. It never throws on an observation.
 */
export class Scorer {
  readonly #plans = new WeakMap<CompiledProfile, Plan | "none">();
  readonly #devices = new Map<string, DeviceWatch>();
  readonly #metricsMax: number;
  #metrics = 0;
  #unwatched = 0;
  #searchIn = 0;
  #driftDecidedMicros = 0;

  constructor(options: ScorerOptions = { metricsMax: 2000 }) {
    this.#metricsMax = options.metricsMax;
  }

  /** What the profile wants to be watched; undefined where that is nothing. The caller may keep it per profile. */
  plan(profile: CompiledProfile): Plan | undefined {
    let plan = this.#plans.get(profile);
    if (plan === undefined) {
      const watches = [...profile.metrics.values()].flatMap((metric) => watchOf(metric) ?? []);
      plan = watches.length === 0 ? "none" : { watches };
      this.#plans.set(profile, plan);
    }
    return plan === "none" ? undefined : plan;
  }

  /** Takes the next observation and returns what it raises, updates or clears; mostly nothing. */
  score(observation: Observation, profile: CompiledProfile): readonly AlertRecord[] {
    const plan = this.plan(profile);
    return plan === undefined ? this.#unwatch(observation) : this.scorePlan(observation, plan);
  }

  /** Is something of the device known, also where its profile wants nothing to be watched any more? */
  knows(device: string): boolean {
    return this.#devices.has(device);
  }

  #unwatch({ device: id, receivedMicros }: Observation): readonly AlertRecord[] {
    const device = this.#devices.get(id);
    if (device === undefined) return nothing;
    const alerts: AlertRecord[] = [];
    this.#forget(device, receivedMicros, "its profile names nothing to watch", alerts);
    return alerts;
  }

  /** Like `score`, for a caller that keeps the plan. */
  scorePlan(observation: Observation, plan: Plan): readonly AlertRecord[] {
    const timeMicros = timeOf(observation);
    if (timeMicros === undefined) return nothing;
    let device = this.#devices.get(observation.device);
    let alerts: AlertRecord[] | undefined;
    if (device === undefined || device.plan !== plan) {
      alerts = [];
      device = this.#admit(device, observation, plan, alerts);
      if (device === undefined) return alerts;
    }
    device.path = observation.path;
    device.lastReceivedMicros = observation.receivedMicros;
    for (let i = 0; i < device.metrics.length; i++) {
      const watch = device.metrics[i]!;
      const judgement = judge(watch, observation, timeMicros);
      if (judgement === undefined) continue;
      (alerts ??= []).push(alertOf(device, plan, i, judgement, timeMicros));
      if (judgement.step === "outlast") this.#relearn(device, plan, i);
    }
    // The gateway's clock may have been set: any distance in time counts.
    if (Math.abs(observation.receivedMicros - this.#driftDecidedMicros) >= driftDecisionMicros) {
      this.#decideDrift(observation.receivedMicros);
    }
    return alerts ?? nothing;
  }

  /** The newest scores of a metric, later than `afterMicros`, oldest first; bounded, and empty after a restart. */
  recentScores(device: string, metric: string, afterMicros: number): readonly ScorePoint[] {
    const watch = this.#devices.get(device)?.metrics.find(({ name }) => name === metric);
    return watch?.trace.since(afterMicros) ?? [];
  }

  #decideDrift(nowMicros: number): void {
    this.#driftDecidedMicros = nowMicros;
    const drifts = [...this.#devices.values()].flatMap(({ metrics }) => metrics.map((watch) => watch.drift));
    const known = drifts.filter((drift) => drift.state !== "learning");
    const limit = discoveryLimit(Float64Array.from(known.flatMap((drift) => [...drift.pValues])), falseDiscoveries);
    for (const drift of known) drift.decide(limit, nowMicros);
  }

  /** Metrics whose data is no longer what their models learned, at most so many. */
  drifting(max: number): DriftingMetric[] {
    const found: DriftingMetric[] = [];
    for (const { device, metrics } of this.#devices.values()) {
      for (const { name, drift } of metrics) {
        const { state, channel } = drift;
        if (state !== "warn" && state !== "degraded") continue;
        found.push({ device, metric: name, state, channel });
        if (found.length === max) return found;
      }
    }
    return found;
  }

  /** Of one metric; undefined where it is not watched. */
  driftOf(device: string, metric: string): DriftState | undefined {
    return this.#devices.get(device)?.metrics.find(({ name }) => name === metric)?.drift.state;
  }

  status(): ScorerStatus {
    const watches = [...this.#devices.values()].flatMap((device) => device.metrics);
    const drift = { learning: 0, ok: 0, warn: 0, degraded: 0 };
    for (const watch of watches) drift[watch.drift.state]++;
    return {
      devices: this.#devices.size,
      metrics: this.#metrics,
      learning: watches.filter((watch) => watch.learning).length,
      openEpisodes: watches.filter((watch) => watch.episode.open).length,
      unwatched: this.#unwatched,
      drift,
    };
  }

  /** Everything that was learned, about 7 kB per metric (a tenth of it after zstd). */
  snapshot(): Uint8Array {
    const to = new StateWriter();
    to.number(this.#unwatched);
    to.number(this.#searchIn);
    to.number(this.#driftDecidedMicros);
    to.number(this.#devices.size);
    for (const device of this.#devices.values()) {
      to.text(device.device);
      to.text(device.path);
      to.number(device.lastReceivedMicros);
      to.number(device.metrics.length);
      for (const watch of device.metrics) watch.save(to);
    }
    return to.done();
  }

  /**
   * Takes the place of everything learned so far. False where the bytes are damaged or of another version:
   * the scorer is then as it was, and the caller goes on with it (a new one learns from the beginning).
   */
  restore(bytes: Uint8Array): boolean {
    const restored = readSnapshot(bytes);
    if (restored === undefined) return false;
    this.#devices.clear();
    this.#metrics = 0;
    for (const device of restored.devices) {
      this.#devices.set(device.device, device);
      this.#metrics += device.metrics.length;
    }
    this.#unwatched = restored.unwatched;
    this.#searchIn = restored.searchIn;
    this.#driftDecidedMicros = restored.driftDecidedMicros;
    return true;
  }

  /** Makes the device's watches follow the plan and keeps what still fits. Undefined where there is no room for a new device. */
  #admit(
    known: DeviceWatch | undefined,
    observation: Observation,
    plan: Plan,
    alerts: AlertRecord[],
  ): DeviceWatch | undefined {
    const more = plan.watches.length - (known?.metrics.length ?? 0);
    if (!this.#makeRoom(more, observation, alerts)) {
      this.#unwatched++;
      return undefined;
    }
    const metrics = plan.watches.map((spec) => known?.metrics.find((watch) => fits(watch, spec)) ?? newWatch(spec));
    this.#metrics += more;
    const { device, path, receivedMicros } = observation;
    const admitted = known ?? { device, path, plan, metrics, lastReceivedMicros: receivedMicros };
    const dropped = admitted.metrics.filter((watch) => !metrics.includes(watch));
    alerts.push(...closing(admitted, dropped, receivedMicros, "the device's profile has changed"));
    admitted.plan = plan;
    admitted.metrics = metrics;
    this.#devices.set(device, admitted);
    return admitted;
  }

  #makeRoom(metrics: number, { device, receivedMicros }: Observation, alerts: AlertRecord[]): boolean {
    if (metrics <= 0 || this.#metrics + metrics <= this.#metricsMax) return true;
    if (this.#searchIn-- > 0) return false;
    const silent = [...this.#devices.values()]
      .filter((other) => other.device !== device && receivedMicros - other.lastReceivedMicros > silentMicros)
      .sort((a, b) => a.lastReceivedMicros - b.lastReceivedMicros);
    for (const victim of silent) {
      if (this.#metrics + metrics <= this.#metricsMax) break;
      this.#forget(victim, receivedMicros, "the device is silent and its place was needed", alerts);
    }
    const found = this.#metrics + metrics <= this.#metricsMax;
    this.#searchIn = found ? 0 : searchEvery;
    return found;
  }

  /** An alert must not stand for ever because nobody watches the device any more. */
  #forget(device: DeviceWatch, nowMicros: number, why: string, alerts: AlertRecord[]): void {
    alerts.push(...closing(device, device.metrics, nowMicros, why));
    this.#devices.delete(device.device);
    this.#metrics -= device.metrics.length;
  }

  #relearn(device: DeviceWatch, plan: Plan, index: number): void {
    device.metrics = device.metrics.with(index, newWatch(plan.watches[index]!));
  }
}

function newWatch(spec: WatchSpec): MetricWatch {
  return new MetricWatch(spec.name, spec.range, spec.rule);
}

/** What was learned holds as long as name, range, model and guards are the same. */
function fits(watch: MetricWatch, spec: WatchSpec): boolean {
  const sameRange = watch.range?.[0] === spec.range?.[0] && watch.range?.[1] === spec.range?.[1];
  const sameRule = watch.model === spec.rule.model && isSameGuards(watch.guardRule, spec.rule.guards);
  return watch.name === spec.name && sameRule && sameRange;
}

/** The time to judge by: the received time where the device's own cannot be right. Undefined where there is none at all. */
export function timeOf({ timeMicros, receivedMicros, implausibleTime }: Observation): number | undefined {
  if (!implausibleTime && usable(timeMicros)) return timeMicros;
  return usable(receivedMicros) ? receivedMicros : undefined;
}

function usable(micros: number): boolean {
  return Number.isSafeInteger(micros) && micros > minWireMicros && micros < maxWireMicros;
}

function judge(watch: MetricWatch, observation: Observation, timeMicros: number): Judgement | undefined {
  if (observation.quality?.[watch.name] === "bad") return watch.takeBad(timeMicros);
  const value: Value | undefined = observation.values[watch.name];
  // JSON does not keep -0: without the sum, a replay from the journal would see another value than the first pass.
  return typeof value === "number" && Number.isFinite(value) ? watch.take(value + 0, timeMicros) : undefined;
}

function alertOf(
  device: DeviceWatch,
  plan: Plan,
  index: number,
  judgement: Judgement,
  timeMicros: number,
): AlertRecord {
  const watch = device.metrics[index]!;
  const spec = plan.watches[index]!;
  const { consequence, action } = spec.rule;
  return {
    ...headOf(device, watch, timeMicros),
    kind: judgement.step === "raise" || judgement.step === "update" ? judgement.step : "clear",
    priority: spec.rule.priority,
    explanation: explain(watch, spec, judgement, timeMicros),
    ...(consequence === undefined ? {} : { consequence }),
    ...(action === undefined ? {} : { action }),
    contributions: contributions(device.metrics, plan, timeMicros, index),
  };
}

function headOf(device: DeviceWatch, watch: MetricWatch, timeMicros: number) {
  const model = models[watch.episode.model] ?? models[0];
  return {
    episode: episodeId(device.device, watch.name, model, watch.episode.startedMicros),
    device: device.device,
    path: device.path,
    time: formatWireTime(timeMicros),
    metric: watch.name,
    model,
    version: modelVersion,
    score: watch.lastScore,
    threshold: raiseThreshold,
  };
}

/** The metric itself and what else of the device is unusual at this moment, by score. */
function contributions(watches: readonly MetricWatch[], plan: Plan, timeMicros: number, index: number) {
  const unusual = watches.flatMap((watch, i) =>
    (i === index || watch.lastScore >= raiseThreshold / 2) && Number.isFinite(watch.lastValue)
      ? { watch, spec: plan.watches[i]! }
      : [],
  );
  const total = unusual.reduce((sum, { watch }) => sum + watch.lastScore, 0);
  return unusual
    .map(({ watch, spec }) => ({
      metric: watch.name,
      value: watch.lastValue,
      normal: normalText(watch, spec, timeMicros),
      share: total === 0 ? 1 / unusual.length : watch.lastScore / total,
    }))
    .sort((a, b) => b.share - a.share);
}

/** Clears the open episodes of metrics that are not watched any more. */
function closing(device: DeviceWatch, watches: readonly MetricWatch[], micros: number, why: string): AlertRecord[] {
  const nowMicros = usable(micros) ? micros : 0;
  return watches
    .filter((watch) => watch.episode.open)
    .map((watch) => ({
      ...headOf(device, watch, nowMicros),
      kind: "clear",
      priority: "low",
      explanation: `${watch.name} is no longer watched: ${why}`,
      contributions: [],
    }));
}

function readSnapshot(bytes: Uint8Array) {
  const from = StateReader.open(bytes);
  if (from === undefined) return undefined;
  const unwatched = from.number();
  const searchIn = from.number();
  const driftDecidedMicros = from.number();
  const devices: DeviceWatch[] = [];
  for (let left = from.number(); left > 0; left--) devices.push(readDevice(from));
  return { unwatched, searchIn, driftDecidedMicros, devices };
}

function readDevice(from: StateReader): DeviceWatch {
  const device = from.text();
  const path = from.text();
  const lastReceivedMicros = from.number();
  const count = from.number();
  const metrics = Array.from({ length: count }, () => MetricWatch.load(from));
  return { device, path, plan: undefined, metrics, lastReceivedMicros };
}
