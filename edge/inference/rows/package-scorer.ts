import type { Observation } from "../../../src/observation/observation.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { CompiledProfile } from "../../../src/profile/profile.ts";
import type { InsightRecord, PredictionRecord } from "../../../src/wire/predictions.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";
import type { ModelScoresView, ModelView } from "../../console/view.ts";
import type { ScorePoint } from "../score-trace.ts";
import { timeOf } from "../scorer.ts";
import type { ModelRule } from "../options.ts";
import { StateReader, StateWriter } from "../state.ts";
import { ruleFor } from "./model-rule.ts";
import { modelScores } from "./model-scores.ts";
import { ModelTally } from "./model-tally.ts";
import { rowAlert, rowAlertHead } from "./row-alert.ts";
import { RowWatch, type AskedRow, type RowReport } from "./row-watch.ts";
import { isInScope, type CanaryScope } from "./canary-scope.ts";
import { profileFault, type ServedModel } from "./served-model.ts";

/** At most so many devices are watched; the longest silent one makes room after an hour. */
const devicesMax = 1000;
const silentMicros = 3600 * 1_000_000;
/** Looking for a silent device walks through all: not more often than this. */
const searchEvery = 1000;

const nothing: readonly InsightRecord[] = [];

/** The first number of a snapshot. Before there was one, it was a count and so not below 0. */
const layout = -2;
/** What was counted of a version before drift was. */
const oldTallyBytes = 6 * 8;

/** The head of an open episode, for closing it without the model that raised it. */
type OpenAlert = Omit<AlertRecord, "kind" | "priority" | "explanation" | "contributions" | "time">;

/**
 * `live` raises alerts; a `canary` does in its place, on some devices; a `shadow` runs beside them on the same
 * observations and only counts.
 */
export const stages = ["live", "canary", "shadow"] as const;
export type Stage = (typeof stages)[number];

interface Served {
  readonly model: ServedModel;
  tally: ModelTally;
  /** Of a canary: the devices that it is for. */
  readonly scope: CanaryScope | undefined;
}

/** One model on one device. */
interface Slot {
  watch: RowWatch | undefined;
  /** State of a model from before the restart: used when the same one runs again. */
  saved: { readonly model: string; readonly state: Uint8Array } | undefined;
}

interface DeviceWatch {
  readonly device: string;
  path: string;
  /** Of the version that raises alerts: the live one or the canary. */
  readonly alerting: Slot;
  readonly shadow: Slot;
  /** An episode that nobody else will close. */
  orphan: OpenAlert | undefined;
  lastReceivedMicros: number;
  /** The last repair that its models know of; 0 where there was none. */
  maintainedMicros: number;
}

/** Which of a device's two models: the one that raises its alerts, or the one that only counts. */
type Place = "alerting" | "shadow";

/** What has to wait until models in other threads have answered; done in the order of the observations. */
type Deferred =
  | {
      readonly kind: "rows";
      readonly device: DeviceWatch;
      readonly which: Place;
      readonly watch: RowWatch;
      readonly served: Served;
      readonly rows: readonly AskedRow[];
      readonly rule: ModelRule;
      readonly profile: CompiledProfile;
    }
  /** A life ended, in between its rows. */
  | { readonly kind: "life"; readonly watch: RowWatch; readonly fromMicros: number; readonly endMicros: number }
  /** `alerting` and `shadow`: whether there was an alert, as far as it was known at once. */
  | {
      readonly kind: "compare";
      readonly device: DeviceWatch;
      readonly tally: ModelTally;
      readonly alerting: RowWatch | boolean;
      readonly shadow: RowWatch | boolean;
    };

type DeferredRows = Extract<Deferred, { kind: "rows" }>;

export interface PackageScorerEvents {
  /** A model is out of service, or for the profile that the reason names. */
  fault(model: ServedModel, stage: Stage, reason: string): void;
  /** A model in another thread failed there, has lost rows and begins anew. */
  setback?(model: ServedModel, stage: Stage, reason: string): void;
  /**
   * When somebody said last that the device was repaired, by the gateway's clock; the same after a restart, so that the
   * observations since then are scored alike. Undefined where nobody did.
   */
  maintainedMicros?(device: string): number | undefined;
  /** For measuring what a model costs; no score depends on it. */
  nowMs(): number;
}

/** One observation in so many is timed. */
const timedEvery = 8;

/**
 * Runs the packaged models that are live over the metrics of the devices that the rules name. A model that fails on one
 * device is taken out of service for all: what it says elsewhere is not to be trusted either. It never throws.
 */
export class PackageScorer {
  #rules: readonly ModelRule[];
  readonly #events: PackageScorerEvents;
  readonly #served: Readonly<Record<Stage, Map<string, Served>>> = {
    live: new Map(),
    canary: new Map(),
    shadow: new Map(),
  };
  readonly #failed = new Set<string>();
  /** Profiles that do not fit a model, by the id of the model and of the profile. */
  readonly #misfits = new Set<string>();
  readonly #devices = new Map<string, DeviceWatch>();
  /** Of the observations since `settle` was called last. */
  #deferred: Deferred[] = [];
  /** Resolves when all that was outstanding at the last `settle` is done. */
  #settled: Promise<unknown> = Promise.resolve();
  #outstanding = 0;
  #searchIn = 0;
  #taken = 0;
  /** Observations that were not scored because `devicesMax` was reached. */
  unwatched = 0;

  constructor(rules: readonly ModelRule[], events: PackageScorerEvents) {
    this.#rules = rules;
    this.#events = events;
  }

  /** Other rules from now on; devices follow with their next observation. */
  useRules(rules: readonly ModelRule[]): void {
    this.#rules = rules;
  }

  get devices(): number {
    return this.#devices.size;
  }

  /** Makes a version live, the canary (with its `scope`) or the shadow, or none. Devices follow with their next observation. */
  deploy(name: string, stage: Stage, model: ServedModel | undefined, scope?: CanaryScope): void {
    const before = this.#served[stage].get(name)?.model;
    if (model === undefined) this.#served[stage].delete(name);
    else this.#served[stage].set(name, { model, tally: new ModelTally(model), scope });
    if (before !== model) void before?.recipe.model.remote?.close();
    const remote = model?.recipe.model.remote;
    if (model !== undefined && remote !== undefined) {
      remote.onSetback = (reason) => this.#events.setback?.(model, stage, reason);
    }
  }

  /** Ends the threads of models that have one. */
  async close(): Promise<void> {
    const all = stages.flatMap((stage) => [...this.#served[stage].values()]);
    await Promise.all(all.map(async ({ model }) => model.recipe.model.remote?.close()));
  }

  status(): ModelView[] {
    return stages.flatMap((stage) => [...this.#served[stage].values()].map((served) => this.#statusOf(stage, served)));
  }

  #statusOf(stage: Stage, { model, tally, scope }: Served): ModelView {
    const slot = stage === "shadow" ? "shadow" : "alerting";
    const all = [...this.#devices.values()].map((device) => device[slot].watch);
    const watches = all.filter((watch) => watch?.model === model);
    const { rows, abnormalRows, episodes, compared, onlyLive, onlyShadow, microsMean, microsMax } = tally;
    return {
      name: model.name,
      version: model.version,
      predicts: model.purpose.kind === "predicts" ? model.purpose.output.name : undefined,
      stage,
      ...(scope === undefined ? {} : { scope }),
      state: this.#failed.has(model.id) || model.recipe.model.remote?.fault !== undefined ? "failed" : "running",
      unfitProfiles: [...this.#misfits].filter((pair) => pair.startsWith(`${model.id} `)).length,
      devices: watches.length,
      learning: watches.filter((watch) => watch?.learning).length,
      openEpisodes: watches.filter((watch) => watch?.episode.open).length,
      hours: (rows * model.shape.periodMs) / 3_600_000,
      rows,
      abnormalRows,
      episodes,
      compared,
      onlyLive,
      onlyShadow,
      microsMean,
      microsMax,
      drift: tally.drift.view(),
      ...limitsOf(watches),
      ...networkOf(model),
    };
  }

  /** May a rule ever want this device's observations? Of a path nothing is known yet. */
  mayWatch(device: string, profile: CompiledProfile): boolean {
    if (this.#devices.has(device)) return true;
    return this.#rules.some((rule) => rule.path !== undefined || rule.device === device || rule.profile === profile.id);
  }

  /** Undefined where the model that raises the device's alerts is another one. */
  recentScores(device: string, model: string, afterMicros: number): readonly ScorePoint[] | undefined {
    const watch = this.#devices.get(device)?.alerting.watch;
    return watch?.model.name === model ? watch.trace.since(afterMicros) : undefined;
  }

  /** The newest prediction of each device, or of one. */
  predictions(device?: string): PredictionRecord[] {
    const watched = device === undefined ? [...this.#devices.values()] : [this.#devices.get(device)];
    return watched.flatMap((one) => one?.alerting.watch?.prediction ?? []);
  }

  /** As `ConsoleView.modelScores`. */
  scores(name: string, stage: Stage, device: string | undefined): ModelScoresView | undefined {
    const model = this.#served[stage].get(name)?.model;
    if (model === undefined) return undefined;
    const watched = [...this.#devices.values()].flatMap((one) => {
      const { watch } = one[stage === "shadow" ? "shadow" : "alerting"];
      return watch?.model === model ? [{ device: one.device, watch }] : [];
    });
    return modelScores(model, watched, device);
  }

  score(observation: Observation, profile: CompiledProfile): readonly InsightRecord[] {
    if (this.#rules.length === 0 && this.#devices.size === 0) return nothing;
    const known = this.#devices.get(observation.device);
    const rule = ruleFor(this.#rules, observation, profile.id);
    if (known === undefined && rule === undefined) return nothing;
    const timeMicros = timeOf(observation);
    if (timeMicros === undefined) return nothing;
    const alerts: InsightRecord[] = [];
    const alerting = rule === undefined ? undefined : this.#alertingFor(rule, observation, profile);
    const shadow = rule === undefined ? undefined : this.#servedFor(rule, "shadow", profile);
    const isWanted = alerting !== undefined || shadow !== undefined;
    const device = known ?? (isWanted ? this.#admit(observation, alerts) : undefined);
    if (device === undefined) return alerts;
    this.#taken++;
    device.path = observation.path;
    device.lastReceivedMicros = observation.receivedMicros;
    this.#followAlerting(device, alerting, rule, timeMicros, alerts);
    follow(device.shadow, shadow, rule, device.alerting);
    this.#followMaintenance(device);
    if (rule !== undefined && alerting !== undefined) {
      for (const report of this.#take(device, "alerting", alerting, observation, timeMicros) ?? []) {
        alerts.push(recordOf(device, device.alerting.watch!, report, rule, profile));
      }
      this.#defer(device, "alerting", alerting, rule, profile);
      if (device.alerting.watch === undefined) this.#close(device, timeMicros, "it has failed", alerts);
    }
    if (rule !== undefined && shadow !== undefined) {
      this.#take(device, "shadow", shadow, observation, timeMicros);
      this.#defer(device, "shadow", shadow, rule, profile);
      this.#compare(device, shadow.tally);
    }
    if (device.alerting.watch === undefined && device.shadow.watch === undefined) this.#devices.delete(device.device);
    return alerts;
  }

  /** A canary that has failed, or does not fit the profile, leaves its devices to the live version. */
  #alertingFor(rule: ModelRule, { device, path }: Observation, profile: CompiledProfile): Served | undefined {
    const scope = this.#served.canary.get(rule.model)?.scope;
    const isCanary = scope !== undefined && isInScope(scope, device, path);
    return (isCanary ? this.#servedFor(rule, "canary", profile) : undefined) ?? this.#servedFor(rule, "live", profile);
  }

  #servedFor({ model: name }: ModelRule, stage: Stage, profile: CompiledProfile): Served | undefined {
    const served = this.#served[stage].get(name);
    if (served === undefined || this.#failed.has(served.model.id)) return undefined;
    const { remote } = served.model.recipe.model;
    if (remote?.fault !== undefined) {
      this.#failed.add(served.model.id);
      this.#events.fault(served.model, stage, remote.fault);
      return undefined;
    }
    const pair = `${served.model.id} ${profile.id}`;
    if (this.#misfits.has(pair)) return undefined;
    const fault = profileFault(served.model, profile);
    if (fault === undefined) return served;
    this.#misfits.add(pair);
    this.#events.fault(served.model, stage, fault);
    return undefined;
  }

  /** Makes the device's watch that of the model that alerts now, and closes what the one before had open. */
  #followAlerting(
    device: DeviceWatch,
    served: Served | undefined,
    rule: ModelRule | undefined,
    timeMicros: number,
    alerts: InsightRecord[],
  ): void {
    const before = device.alerting.watch;
    if (follow(device.alerting, served, rule, device.shadow)) device.orphan = undefined;
    else if (before !== undefined && before !== device.alerting.watch) device.orphan ??= openAlert(device, before);
    const why = served === undefined ? "it is not in service" : `${served.model.version} is in service now`;
    this.#close(device, timeMicros, why, alerts);
  }

  /** What was received after a repair belongs to another life. */
  #followMaintenance(device: DeviceWatch): void {
    const endMicros = this.#events.maintainedMicros?.(device.device);
    const fromMicros = device.maintainedMicros;
    if (endMicros === undefined || endMicros <= fromMicros || device.lastReceivedMicros < endMicros) return;
    device.maintainedMicros = endMicros;
    for (const { watch } of [device.alerting, device.shadow]) {
      if (watch === undefined) continue;
      watch.beginLife();
      if (watch.model.recipe.model.remote === undefined) watch.judgeLife(fromMicros, endMicros);
      else this.#deferred.push({ kind: "life", watch, fromMicros, endMicros });
    }
  }

  #close(device: DeviceWatch, timeMicros: number, why: string, alerts: InsightRecord[]): void {
    if (device.orphan !== undefined) alerts.push(closing(device.orphan, timeMicros, why));
    device.orphan = undefined;
  }

  /** Undefined where there is nothing to hear, or where the model has failed: its watch is gone then. */
  #take(
    device: DeviceWatch,
    which: Place,
    served: Served,
    observation: Observation,
    timeMicros: number,
  ): readonly RowReport[] | undefined {
    const isTimed = this.#taken % timedEvery === 0;
    const startMs = isTimed ? this.#events.nowMs() : 0;
    const judgements = this.#tried(device, which, served, (watch) => watch.take(observation, timeMicros));
    if (isTimed) served.tally.took((this.#events.nowMs() - startMs) * 1000);
    return judgements;
  }

  #tried<Result>(
    device: DeviceWatch,
    which: Place,
    { model, scope }: Served,
    work: (watch: RowWatch) => Result,
  ): Result | undefined {
    const slot = device[which];
    if (slot.watch === undefined) return undefined;
    try {
      return work(slot.watch);
    } catch (error) {
      this.#failed.add(model.id);
      const stage = which === "shadow" ? "shadow" : scope === undefined ? "live" : "canary";
      this.#events.fault(model, stage, error instanceof Error ? error.message : String(error));
      if (which === "alerting") device.orphan ??= openAlert(device, slot.watch);
      slot.watch = undefined;
      return undefined;
    }
  }

  #defer(device: DeviceWatch, which: Place, served: Served, rule: ModelRule, profile: CompiledProfile): void {
    const { watch } = device[which];
    const rows = watch?.takeAsked();
    if (watch === undefined || rows === undefined) return;
    this.#deferred.push({ kind: "rows", device, which, watch, served, rows, rule, profile });
  }

  /** Where there is no live version, it is as one that never says anything. */
  #compare(device: DeviceWatch, tally: ModelTally): void {
    const { alerting, shadow } = device;
    if (shadow.watch === undefined || shadow.watch.learning || alerting.watch?.learning === true) return;
    const stateOf = (watch: RowWatch): RowWatch | boolean =>
      watch.model.recipe.model.remote === undefined ? watch.episode.open : watch;
    const alertingState = alerting.watch === undefined ? false : stateOf(alerting.watch);
    const shadowState = stateOf(shadow.watch);
    if (typeof alertingState === "boolean" && typeof shadowState === "boolean") {
      tally.compare(alertingState, shadowState);
    } else {
      this.#deferred.push({ kind: "compare", device, tally, alerting: alertingState, shadow: shadowState });
    }
  }

  /**
   * What models in other threads have to say of the observations since the last call, as soon as they have answered;
   * undefined where nothing is outstanding. Promises resolve in the order of the calls, and until then there is nothing
   * to `save`. Never rejects: rows without an answer are left out.
   */
  settle(): Promise<readonly InsightRecord[]> | undefined {
    const deferred = this.#deferred;
    this.#deferred = [];
    if (deferred.length === 0 && this.#outstanding === 0) return undefined;
    this.#outstanding++;
    const answers = answersTo(deferred.filter(({ kind }) => kind === "rows") as DeferredRows[]);
    const before = this.#settled;
    const settling = (async () => {
      await before;
      const answered = await answers;
      const alerts: InsightRecord[] = [];
      for (const entry of deferred) {
        if (entry.kind === "compare") entry.tally.compare(isOpen(entry.alerting), isOpen(entry.shadow));
        else if (entry.kind === "life") entry.watch.judgeLife(entry.fromMicros, entry.endMicros);
        else this.#judge(entry, answered, alerts);
      }
      this.#outstanding--;
      return alerts;
    })();
    this.#settled = settling;
    return settling;
  }

  #judge(
    { device, which, watch, served, rows, rule, profile }: DeferredRows,
    answers: ReadonlyMap<AskedRow, Float32Array>,
    alerts: InsightRecord[],
  ): void {
    for (const row of rows) {
      const answer = answers.get(row);
      // Meanwhile another version may have come, or this one may have failed on another device.
      if (answer === undefined || device[which].watch !== watch || this.#failed.has(served.model.id)) continue;
      const reports = this.#tried(device, which, served, () => watch.hear(row, answer));
      if (which !== "alerting") continue;
      for (const report of reports ?? []) alerts.push(recordOf(device, watch, report, rule, profile));
      if (device.alerting.watch === undefined) this.#close(device, row.timeMicros, "it has failed", alerts);
    }
  }

  #admit({ device, path, receivedMicros }: Observation, alerts: InsightRecord[]): DeviceWatch | undefined {
    if (this.#devices.size >= devicesMax && !this.#makeRoom(receivedMicros, alerts)) {
      this.unwatched++;
      return undefined;
    }
    const admitted: DeviceWatch = {
      device,
      path,
      alerting: { watch: undefined, saved: undefined },
      shadow: { watch: undefined, saved: undefined },
      orphan: undefined,
      lastReceivedMicros: receivedMicros,
      maintainedMicros: 0,
    };
    this.#devices.set(device, admitted);
    return admitted;
  }

  /** An alert must not stand for ever because nobody watches the device any more. */
  #makeRoom(nowMicros: number, alerts: InsightRecord[]): boolean {
    if (this.#searchIn-- > 0) return false;
    let victim: DeviceWatch | undefined;
    for (const device of this.#devices.values()) {
      if (nowMicros - device.lastReceivedMicros <= silentMicros) continue;
      if (victim === undefined || device.lastReceivedMicros < victim.lastReceivedMicros) victim = device;
    }
    this.#searchIn = victim === undefined ? searchEvery : 0;
    if (victim === undefined) return false;
    const open = victim.orphan ?? openAlert(victim, victim.alerting.watch);
    if (open !== undefined) alerts.push(closing(open, nowMicros, "the device is silent and its place was needed"));
    this.#devices.delete(victim.device);
    return true;
  }

  save(to: StateWriter): void {
    to.number(layout);
    to.number(this.unwatched);
    to.number(this.#searchIn);
    const served = stages.flatMap((stage) => [...this.#served[stage].values()].map((one) => ({ stage, ...one })));
    to.number(served.length);
    for (const { stage, model, tally } of served) {
      to.text(`${stage} ${model.id}`);
      const counted = new StateWriter();
      tally.save(counted);
      to.bytes(counted.done());
    }
    to.number(this.#devices.size);
    for (const device of this.#devices.values()) {
      const open = device.orphan ?? openAlert(device, device.alerting.watch);
      to.text(device.device);
      to.text(device.path);
      to.number(device.lastReceivedMicros);
      to.number(device.maintainedMicros);
      to.text(open === undefined ? "" : JSON.stringify(open));
      saveSlot(device.alerting, to);
      saveSlot(device.shadow, to);
    }
  }

  /** Takes the place of everything; models are deployed before. */
  load(from: StateReader): void {
    const first = from.number();
    const isOld = first !== layout;
    this.unwatched = isOld ? first : from.number();
    this.#searchIn = from.number();
    const tallies = new Map<string, StateReader>();
    for (let left = from.number(); left > 0; left--) {
      const key = from.text();
      const counted = isOld ? from.part(oldTallyBytes) : StateReader.open(from.bytes());
      if (counted !== undefined) tallies.set(key, counted);
    }
    for (const stage of stages) {
      for (const served of this.#served[stage].values()) {
        const counted = tallies.get(`${stage} ${served.model.id}`);
        if (counted === undefined) continue;
        served.tally = new ModelTally(served.model);
        served.tally.load(counted, isOld);
      }
    }
    this.#devices.clear();
    for (let left = from.number(); left > 0; left--) {
      const device = from.text();
      const path = from.text();
      const lastReceivedMicros = from.number();
      const maintainedMicros = isOld ? 0 : from.number();
      const open = from.text();
      const orphan = open === "" ? undefined : (JSON.parse(open) as OpenAlert);
      const alerting = loadSlot(from);
      const shadow = loadSlot(from);
      this.#devices.set(device, { device, path, alerting, shadow, orphan, lastReceivedMicros, maintainedMicros });
    }
  }
}

/**
 * Makes the slot's watch that of what is served. True where it goes on from its state: of before a restart, or in another
 * stage. Another version goes on from what the one before it, or beside it, knows of the machine's life.
 */
function follow(slot: Slot, served: Served | undefined, rule: ModelRule | undefined, beside: Slot): boolean {
  // Where the configuration was read anew, a rule is another object, and the watch goes on under it.
  const isRuled = slot.watch === undefined || slot.watch.options === rule?.prediction;
  if (slot.watch?.model === served?.model && isRuled && slot.saved === undefined) return false;
  const saved = slot.saved ?? savedOf(slot.watch);
  slot.saved = undefined;
  slot.watch = undefined;
  if (served === undefined || rule === undefined) return false;
  const isSame = saved?.model === served.model.id;
  const loaded = isSame ? loadWatch(served, rule, saved.state) : undefined;
  slot.watch = loaded ?? inheriting(new RowWatch(served.model, served.tally, rule), saved, beside);
  return loaded !== undefined;
}

function inheriting(watch: RowWatch, saved: Slot["saved"], beside: Slot): RowWatch {
  if (watch.model.life === undefined || watch.inherit(saved?.state)) return watch;
  watch.inherit((beside.saved ?? savedOf(beside.watch))?.state);
  return watch;
}

function limitsOf(watches: readonly (RowWatch | undefined)[]): Pick<ModelView, "limits"> {
  const limits = watches.flatMap((watch) => watch?.limit?.value ?? []);
  return limits.length === 0 ? {} : { limits: { least: Math.min(...limits), most: Math.max(...limits) } };
}

function networkOf({ recipe }: ServedModel): Pick<ModelView, "network"> {
  const { remote } = recipe.model;
  return remote === undefined ? {} : { network: { library: remote.library, droppedRows: remote.dropped } };
}

function isOpen(state: RowWatch | boolean): boolean {
  return typeof state === "boolean" ? state : state.episode.open;
}

/** One question to each model for all of its rows. Rows that it has dropped are not in the answer. */
async function answersTo(deferred: readonly DeferredRows[]): Promise<ReadonlyMap<AskedRow, Float32Array>> {
  const answers = new Map<AskedRow, Float32Array>();
  const byModel = Map.groupBy(deferred, ({ served }) => served.model.recipe.model.remote);
  await Promise.all(
    [...byModel].map(async ([remote, entries]) => {
      const rows = entries.flatMap((entry) => entry.rows);
      const given = await remote?.answer(rows.map(({ asked }) => asked));
      given?.forEach((answer, r) => answers.set(rows[r]!, answer));
    }),
  );
  return answers;
}

function saveSlot({ watch, saved }: Slot, to: StateWriter): void {
  const { model, state } = savedOf(watch) ?? saved ?? { model: "", state: new Uint8Array() };
  to.text(model);
  to.bytes(state);
}

function savedOf(watch: RowWatch | undefined): NonNullable<Slot["saved"]> | undefined {
  if (watch === undefined) return undefined;
  const state = new StateWriter();
  watch.save(state);
  return { model: watch.model.id, state: state.done() };
}

function loadSlot(from: StateReader): Slot {
  const model = from.text();
  const state = from.bytes();
  return { watch: undefined, saved: model === "" ? undefined : { model, state } };
}

/** A prediction is a record already. */
function recordOf(
  device: DeviceWatch,
  watch: RowWatch,
  report: RowReport,
  rule: ModelRule,
  profile: CompiledProfile,
): InsightRecord {
  return report.kind === "judgement" ? rowAlert(device, watch, report, rule, profile) : report;
}

function openAlert(device: DeviceWatch, watch: RowWatch | undefined): OpenAlert | undefined {
  if (watch === undefined || !watch.episode.open) return undefined;
  const { time: _time, ...open } = rowAlertHead(device, watch, 0);
  return open;
}

function closing(open: OpenAlert, timeMicros: number, why: string): AlertRecord {
  const explanation = `${open.model} ${open.version} no longer watches: ${why}`;
  return { ...open, time: formatWireTime(timeMicros), kind: "clear", priority: "low", explanation, contributions: [] };
}

/** Undefined where the state does not fit: the watch then begins anew. */
function loadWatch({ model, tally }: Served, rule: ModelRule, state: Uint8Array): RowWatch | undefined {
  const from = StateReader.open(state);
  if (from === undefined) return undefined;
  const watch = new RowWatch(model, tally, rule);
  try {
    watch.load(from);
    return watch;
  } catch (error) {
    // Reading past the end, or another layout: it was written by another version of Tidegate.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
