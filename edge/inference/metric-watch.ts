import type { DetectRule, GuardRule, MetricSpec } from "../../src/profile/profile.ts";
import { ContextSurprise } from "./context-surprise.ts";
import { Drift } from "./drift/drift.ts";
import { Episode, raiseThreshold, type EpisodeStep } from "./episode.ts";
import type { Finding } from "./guards/finding.ts";
import { Guards } from "./guards/guards.ts";
import { NormalBand } from "./normal-band.ts";
import { ScoreTrace } from "./score-trace.ts";
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
export const modelVersion = "1.2.0";

/** In the order of the snapshot. */
const guardNames = ["rate", "stuck", "gap", "hampel", "ewma", "cusum", "variance"] as const;

type WatchRule = Pick<DetectRule, "model" | "guards">;

export interface Judgement {
  readonly step: NonNullable<EpisodeStep>;
  readonly finding: Finding | undefined;
}

/** Everything that is known of one metric of one device. */
export class MetricWatch {
  readonly name: string;
  readonly range: readonly [number, number] | undefined;
  readonly guardRule: GuardRule;
  readonly guards: Guards;
  readonly surprise: ContextSurprise | undefined;
  readonly episode = new Episode();
  readonly normal = new NormalBand();
  readonly trace = new ScoreTrace();
  readonly drift = new Drift();
  lastValue = Number.NaN;
  lastScore = 0;

  constructor(name: string, range: readonly [number, number] | undefined, rule: WatchRule) {
    const { model, guards } = rule;
    this.name = name;
    this.range = range;
    this.guardRule = guards;
    this.guards = new Guards(range, guards);
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
    const finding = this.guards.check(value, timeMicros, learn);
    if (this.guards.afterGap) this.surprise?.forgetContext();
    const surprise = this.surprise?.observe(value, timeMicros, learn) ?? 0;
    const score = finding === undefined ? surprise : 1;
    this.lastValue = value;
    this.lastScore = score;
    this.trace.push(timeMicros, score);
    const abnormal = score >= raiseThreshold;
    if (learn && !abnormal) this.normal.learn(value, timeMicros);
    // What an open episode says need not be said again as drift.
    if (learn && !this.learning) this.drift.observe(value, score, timeMicros);
    return this.#judge(finding, abnormal ? this.normal.distance(value, timeMicros) : 0, timeMicros);
  }

  /** A value that the device marked as bad changes nothing that was learned. */
  takeBad(timeMicros: number): Judgement | undefined {
    const finding = this.guards.checkBad(timeMicros);
    this.surprise?.forgetContext();
    if (finding === undefined) return undefined;
    this.lastScore = 1;
    this.trace.push(timeMicros, 1);
    return this.#judge(finding, 0, timeMicros);
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
    for (const name of guardNames) to.number(this.guardRule[name] ? 1 : 0);
    to.number(this.lastValue);
    to.number(this.lastScore);
    this.guards.save(to);
    this.surprise?.save(to);
    this.episode.save(to);
    this.normal.save(to);
    this.drift.save(to);
  }

  static load(from: StateReader): MetricWatch {
    const name = from.text();
    const low = from.number();
    const high = from.number();
    const model = from.text() === "guards" ? "guards" : "context-surprise";
    const watch = new MetricWatch(name, Number.isNaN(low) ? undefined : [low, high], {
      model,
      guards: readGuards(from),
    });
    watch.lastValue = from.number();
    watch.lastScore = from.number();
    watch.guards.load(from);
    watch.surprise?.load(from);
    watch.episode.load(from);
    watch.normal.load(from);
    watch.drift.load(from);
    return watch;
  }
}

export function isSameGuards(a: GuardRule, b: GuardRule): boolean {
  return guardNames.every((name) => a[name] === b[name]);
}

function readGuards(from: StateReader): GuardRule {
  const [rate, stuck, gap, hampel, ewma, cusum, variance] = guardNames.map(() => from.number() === 1);
  return { rate: rate!, stuck: stuck!, gap: gap!, hampel: hampel!, ewma: ewma!, cusum: cusum!, variance: variance! };
}
