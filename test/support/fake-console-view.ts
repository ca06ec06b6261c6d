import type {
  AlertAction,
  AlertFigures,
  AlertOutcome,
  AlertView,
  AlertWindowView,
  BufferView,
  ConnectionView,
  ConsoleActions,
  ConsoleView,
  DeviceView,
  FeedbackCount,
  GatewayView,
  LossesView,
  MetricView,
  ModelAction,
  ModelOutcome,
  ModelScoresView,
  ModelView,
  QuarantinedMessage,
  QuarantineList,
  ReloadResult,
  RetryResult,
  StoredModel,
  Suppression,
  TotalsView,
  TrendView,
} from "../../edge/console/view.ts";
import { alertFigures } from "../../edge/observe/alert-figures.ts";
import type { QuarantineFilter } from "../../edge/journal/protocol.ts";
import type { AuditEntry } from "../../src/wire/audit.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";
import type { Actor } from "../../src/wire/records.ts";
import { formatWireTime } from "../../src/observation/time.ts";

/** A gateway as the console sees it, standing still until a test changes it. Starts as a small, healthy plant. */
export class FakeConsoleView implements ConsoleView {
  gatewayView: GatewayView = {
    id: "gw-berlin-1",
    path: "acme/berlin",
    version: "0.1.0",
    epoch: "7-00ff00ff00ff00ff",
    uptimeMs: 3 * 86_400_000,
    clock: "synced",
    nowMicros: Date.now() * 1000,
    notices: [],
  };
  connectionViews: ConnectionView[] = [
    connection("plant", "broker", "listening", "0.0.0.0:1883", "12 clients connected"),
    connection("line-2", "opcua", "connected", "press-17.acme.example:4840", "8 items"),
    connection("kafka", "kafka", "connected", "kafka.acme.example:9092", ""),
  ];
  bufferView: BufferView = bufferView();
  totalsView: TotalsView = {
    received: 1_204_113,
    acknowledged: 1_204_110,
    stored: 1_204_110,
    published: 1_204_007,
    quarantined: 0,
    inQuarantine: 0,
    ledgered: 0,
  };
  deviceViews: DeviceView[] = [pressDevice(), pumpDevice("pump-1"), pumpDevice("pump-2")];
  alertViews: AlertView[] = [];
  suppressionViews: Suppression[] = [];
  feedbackCounts: FeedbackCount[] = [];
  windowChanges: Partial<AlertWindowView> = {};
  modelViews: ModelView[] = [];
  storedModels: StoredModel[] = [];
  /** By name, stage and device. */
  readonly scoreViews: Map<string, ModelScoresView> = new Map();
  predictionViews: PredictionRecord[] = [];
  messages: QuarantinedMessage[] = [];
  lossesView: LossesView = { reasons: [], latest: [] };
  readonly #listeners = new Set<() => void>();

  gateway(): GatewayView {
    return { ...this.gatewayView, nowMicros: Date.now() * 1000 };
  }
  connections(): readonly ConnectionView[] {
    return this.connectionViews;
  }
  buffer(): BufferView {
    return this.bufferView;
  }
  totals(): TotalsView {
    return { ...this.totalsView, inQuarantine: this.messages.length };
  }
  devices(): readonly DeviceView[] {
    return this.deviceViews;
  }
  device(id: string): DeviceView | undefined {
    return this.deviceViews.find((device) => device.id === id);
  }
  predictions(device?: string): readonly PredictionRecord[] {
    return this.predictionViews.filter((one) => device === undefined || one.device === device);
  }
  models(): readonly ModelView[] {
    return this.modelViews;
  }
  modelScores(name: string, stage: ModelView["stage"], device?: string): ModelScoresView | undefined {
    const fitting = [...this.scoreViews].filter(([key]) => key.startsWith(`${name} ${stage} ${device ?? ""}`));
    return fitting[0]?.[1];
  }
  modelVersions(): readonly StoredModel[] {
    return this.storedModels;
  }
  async trend(device: string, metric: string): Promise<TrendView | undefined> {
    const found = this.device(device)?.metrics.find(({ name }) => name === metric);
    return found === undefined ? undefined : trendOf(found);
  }
  alerts(): readonly AlertView[] {
    return this.alertViews.map((view) => ({
      ...view,
      suppression: this.suppressionViews.find(
        ({ device, metric }) => device === view.record.device && (metric ?? view.record.metric) === view.record.metric,
      ),
    }));
  }
  async alertWindow(episode: string): Promise<AlertWindowView | undefined> {
    const found = this.alertViews.find(({ record }) => record.episode === episode);
    return found === undefined ? undefined : { ...alertWindow(found), ...this.windowChanges };
  }
  alertFigures(): AlertFigures {
    return alertFigures(this.alerts(), Date.now() * 1000, 200);
  }
  feedback(): readonly FeedbackCount[] {
    return this.feedbackCounts;
  }
  suppressions(): readonly Suppression[] {
    return this.suppressionViews;
  }
  async quarantine(filter: QuarantineFilter, before = Infinity, limit: number): Promise<QuarantineList> {
    const fitting = this.messages.filter(
      (message) => message.id < before && (filter.reason === undefined || message.reason === filter.reason),
    );
    const page = fitting.slice(0, limit).map(({ body: _body, ...item }) => item);
    return { messages: page, next: fitting.length > limit ? page.at(-1)!.id : undefined };
  }
  async losses(): Promise<LossesView> {
    return this.lossesView;
  }
  async quarantined(id: number): Promise<QuarantinedMessage | undefined> {
    return this.messages.find((message) => message.id === id);
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  get listenerCount(): number {
    return this.#listeners.size;
  }
  changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Does what it is told, to the fake's own lists, and remembers the audit. */
export class FakeConsoleActions implements ConsoleActions {
  readonly audited: (AuditEntry | { readonly by: Actor; readonly action: string; readonly ids: readonly number[] })[] =
    [];
  readonly modelActions: { readonly by: Actor; readonly action: ModelAction }[] = [];
  readonly alertActions: { readonly by: Actor; readonly action: AlertAction }[] = [];
  /** Ids that a retry can read. */
  readonly readable: Set<number> = new Set();
  reloadResult: ReloadResult = { kind: "done", changed: ["devices"] };
  readonly #view: FakeConsoleView;

  constructor(view: FakeConsoleView) {
    this.#view = view;
  }

  async retry(ids: readonly number[], by: Actor): Promise<readonly RetryResult[]> {
    this.audited.push({ by, action: "quarantine-retry", ids });
    return ids.map((id) => this.#retryOne(id));
  }

  #retryOne(id: number): RetryResult {
    const message = this.#view.messages.find((candidate) => candidate.id === id);
    if (message === undefined) return { id, outcome: "gone", reason: "", detail: "" };
    const { reason, detail } = message;
    this.#view.messages = this.readable.has(id)
      ? this.#view.messages.filter((candidate) => candidate !== message)
      : this.#view.messages.map((other) =>
          other === message ? { ...other, tries: other.tries + 1, tried: formatWireTime(Date.now() * 1000) } : other,
        );
    this.#view.changed();
    return this.readable.has(id)
      ? { id, outcome: "read", reason: "", detail: "" }
      : { id, outcome: "bad", reason, detail };
  }

  async deleteQuarantined(ids: readonly number[], by: Actor): Promise<number> {
    this.audited.push({ by, action: "quarantine-delete", ids });
    const before = this.#view.messages.length;
    this.#view.messages = this.#view.messages.filter(({ id }) => !ids.includes(id));
    this.#view.changed();
    return before - this.#view.messages.length;
  }

  async reload(by: Actor): Promise<ReloadResult> {
    this.audited.push({ by, action: "config-reload", ids: [] });
    return this.reloadResult;
  }

  async changeModels(action: ModelAction, by: Actor): Promise<ModelOutcome> {
    const { name } = action;
    const known = [...this.#view.modelViews, ...this.#view.storedModels];
    if (!known.some((view) => view.name === name)) return { kind: "refused", message: `no ${name} here` };
    this.modelActions.push({ by, action });
    this.audited.push({ by, action: `model-${action.kind}`, ids: [] });
    return { kind: "done" };
  }

  async changeAlerts(action: AlertAction, by: Actor): Promise<AlertOutcome> {
    if (!this.#change(action, by)) return "gone";
    this.alertActions.push({ by, action });
    this.audited.push({ by, action: `alert-${action.kind}`, ids: [] });
    this.#view.changed();
    return "done";
  }

  #change(action: AlertAction, by: Actor): boolean {
    if (action.kind === "acknowledge") return this.#acknowledge(action.episode, by);
    if (action.kind === "feedback") return this.#judge(action, by);
    return this.#suppress(action, by);
  }

  #judge({ episode, verdict, note }: Extract<AlertAction, { kind: "feedback" }>, { role }: Actor): boolean {
    const found = this.#view.alertViews.find(({ record }) => record.episode === episode);
    if (found === undefined) return false;
    const feedback = { verdict, note, micros: Date.now() * 1000, by: role };
    this.#view.alertViews = this.#view.alertViews.map((view) => (view === found ? { ...view, feedback } : view));
    const verdicts = { "true-alarm": 0, "false-alarm": 0, "maintenance-done": 0, [verdict]: 1 };
    this.#view.feedbackCounts = [{ model: found.record.model, verdicts }];
    return true;
  }

  #suppress(action: Exclude<AlertAction, { kind: "acknowledge" | "feedback" }>, by: Actor): boolean {
    const { device, metric } = action;
    const others = this.#view.suppressionViews.filter((each) => each.device !== device || each.metric !== metric);
    const hadSome = others.length < this.#view.suppressionViews.length;
    if (!("reason" in action)) {
      this.#view.suppressionViews = others;
      return hadSome;
    }
    if (this.#view.device(device) === undefined) return false;
    const sinceMicros = Date.now() * 1000;
    const untilMicros = action.kind === "shelve" ? sinceMicros + action.seconds * 1e6 : undefined;
    const kind = action.kind === "shelve" ? "shelved" : "out-of-service";
    const { reason } = action;
    this.#view.suppressionViews = [{ kind, device, metric, reason, by: by.role, sinceMicros, untilMicros }, ...others];
    return true;
  }

  #acknowledge(episode: string, by: Actor): boolean {
    const found = this.#view.alertViews.find(({ record }) => record.episode === episode);
    if (found === undefined) return false;
    const acknowledged = { micros: Date.now() * 1000, by: by.role };
    this.#view.alertViews = this.#view.alertViews.map((view) =>
      view === found ? { ...view, state: "acknowledged", acknowledged } : view,
    );
    return true;
  }

  audit(entry: AuditEntry): void {
    this.audited.push(entry);
  }
}

export function connection(
  name: string,
  kind: ConnectionView["kind"],
  state: ConnectionView["state"],
  address: string,
  detail: string,
): ConnectionView {
  return { name, kind, state, address, detail, sinceMicros: (Date.now() - 8 * 3_600_000) * 1000 };
}

export function bufferView(changes: Partial<BufferView> = {}): BufferView {
  const lane = (name: "critical" | "insight" | "telemetry" | "history", bytesUsed: number, bytesQuota: number) => ({
    lane: name,
    bytesUsed,
    bytesQuota,
    recordsUnsent: 0,
    oldestUnsentAgeMs: undefined,
    records: Math.floor(bytesUsed / 25),
    bytesPerSecond: 0,
    fullInSeconds: undefined,
    whenFull: name === "critical" ? "holds the sources that feed it" : "drops the oldest, named in the ledger",
  });
  return {
    bytesUsed: 412_000_000,
    bytesQuota: 10_000_000_000,
    recordsUnsent: 103,
    oldestUnsentAgeMs: 420,
    bufferingSinceMicros: undefined,
    fullInSeconds: undefined,
    holdingSenders: false,
    lanes: (
      [
        ["critical", 1_200_000, 1_000_000_000],
        ["insight", 800_000, 1_000_000_000],
        ["telemetry", 310_000_000, 6_000_000_000],
        ["history", 100_000_000, 2_000_000_000],
      ] as const
    ).map(([name, used, quota]) => lane(name, used, quota)),
    ...changes,
  };
}

export function metric(
  name: string,
  label: string,
  unit: string,
  value: MetricView["value"],
  changes: Partial<MetricView> = {},
): MetricView {
  const spark =
    typeof value === "number" ? Array.from({ length: 60 }, (_, at) => value * (1 + 0.03 * Math.sin(at / 4))) : [];
  return {
    name,
    label,
    unit,
    kind: typeof value === "number" ? "gauge" : "state",
    range: undefined,
    value,
    exact: undefined,
    quality: "good",
    ageMs: 800,
    staleAfterMs: 30_000,
    drift: undefined,
    spark,
    ...changes,
  };
}

export function pressDevice(changes: Partial<DeviceView> = {}): DeviceView {
  return {
    id: "press-17",
    path: "acme/berlin/press-shop/line-2",
    profile: "acme/press",
    source: "line-2",
    ageMs: 800,
    metrics: [
      metric("temperature", "Oil temperature", "Cel", 63.2, { range: [40, 75] }),
      metric("vibration", "Vibration", "mm/s", 1.23, { range: [0, 4.5] }),
      metric("force", "Press force", "kN", 812.5, { range: [0, 1200] }),
      metric("mode", "Mode", "1", "auto"),
    ],
    ...changes,
  };
}

export function pumpDevice(id: string, changes: Partial<DeviceView> = {}): DeviceView {
  return {
    id,
    path: "acme/berlin/utilities/pumps",
    profile: "generic/json-sensor",
    source: "plant",
    ageMs: 1200,
    metrics: [
      metric("flow", "Flow", "m3/h", 41.8, { range: [20, 60] }),
      metric("pressure", "Outlet pressure", "bar", 4.02, { range: [2, 6] }),
      metric("bearing", "Bearing temperature", "Cel", 51.4, { range: [20, 80] }),
    ],
    ...changes,
  };
}

export function alert(
  device: DeviceView,
  changes: Partial<AlertView["record"]> = {},
  state: AlertView["state"] = "unacknowledged",
): AlertView {
  const raisedMicros = (Date.now() - 4 * 60_000) * 1000;
  return {
    state,
    raisedMicros,
    clearedMicros: state.startsWith("returned") ? raisedMicros + 60_000_000 : undefined,
    commit: 4711,
    acknowledged: undefined,
    feedback: undefined,
    suppression: undefined,
    record: {
      kind: state.startsWith("returned") ? "clear" : "raise",
      episode: `${device.id}-1`,
      device: device.id,
      path: device.path,
      time: formatWireTime(raisedMicros),
      priority: "high",
      metric: device.metrics[2]?.name ?? "",
      model: "context-surprise",
      version: "1",
      score: 8.4,
      threshold: 5,
      explanation:
        "Bearing temperature is 78.9 °C, 9 standard deviations above what flow and pressure lead to expect (54.1 °C).",
      consequence: "The bearing is likely to fail within days.",
      action: "Check lubrication; plan a bearing change.",
      contributions: [
        { metric: "bearing", value: 78.9, normal: "51 to 57", share: 0.82 },
        { metric: "flow", value: 39.1, normal: "40 to 43", share: 0.18 },
      ],
      ...changes,
    },
  };
}

/** A reading a second, rising from ten minutes before the alert on, with half a minute of silence. */
export function alertWindow({ record, raisedMicros }: AlertView): AlertWindowView {
  const fromMicros = raisedMicros - 600e6;
  const times = Array.from({ length: 780 }, (_, i) => fromMicros + i * 1e6).filter((_, i) => i < 200 || i > 230);
  const rise = (micros: number): number => Math.max(0, (micros - raisedMicros + 60e6) / 60e6);
  const spec = pumpDevice("x").metrics.find(({ name }) => name === record.metric);
  return {
    fromMicros,
    toMicros: raisedMicros + 540e6,
    kept: "whole",
    note: "",
    metrics: [
      { name: record.metric, label: spec?.label ?? record.metric, unit: spec?.unit ?? "1", range: spec?.range },
    ],
    readings: times.length,
    timesMicros: times,
    values: [times.map((micros) => 52 + Math.sin(micros / 20e6) + 9 * rise(micros))],
    scores: times
      .filter((micros) => micros > raisedMicros - 64e6)
      .map((micros) => ({ timeMicros: micros, score: Math.min(0.98, rise(micros)) })),
    threshold: 0.7,
  };
}

export function quarantined(
  id: number,
  body: string | Uint8Array,
  changes: Partial<QuarantinedMessage> = {},
): QuarantinedMessage {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  return {
    id,
    time: formatWireTime((Date.now() - id * 1000) * 1000),
    source: "plant",
    address: "plant/line-1/scale-4/data",
    reason: "not-json",
    detail: "Unexpected token at position 0",
    device: "",
    profile: "",
    form: "bytes",
    bytes: bytes.length,
    bytesKept: bytes.length,
    tries: 0,
    tried: undefined,
    body: bytes,
    ...changes,
  };
}

/** An hour of 10 second stretches with five silent minutes. */
function trendOf(found: MetricView): TrendView {
  const points = 360;
  const now = Math.floor(Date.now() / 10_000) * 10_000;
  const base = typeof found.value === "number" ? found.value : undefined;
  const at = (offset: number) =>
    Array.from({ length: points }, (_, i) => {
      const silent = i > 150 && i < 180;
      return base === undefined || silent ? null : base * (1 + 0.05 * Math.sin(i / 20) + offset);
    });
  return {
    bucketMs: 10_000,
    timesMs: Array.from({ length: points }, (_, i) => now - (points - i) * 10_000),
    low: at(-0.01),
    high: at(0.01),
    last: at(0),
  };
}

/** A version that is live and has nothing to say. */
export function modelView(changes: Partial<ModelView> = {}): ModelView {
  return {
    name: "pump",
    version: "1.0.0",
    predicts: undefined,
    stage: "live",
    state: "running",
    unfitProfiles: 0,
    devices: 1,
    learning: 0,
    openEpisodes: 0,
    hours: 1,
    rows: 3_600,
    abnormalRows: 0,
    episodes: 0,
    compared: 0,
    onlyLive: 0,
    onlyShadow: 0,
    microsMean: 2.7,
    microsMax: 40,
    drift: { state: "unknown", measure: "stability", channels: [] },
    ...changes,
  };
}

/** Eight hours of scores: calm with a gap, a bump that was explained, and 0.8125 at the end. */
export function modelScores(device: string, changes: Partial<ModelScoresView> = {}): ModelScoresView {
  const stretchMs = 300_000;
  const start = Math.floor(Date.UTC(2026, 10, 21, 9) / stretchMs) * stretchMs;
  const points = Array.from({ length: 96 }, (_, at) => at);
  const last = points.map((at) => {
    if (at >= 20 && at < 26) return null;
    return at === 95 ? 0.8125 : 0.3 + 0.1 * Math.sin(at / 5) + (at >= 60 && at < 70 ? 1.5 : 0);
  });
  const shares = (at: number): { metric: string; share: number }[] => [
    { metric: at < 60 ? "flow" : "vibration", share: 0.7 },
    { metric: "pressure", share: 0.2 },
  ];
  return {
    predicts: undefined,
    normal: [0, 1],
    compared: "value",
    devices: [
      { device, newest: 0.8125, isOpen: false },
      { device: "pump-2", newest: 0.25, isOpen: true },
    ],
    device,
    stretchMs,
    timesMs: points.map((at) => start + at * stretchMs),
    low: last.map((score) => (score === null ? null : score - 0.1)),
    high: last.map((score) => (score === null ? null : score + 0.1)),
    last,
    explained: last.map((score, at) => (score === null ? null : { score: score + 0.1, shares: shares(at) })),
    ...changes,
  };
}
