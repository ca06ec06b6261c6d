import type { DetectRule, MetricSpec } from "../../src/profile/profile.ts";
import { ContextSurprise } from "./context-surprise.ts";
import { Episode, raiseThreshold, type EpisodeStep } from "./episode.ts";
import { Guards, type Finding } from "./guards.ts";
import { NormalBand } from "./normal-band.ts";
import type { StateReader, StateWriter } from "./state.ts";

/** One metric that a profile wants to be watched. */
export interface WatchSpec {
  readonly name: string;
  readonly label: string;
  readonly unit: string;
  readonly range: readonly [number, number] | undefined;
  readonly rule: DetectRule;
}

/** Only gauges are watched: a counter's level and a state's text have no normal range. */
export function watchOf(metric: MetricSpec): WatchSpec | undefined {
  if (metric.detect === undefined || metric.kind !== "gauge") return undefined;
  const { name, label, unit, range, detect: rule } = metric;
  return { name, label, unit, range, rule };
}

/** Names that go into alerts. A version changes with anything that changes scores. */
export const models = ["guards", "context-surprise"] as const;
export const modelVersion = "1.1.0";

export interface Judgement {
  readonly step: NonNullable<EpisodeStep>;
  readonly finding: Finding | undefined;
}

/** Everything that is known of one metric of one device. */
export class MetricWatch {
  readonly name: string;
  readonly range: readonly [number, number] | undefined;
  readonly guards: Guards;
  readonly surprise: ContextSurprise | undefined;
  readonly episode = new Episode();
  readonly normal = new NormalBand();
  lastValue = Number.NaN;
  lastScore = 0;

  constructor(name: string, range: readonly [number, number] | undefined, model: DetectRule["model"]) {
    this.name = name;
    this.range = range;
    this.guards = new Guards(range);
    this.surprise = model === "context-surprise" ? new ContextSurprise(range) : undefined;
  }

  get model(): DetectRule["model"] {
    return this.surprise === undefined ? "guards" : "context-surprise";
  }

  get learning(): boolean {
    return this.surprise?.learning ?? this.guards.learning;
  }

  /** Takes a finite value of good or uncertain quality; returns what a person should hear of it. */
  take(value: number, timeMicros: number): Judgement | undefined {
    const learn = !this.episode.open;
    const finding = this.#guard(value, timeMicros, learn);
    if (this.guards.afterGap) this.surprise?.forgetContext();
    const surprise = this.surprise?.observe(value, timeMicros, learn) ?? 0;
    const score = finding === undefined ? surprise : 1;
    this.lastValue = value;
    this.lastScore = score;
    const abnormal = score >= raiseThreshold;
    if (learn && !abnormal) this.normal.learn(value, timeMicros);
    return this.#judge(finding, abnormal ? this.normal.distance(value, timeMicros) : 0, timeMicros);
  }

  /** A value that the device marked as bad changes nothing that was learned. */
  takeBad(timeMicros: number): Judgement | undefined {
    const finding = this.guards.checkBad(timeMicros);
    this.surprise?.forgetContext();
    if (finding === undefined) return undefined;
    this.lastScore = 1;
    return this.#judge(finding, 0, timeMicros);
  }

  /** A jump is left to the surprise detector where there is one: a single outlier must not alarm there. */
  #guard(value: number, timeMicros: number, learn: boolean): Finding | undefined {
    const finding = this.guards.check(value, timeMicros, learn);
    return finding?.kind === "rate" && this.surprise !== undefined ? undefined : finding;
  }

  #judge(finding: Finding | undefined, deviation: number, timeMicros: number): Judgement | undefined {
    const certain = finding !== undefined && finding.kind !== "range";
    const wasOpen = this.episode.open;
    const step = this.episode.step(this.lastScore, deviation, certain, timeMicros);
    if (step === undefined) return undefined;
    if (!wasOpen) this.episode.model = finding === undefined ? 1 : 0;
    return { step, finding };
  }

  save(to: StateWriter): void {
    to.text(this.name);
    to.number(this.range?.[0] ?? Number.NaN);
    to.number(this.range?.[1] ?? Number.NaN);
    to.text(this.model);
    to.number(this.lastValue);
    to.number(this.lastScore);
    this.guards.save(to);
    this.surprise?.save(to);
    this.episode.save(to);
    this.normal.save(to);
  }

  static load(from: StateReader): MetricWatch {
    const name = from.text();
    const low = from.number();
    const high = from.number();
    const model = from.text() === "guards" ? "guards" : "context-surprise";
    const watch = new MetricWatch(name, Number.isNaN(low) ? undefined : [low, high], model);
    watch.lastValue = from.number();
    watch.lastScore = from.number();
    watch.guards.load(from);
    watch.surprise?.load(from);
    watch.episode.load(from);
    watch.normal.load(from);
    return watch;
  }
}
