import type { Clock } from "../../src/clock.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type {
  AlertFigures,
  AlertView,
  AlertWindowView,
  BufferView,
  ConnectionView,
  ConsoleView,
  DeviceView,
  FeedbackCount,
  GatewayView,
  LaneView,
  LossesView,
  ModelScoresView,
  ModelView,
  QuarantineList,
  QuarantinedMessage,
  StoredModel,
  Suppression,
  TotalsView,
  TrendView,
} from "../console/view.ts";
import type { ForwardReport } from "../forward/protocol.ts";
import type { LossRow, QuarantineFilter, QuarantinePage, QuarantineRow, Usage } from "../journal/protocol.ts";
import type { Source } from "../source.ts";
import type { AlertWindows } from "./alert-window.ts";
import { alertFigures } from "./alert-figures.ts";
import { keptMax, type AlertBoard } from "./alerts.ts";
import type { FeedbackCounts } from "./feedback-counts.ts";
import type { LiveValues } from "./live.ts";
import { quarantineItemOf } from "./quarantine-item.ts";
import type { Suppressions } from "./suppressions.ts";

export interface AgentViewParts {
  readonly clock: Clock;
  readonly gateway: { readonly id: string; readonly path: string; readonly version: string; readonly epoch: string };
  readonly sources: () => readonly Source[];
  readonly kafkaAddress: string | undefined;
  readonly live: LiveValues;
  readonly alerts: AlertBoard;
  readonly suppressions: Suppressions;
  readonly alertWindows: AlertWindows;
  readonly models: () => readonly ModelView[];
  readonly modelScores: ConsoleView["modelScores"];
  readonly modelVersions: () => readonly StoredModel[];
  readonly predictions: (device: string | undefined) => readonly PredictionRecord[];
  readonly feedback: FeedbackCounts;
  readonly counters: () => { readonly received: number; readonly acknowledged: number; readonly quarantined: number };
  readonly usage: () => Usage | undefined;
  readonly forward: () => ForwardReport | undefined;
  readonly telemetryWhenFull: () => "dropOldest" | "stop";
  /** Why the configuration in the file is not the one that runs. */
  readonly configAlarm: () => string | undefined;
  readonly quarantinePage: (filter: QuarantineFilter, before: number, limit: number) => Promise<QuarantinePage>;
  readonly quarantined: (id: number) => Promise<QuarantineRow | undefined>;
  readonly quarantinedBytes: (id: number) => Promise<Uint8Array | undefined>;
  readonly losses: (limit: number) => Promise<LossRow[]>;
}

const lossesMax = 100;

/** The agent as the console and the metrics see it: everything is in memory, the disk is asked once a second. */
export class AgentView implements ConsoleView {
  readonly #parts: AgentViewParts;
  readonly #startedMs: number;
  readonly #listeners: Set<() => void> = new Set();
  readonly notices: string[] = [];
  /** What is wrong with a packaged model, by its name. */
  readonly modelNotices = new Map<string, string>();
  #bufferingSinceMicros: number | undefined;
  #kafkaState: ConnectionView["state"] = "connecting";
  #kafkaSinceMicros: number;
  /** Set while the disk refuses or is full. */
  trouble: string | undefined;

  constructor(parts: AgentViewParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.monotonicMs();
    this.#kafkaSinceMicros = parts.clock.nowMicros();
  }

  /** To be called once a second. */
  tick(): void {
    const { clock, live } = this.#parts;
    live.sample(clock.monotonicMs(), clock.nowMicros() / 1_000);
    this.#watchKafka();
    this.changed();
  }

  #watchKafka(): void {
    const now = this.#parts.clock.nowMicros();
    const state = this.#stateOfKafka();
    if (state !== this.#kafkaState) this.#kafkaSinceMicros = now;
    this.#kafkaState = state;
    if (state === "connected") this.#bufferingSinceMicros = undefined;
    else this.#bufferingSinceMicros ??= now;
  }

  #stateOfKafka(): ConnectionView["state"] {
    if (this.#parts.kafkaAddress === undefined) return "off";
    const report = this.#parts.forward();
    if (report === undefined || report.state === "starting") return "connecting";
    return report.state;
  }

  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  gateway(): GatewayView {
    const { clock, gateway } = this.#parts;
    const current = [this.#parts.configAlarm(), this.trouble].filter((text) => text !== undefined);
    const notices = [...this.notices, ...this.modelNotices.values(), ...current];
    return {
      ...gateway,
      uptimeMs: clock.monotonicMs() - this.#startedMs,
      clock: clock.state(),
      nowMicros: clock.nowMicros(),
      notices,
    };
  }

  connections(): readonly ConnectionView[] {
    const sources = this.#parts.sources().map((source): ConnectionView => ({ name: source.name, ...source.status() }));
    return [...sources, this.#kafka()];
  }

  #kafka(): ConnectionView {
    const report = this.#parts.forward();
    const detail =
      this.#parts.kafkaAddress === undefined
        ? "no Kafka is configured: records are kept here"
        : [report?.fault?.message, ...(report?.alarms ?? [])].filter((text) => text !== undefined).join("; ");
    return {
      name: "kafka",
      kind: "kafka",
      state: this.#kafkaState,
      address: this.#parts.kafkaAddress ?? "",
      detail,
      sinceMicros: this.#kafkaSinceMicros,
    };
  }

  buffer(): BufferView {
    const usage = this.#parts.usage();
    const unsent = lanes.reduce((sum, lane) => sum + (usage?.head.lanes[lane].unsentRecords ?? 0), 0);
    const isBuffering = this.#bufferingSinceMicros !== undefined;
    return {
      bytesUsed: usage?.bytes ?? 0,
      bytesQuota: usage?.quotaBytes ?? 0,
      recordsUnsent: unsent,
      oldestUnsentAgeMs: this.#ageMs(usage?.oldestUnsentMicros),
      bufferingSinceMicros: isBuffering && unsent > 0 ? this.#bufferingSinceMicros : undefined,
      fullInSeconds: isBuffering ? firstFull(usage) : undefined,
      holdingSenders: this.trouble !== undefined,
      lanes: usage === undefined ? [] : lanes.map((lane) => this.#lane(lane, usage)),
    };
  }

  #ageMs(sinceMicros: number | undefined): number | undefined {
    if (sinceMicros === undefined) return undefined;
    return Math.max(0, (this.#parts.clock.nowMicros() - sinceMicros) / 1_000);
  }

  #lane(lane: Lane, usage: Usage): LaneView {
    const { bytes, records, unsentRecords } = usage.head.lanes[lane];
    const { quotaBytes, oldestUnsentMicros, bytesPerSecond, fullInSeconds } = usage.lanes[lane];
    return {
      lane,
      bytesUsed: bytes,
      bytesQuota: quotaBytes,
      recordsUnsent: unsentRecords,
      oldestUnsentAgeMs: this.#ageMs(oldestUnsentMicros),
      records,
      bytesPerSecond,
      fullInSeconds,
      whenFull: this.#whenFull(lane),
    };
  }

  #whenFull(lane: Lane): string {
    switch (lane) {
      case "history":
        return "the oldest expires";
      case "insight":
        return "drops the oldest of the least severe, named in the ledger";
      case "critical":
        return "is never dropped; has a reserve";
      case "telemetry":
        return this.#parts.telemetryWhenFull() === "stop"
          ? "stops acknowledging: senders hold their data"
          : "drops the oldest, named in the ledger";
    }
  }

  totals(): TotalsView {
    const { received, acknowledged, quarantined } = this.#parts.counters();
    const total = this.#parts.usage()?.head.total;
    return {
      received,
      acknowledged,
      stored: total?.stored ?? 0,
      published: total?.published ?? 0,
      quarantined: total?.quarantined ?? quarantined,
      inQuarantine: this.#parts.usage()?.head.quarantine.count ?? 0,
      ledgered: total?.ledgered ?? 0,
    };
  }

  devices(): readonly DeviceView[] {
    return this.#parts.live.views(this.#parts.clock.monotonicMs());
  }

  device(id: string): DeviceView | undefined {
    return this.#parts.live.view(id, this.#parts.clock.monotonicMs());
  }

  trend(device: string, metric: string): Promise<TrendView | undefined> {
    return Promise.resolve(this.#parts.live.trend(device, metric));
  }

  alerts(): readonly AlertView[] {
    return this.#parts.alerts.views;
  }

  async alertWindow(episode: string): Promise<AlertWindowView | undefined> {
    const alert = this.#parts.alerts.find(episode);
    return alert === undefined ? undefined : this.#parts.alertWindows.of(alert);
  }

  predictions(device?: string): readonly PredictionRecord[] {
    return this.#parts.predictions(device);
  }

  models(): readonly ModelView[] {
    return this.#parts.models();
  }

  modelScores(name: string, stage: ModelView["stage"], device?: string): ModelScoresView | undefined {
    return this.#parts.modelScores(name, stage, device);
  }

  modelVersions(): readonly StoredModel[] {
    return this.#parts.modelVersions();
  }

  alertFigures(): AlertFigures {
    return alertFigures(this.#parts.alerts.views, this.#parts.clock.nowMicros(), keptMax);
  }

  feedback(): readonly FeedbackCount[] {
    return this.#parts.feedback.all;
  }

  suppressions(): readonly Suppression[] {
    return this.#parts.suppressions.all;
  }

  async quarantine(filter: QuarantineFilter, before: number | undefined, limit: number): Promise<QuarantineList> {
    const { rows, next } = await this.#parts.quarantinePage(filter, before ?? Number.MAX_SAFE_INTEGER, limit);
    return { messages: rows.map(quarantineItemOf), next };
  }

  async quarantined(id: number): Promise<QuarantinedMessage | undefined> {
    const [row, body] = await Promise.all([this.#parts.quarantined(id), this.#parts.quarantinedBytes(id)]);
    return row === undefined || body === undefined ? undefined : { ...quarantineItemOf(row), body };
  }

  async losses(): Promise<LossesView> {
    const counts = Object.entries(this.#parts.usage()?.head.losses ?? {});
    return {
      reasons: counts.map(([reason, records]) => ({ reason, records })).toSorted((a, b) => b.records - a.records),
      latest: await this.#parts.losses(lossesMax),
    };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** When the first of the lanes is full. */
function firstFull(usage: Usage | undefined): number | undefined {
  if (usage === undefined) return undefined;
  const times = lanes.flatMap((lane) => usage.lanes[lane].fullInSeconds ?? []);
  return times.length === 0 ? undefined : Math.min(...times);
}
