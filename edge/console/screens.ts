import type { PredictionRecord } from "../../src/wire/predictions.ts";
import type {
  AlertFigures,
  AlertView,
  BufferView,
  ConnectionView,
  ConsoleView,
  DeviceView,
  FeedbackCount,
  GatewayView,
  MetricView,
  ModelScoresView,
  ModelView,
  StoredModel,
  Suppression,
  TotalsView,
} from "./view.ts";

/*
 * What each screen of the page shows, and each route of the API returns: one bounded JSON object per screen. The
 * stream sends the same objects.
 */

export interface OverviewScreen {
  readonly gateway: GatewayView;
  readonly connections: readonly ConnectionView[];
  readonly buffer: BufferView;
  readonly totals: TotalsView;
  readonly alerts: AlertSummary;
  readonly lines: readonly LineSummary[];
}

export interface BufferScreen {
  readonly gateway: GatewayView;
  readonly buffer: BufferView;
}

export interface AlertSummary {
  /** Alerts that still need a person: not returned to normal, or never acknowledged, and not put away. */
  readonly open: number;
  /** Raised within the last hour; a person can handle about ten. */
  readonly lastHour: number;
  /** The most urgent first. */
  readonly first: readonly AlertView[];
}

export interface LineSummary {
  readonly path: string;
  readonly deviceCount: number;
  readonly silentCount: number;
  readonly alertCount: number;
  /** The first few, abnormal ones first. */
  readonly devices: readonly DeviceCard[];
}

export interface DeviceCard extends Omit<DeviceView, "metrics"> {
  readonly silent: boolean;
  /** Priority of its most urgent open alert. */
  readonly alert: AlertView["record"]["priority"] | undefined;
  /** Of that alert: a mark that somebody has seen is hollow, and does not flash. */
  readonly alertState: AlertView["state"] | undefined;
  /** The first few metrics of the profile, or those an alert is about. */
  readonly metrics: readonly MetricView[];
  readonly metricCount: number;
}

export interface LineScreen {
  readonly gateway: GatewayView;
  readonly path: string;
  /** Devices of the line that match the search. */
  readonly deviceCount: number;
  readonly devices: readonly DeviceCard[];
}

export interface DeviceScreen {
  readonly gateway: GatewayView;
  readonly device: DeviceView & { readonly silent: boolean };
  readonly alerts: readonly AlertView[];
  readonly predictions: readonly PredictionRecord[];
  readonly suppressions: readonly Suppression[];
}

export interface AlertsScreen {
  readonly gateway: GatewayView;
  readonly alerts: readonly AlertView[];
  readonly suppressions: readonly Suppression[];
  readonly feedback: readonly FeedbackCount[];
  readonly figures: AlertFigures;
}

/** A model with the device that is worst now: its newest output, and those of the last hours for a small chart. */
interface ModelCard extends ModelView {
  readonly worst?: Pick<ModelScoresView, "predicts" | "normal"> & {
    readonly device: string;
    readonly newest: number;
    readonly spark: readonly (number | null)[];
  };
}

export interface ModelsScreen {
  readonly gateway: GatewayView;
  readonly models: readonly ModelCard[];
  /** The newest of each device, those that came last first; bounded. */
  readonly predictions: readonly PredictionRecord[];
}

export interface ModelScreen {
  readonly gateway: GatewayView;
  readonly model: ModelView;
}

/** What a trial can be begun with: versions, and where a canary may sit. */
export interface TrialOptions {
  readonly versions: readonly StoredModel[];
  readonly devices: readonly string[];
  /** Asset paths of devices, and those above them. */
  readonly paths: readonly string[];
}

export interface AlertScreen {
  readonly gateway: GatewayView;
  readonly alert: AlertView;
}

const overviewDevicesMax = 48;
const overviewAlertsMax = 5;
const lineDevicesMax = 200;
const alertsMax = 200;
const predictionsMax = 40;
const cardMetricsMax = 3;
const trialVersionsMax = 200;
const trialPlacesMax = 1000;

export function overviewScreen(view: ConsoleView): OverviewScreen {
  const gateway = view.gateway();
  const alerts = byUrgency(view.alerts());
  const open = alerts.filter(isOpen);
  return {
    gateway,
    connections: view.connections(),
    buffer: view.buffer(),
    totals: view.totals(),
    alerts: {
      open: open.length,
      lastHour: alerts.filter((alert) => gateway.nowMicros - alert.raisedMicros < 3_600_000_000).length,
      first: open.slice(0, overviewAlertsMax),
    },
    lines: lineSummaries(view.devices(), open),
  };
}

export function bufferScreen(view: ConsoleView): BufferScreen {
  return { gateway: view.gateway(), buffer: view.buffer() };
}

export function modelsScreen(view: ConsoleView): ModelsScreen {
  const predictions = [...view.predictions()].sort((a, b) => compareText(b.time, a.time));
  const models = view.models().map((model) => modelCard(view, model));
  return { gateway: view.gateway(), models, predictions: predictions.slice(0, predictionsMax) };
}

function modelCard(view: ConsoleView, model: ModelView): ModelCard {
  const scores = view.modelScores(model.name, model.stage);
  const worst = scores?.devices[0];
  if (scores === undefined || worst === undefined) return model;
  const { predicts, normal, last } = scores;
  return { ...model, worst: { predicts, normal, device: worst.device, newest: worst.newest, spark: last } };
}

export function modelScreen(view: ConsoleView, name: string, stage: string): ModelScreen | undefined {
  const model = view.models().find((one) => one.name === name && one.stage === stage);
  return model === undefined ? undefined : { gateway: view.gateway(), model };
}

/** The scores of a model on a device, with the times (ms) at which its alerts of that device were raised. */
export function modelScores(
  view: ConsoleView,
  name: string,
  stage: string,
  device: string | undefined,
): (ModelScoresView & { readonly raisedMs: readonly number[] }) | undefined {
  const model = view.models().find((one) => one.name === name && one.stage === stage);
  const scores = model === undefined ? undefined : view.modelScores(name, model.stage, device);
  if (scores === undefined) return undefined;
  // A shadow raises none, and those of the version beside it are not its own.
  const own = view.alerts().filter(({ record }) => record.model === name && record.device === scores.device);
  return { ...scores, raisedMs: stage === "shadow" ? [] : own.map(({ raisedMicros }) => raisedMicros / 1000) };
}

export function trialOptions(view: ConsoleView): TrialOptions {
  const devices = view.devices();
  const paths = new Set(devices.flatMap(({ path }) => pathsTo(path)));
  const sorted = (names: Iterable<string>): string[] => [...names].sort(compareText).slice(0, trialPlacesMax);
  return {
    versions: view.modelVersions().slice(0, trialVersionsMax),
    devices: sorted(devices.map(({ id }) => id)),
    paths: sorted(paths),
  };
}

/** `a`, `a/b` and `a/b/c` of `a/b/c`. */
function pathsTo(path: string): string[] {
  const parts = path === "" ? [] : path.split("/");
  return parts.map((_, at) => parts.slice(0, at + 1).join("/"));
}

export function lineScreen(view: ConsoleView, path: string, search: string): LineScreen {
  const wanted = search.toLowerCase();
  const cards = cardsOf(view.devices(), view.alerts().filter(isOpen)).filter(
    (card) => card.path === path && card.id.toLowerCase().includes(wanted),
  );
  return { gateway: view.gateway(), path, deviceCount: cards.length, devices: cards.slice(0, lineDevicesMax) };
}

export function deviceScreen(view: ConsoleView, id: string): DeviceScreen | undefined {
  const device = view.device(id);
  if (device === undefined) return undefined;
  const alerts = byUrgency(view.alerts().filter((alert) => alert.record.device === id));
  return {
    gateway: view.gateway(),
    device: { ...device, silent: isSilent(device) },
    alerts: alerts.slice(0, alertsMax),
    predictions: view.predictions(id),
    suppressions: view.suppressions().filter((suppression) => suppression.device === id),
  };
}

export function alertsScreen(view: ConsoleView): AlertsScreen {
  return {
    gateway: view.gateway(),
    alerts: byUrgency(view.alerts()).slice(0, alertsMax),
    suppressions: view.suppressions(),
    feedback: view.feedback(),
    figures: view.alertFigures(),
  };
}

export function alertScreen(view: ConsoleView, episode: string): AlertScreen | undefined {
  const alert = view.alerts().find(({ record }) => record.episode === episode);
  return alert === undefined ? undefined : { gateway: view.gateway(), alert };
}

function lineSummaries(devices: readonly DeviceView[], open: readonly AlertView[]): readonly LineSummary[] {
  const lines = Map.groupBy(cardsOf(devices, open), (card) => card.path);
  const devicesEach = Math.max(1, Math.floor(overviewDevicesMax / Math.max(1, lines.size)));
  return [...lines]
    .sort(([a], [b]) => compareText(a, b))
    .slice(0, overviewDevicesMax)
    .map(([path, cards]) => ({
      path,
      deviceCount: cards.length,
      silentCount: cards.filter((card) => card.silent).length,
      alertCount: open.filter((alert) => alert.record.path === path).length,
      devices: cards.slice(0, devicesEach),
    }));
}

/** Cards of all devices: with an alert first, then silent ones, then by name. */
function cardsOf(devices: readonly DeviceView[], open: readonly AlertView[]): readonly DeviceCard[] {
  const alerts = Map.groupBy(byUrgency(open), (alert) => alert.record.device);
  return devices.map((device) => cardOf(device, alerts.get(device.id) ?? [])).sort(compareCards);
}

function cardOf(device: DeviceView, open: readonly AlertView[]): DeviceCard {
  const alarming = new Set(open.map((alert) => alert.record.metric));
  const inOrder = [...device.metrics].sort((a, b) => Number(alarming.has(b.name)) - Number(alarming.has(a.name)));
  return {
    ...device,
    silent: isSilent(device),
    alert: open[0]?.record.priority,
    alertState: open[0]?.state,
    metrics: inOrder.slice(0, cardMetricsMax).map(withShortSpark),
    metricCount: device.metrics.length,
  };
}

/** A line of 120 pixels cannot show more than four digits, and the screen travels twice a second. */
function withShortSpark(metric: MetricView): MetricView {
  return { ...metric, spark: metric.spark.map((value) => (value === null ? null : Number(value.toPrecision(4)))) };
}

/** Nothing of it is fresh any more. */
function isSilent(device: DeviceView): boolean {
  return device.metrics.every((metric) => metric.ageMs > metric.staleAfterMs);
}

/** It needs a person: what is shelved or out of service does not, now. */
function isOpen(alert: AlertView): boolean {
  return alert.state !== "returned" && alert.suppression === undefined;
}

const priorities = ["critical", "high", "medium", "low"];

function byUrgency(alerts: readonly AlertView[]): AlertView[] {
  const rank = (alert: AlertView): number =>
    isOpen(alert) ? priorities.indexOf(alert.record.priority) : priorities.length;
  return [...alerts].sort((a, b) => rank(a) - rank(b) || b.raisedMicros - a.raisedMicros);
}

function compareCards(a: DeviceCard, b: DeviceCard): number {
  const rank = (card: DeviceCard): number => {
    if (card.alert !== undefined) return priorities.indexOf(card.alert);
    return priorities.length + (card.silent ? 0 : 1);
  };
  return rank(a) - rank(b) || compareText(a.id, b.id);
}

/** `press-2` before `press-10`. */
const compareText = new Intl.Collator("en", { numeric: true }).compare;
