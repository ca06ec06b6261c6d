import type { ClockState } from "../../src/clock.ts";
import type { ErrorCode } from "../../src/errors.ts";
import type { Quality, Value } from "../../src/observation/observation.ts";
import type { MetricSpec } from "../../src/profile/profile.ts";
import type { AuditEntry } from "../../src/wire/audit.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";
import type { Actor, AlertRecord, AlertVerdict, QuarantineRecord, Role } from "../../src/wire/records.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { LossRow, QuarantineFilter } from "../journal/protocol.ts";
import type { SourceStatus } from "../source.ts";

/**
 * The port through which the console sees the agent. The console only looks: nothing here changes a record, holds
 * one back or waits for a disk on the ingest's way.
 *
 * The synchronous calls return what is in memory and are made at most twice a second for each open page, so they
 * must be cheap; what they return is read at once and never kept. Wall times are microseconds since 1970 (they may
 * be wrong while the clock is unset); ages come from the monotonic clock and are right always.
 */
export interface ConsoleView {
  gateway(): GatewayView;
  /** Every source in the order of the configuration, then the sink. */
  connections(): readonly ConnectionView[];
  buffer(): BufferView;
  /** Counts since the start of this epoch. */
  totals(): TotalsView;
  /** Every device that has a profile, in any order. */
  devices(): readonly DeviceView[];
  device(id: string): DeviceView | undefined;
  /** Points of at least the last hour for a chart; undefined where the device or the metric is unknown. */
  trend(device: string, metric: string): Promise<TrendView | undefined>;
  /** Open alerts, and those that cleared lately; bounded. */
  alerts(): readonly AlertView[];
  /** What the device sent around the alert, read back from the journal; undefined where the alert is not on the board. */
  alertWindow(episode: string): Promise<AlertWindowView | undefined>;
  /** How much the alerts ask of a person. */
  alertFigures(): AlertFigures;
  /** How the alerts of each model were judged. */
  feedback(): readonly FeedbackCount[];
  /** What people have put out of the list of alerts, the newest first; bounded. */
  suppressions(): readonly Suppression[];
  /** Packaged models that run, live ones first; bounded. */
  models(): readonly ModelView[];
  /**
   * What the version of a model in a stage has said lately of a device, by default of the one that is worst now; undefined
   * where no version is there, or it does not watch the device.
   */
  modelScores(name: string, stage: ModelView["stage"], device?: string): ModelScoresView | undefined;
  /** Versions in the store of the models that the configuration uses, by name, the newest first. Reads folders. */
  modelVersions(): readonly StoredModel[];
  /** The newest prediction of each device that has one, or of one device. */
  predictions(device?: string): readonly PredictionRecord[];
  /** Messages in the quarantine that fit, newest first, below `before`, at most `limit`. */
  quarantine(filter: QuarantineFilter, before: number | undefined, limit: number): Promise<QuarantineList>;
  /** One quarantined message with its bytes; undefined where it is gone by now. */
  quarantined(id: number): Promise<QuarantinedMessage | undefined>;
  /** What was lost, by reason and lately. */
  losses(): Promise<LossesView>;
  /**
   * The listener is called after anything above may have changed, as often as it does: the console coalesces.
   * It must not be called for the mere passing of time. Returns the function that removes it.
   */
  onChange(listener: () => void): () => void;
}

/**
 * What a person may do through the console. Every action ends in an audit record that becomes durable with it; the
 * promises resolve after that.
 */
export interface ConsoleActions {
  /** Tries quarantined messages again; the results in the order of `ids`, which are distinct. */
  retry(ids: readonly number[], by: Actor): Promise<readonly RetryResult[]>;
  /** Deletes quarantined messages for good, named in ledger and audit. Returns how many were still there. */
  deleteQuarantined(ids: readonly number[], by: Actor): Promise<number>;
  /** Changes how an alert, or all alerts of a metric or a device, are handled. */
  changeAlerts(action: AlertAction, by: Actor): Promise<AlertOutcome>;
  /** Reads the configuration file again and takes it over as a whole, or not at all. */
  reload(by: Actor): Promise<ReloadResult>;
  /** Changes which versions of a model run. The models follow within some seconds. */
  changeModels(action: ModelAction, by: Actor): Promise<ModelOutcome>;
  /** Notes what somebody did that changes nothing here; repetitions within a minute become one record with their number. */
  audit(entry: AuditEntry): void;
}

export type ReloadResult =
  /** What has changed, for a person; empty where nothing has. */
  | { readonly kind: "done"; readonly changed: readonly string[] }
  | {
      readonly kind: "refused";
      readonly code: ErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    };

/** Without `metric` it holds for all metrics of the device. */
export type AlertAction =
  /** Somebody has seen it. */
  | { readonly kind: "acknowledge"; readonly episode: string }
  /** Somebody has looked at the machine and says what the alert was worth; a later one replaces it. */
  | { readonly kind: "feedback"; readonly episode: string; readonly verdict: AlertVerdict; readonly note: string }
  /** Out of the list for some time: it comes back by itself. */
  | {
      readonly kind: "shelve";
      readonly device: string;
      readonly metric: string | undefined;
      readonly seconds: number;
      readonly reason: string;
    }
  /** Out of the list until somebody takes it back, for example while a machine is repaired. */
  | {
      readonly kind: "out-of-service";
      readonly device: string;
      readonly metric: string | undefined;
      readonly reason: string;
    }
  | { readonly kind: "unshelve" | "in-service"; readonly device: string; readonly metric: string | undefined };

/**
 * `gone`: there is no such alert, metric or device, or nothing to take back, or the alert was acknowledged before.
 * `full`: too much is shelved or out of service already. `abandoned`: the agent stops, nothing changed.
 */
export type AlertOutcome = "done" | "gone" | "full" | "abandoned";

/** `reason` is for the audit, and may be empty. */
export type ModelAction =
  | { readonly kind: "promote" | "shadow"; readonly name: string; readonly version: string; readonly reason: string }
  /** On these devices, and on every device at or below these asset paths; of them those that the rules give to the model. */
  | {
      readonly kind: "canary";
      readonly name: string;
      readonly version: string;
      readonly devices: readonly string[];
      readonly paths: readonly string[];
      readonly reason: string;
    }
  | { readonly kind: "rollback" | "end-canary" | "end-shadow"; readonly name: string; readonly reason: string };

export type ModelOutcome =
  | { readonly kind: "done" }
  /** In words for a person: there is no such version, it is not sound, or another one is being tried. */
  | { readonly kind: "refused"; readonly message: string };

/** A version of a model that could run here. */
export interface StoredModel {
  readonly name: string;
  readonly version: string;
}

/** A packaged model that runs on this gateway, and what it has said since its version runs in this stage. */
export interface ModelView {
  readonly name: string;
  readonly version: string;
  /** What it predicts; undefined of a detector. */
  readonly predicts: string | undefined;
  /**
   * A canary takes the place of the live version on some devices; a shadow runs beside them on the same observations,
   * and raises no alerts.
   */
  readonly stage: "live" | "canary" | "shadow";
  /** Of a canary: the devices that it is for, by id or asset path. */
  readonly scope?: { readonly devices: readonly string[]; readonly paths: readonly string[] };
  /** `failed`: it gave no number or threw, and is out of service. */
  readonly state: "running" | "failed";
  /** Profiles whose devices it cannot score: another unit, or a metric that is missing. */
  readonly unfitProfiles: number;
  readonly devices: number;
  /** Of the devices: so few rows came yet that nothing is said. */
  readonly learning: number;
  readonly openEpisodes: number;
  /** Where each device's limit follows its own scores: the lowest and the highest now, in units of the package's. */
  readonly limits?: { readonly least: number; readonly most: number };
  /** Time that the judged rows cover, over all devices. */
  readonly hours: number;
  readonly rows: number;
  /** Rows at or beyond the limit. */
  readonly abnormalRows: number;
  /** Alerts raised, or of a shadow: that would have been. */
  readonly episodes: number;
  /** Observations that both a shadow and the version that alerts had judged, and those at which only one had an alert; 0 of others. */
  readonly compared: number;
  readonly onlyLive: number;
  readonly onlyShadow: number;
  /** Time that an observation took, since the start of the agent. */
  readonly microsMean: number;
  readonly microsMax: number;
  /** Is it given, and does it say, what it did in training; and did its predictions come true? */
  readonly drift: ModelDriftView;
  /** Of an imported network; absent for others. */
  readonly network?: NetworkView;
}

/** Columns of equal length, oldest first; null where nothing was judged. At most 96 points. */
export interface ModelScoresView {
  /** Of a predictor; outputs of detectors are scores in units of their limit: 1 and more is abnormal. */
  readonly predicts: { readonly name: string; readonly unit: string } | undefined;
  /** Outputs between these are normal; undefined where no alert comes of them. */
  readonly normal: readonly [number, number] | undefined;
  /** Which number of a prediction the limit is for: its value, or an end of its interval. */
  readonly compared: "value" | "low" | "high";
  /** Those that have said something, the worst first; at most 200. */
  readonly devices: readonly { readonly device: string; readonly newest: number; readonly isOpen: boolean }[];
  /** The one that the columns are of; undefined before any has said something. */
  readonly device: string | undefined;
  /** Time that one point stands for. */
  readonly stretchMs: number;
  readonly timesMs: readonly number[];
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly last: readonly (number | null)[];
  /** Of detectors: what made up one of the highest scores of the stretch, at most four inputs, the largest first. */
  readonly explained: readonly ({
    readonly score: number;
    readonly shares: readonly { readonly metric: string; readonly share: number }[];
  } | null)[];
}

/** `unknown`: the package does not say how its data was distributed. `learning`: the first day. */
type ModelDriftState = "unknown" | "learning" | "ok" | "warn" | "degraded";

export interface ModelDriftView {
  /** The worst of the channels, and of the truth. */
  readonly state: ModelDriftState;
  /**
   * What the index of a channel is. `stability`: the population stability index of the last 24 hours against training;
   * `beyond`: the part of them that lies beyond what 98 % of training was.
   */
  readonly measure: "stability" | "beyond";
  /** Those of which the package says how they were distributed. */
  readonly channels: readonly ModelDriftChannel[];
  /** Of a remaining life that was predicted: since people have said when lives ended. In the unit of the output. */
  readonly truth?: {
    readonly lives: number;
    /** Mean of predicted less true. */
    readonly bias: number;
    /** Root of the mean squared error; `tested` is that of the package. */
    readonly error: number;
    readonly tested?: number;
  };
}

export interface ModelDriftChannel {
  /** A metric, or `output`. */
  readonly name: string;
  readonly state: ModelDriftState;
  /** Undefined before a day was seen. */
  readonly index: number | undefined;
  /** Upper end of each bin but the last; the part of training and of the last 24 hours in each. */
  readonly edges: readonly number[];
  readonly expected: readonly number[];
  readonly seen: readonly number[];
}

export interface NetworkView {
  /** Name and version of the library that runs it. */
  readonly library: string;
  /** Rows that got no answer since it was loaded: it was late, had failed or had too much to do. */
  readonly droppedRows: number;
}

export interface RetryResult {
  readonly id: number;
  /** `read`: its records are stored and it left the quarantine. `abandoned`: the agent stops, nothing changed. */
  readonly outcome: "read" | "bad" | "gone" | "abandoned";
  /** Why it still cannot be read; empty otherwise. */
  readonly reason: string;
  readonly detail: string;
}

export interface GatewayView {
  readonly id: string;
  readonly path: string;
  readonly version: string;
  readonly epoch: string;
  readonly uptimeMs: number;
  readonly clock: ClockState;
  readonly nowMicros: number;
  /** What a person should know and no other part of the view says, for example a journal that was replaced at start. */
  readonly notices: readonly string[];
}

export interface ConnectionView {
  readonly name: string;
  readonly kind: SourceStatus["kind"] | "kafka";
  /** `off`: nothing is configured here, for example no Kafka. */
  readonly state: SourceStatus["state"] | "off";
  readonly address: string;
  /** For a person: why it waits and what to do, or how many clients are connected. */
  readonly detail: string;
  readonly sinceMicros: number;
}

export interface BufferView {
  readonly bytesUsed: number;
  readonly bytesQuota: number;
  readonly recordsUnsent: number;
  /** Undefined where everything was sent. */
  readonly oldestUnsentAgeMs: number | undefined;
  /** When the sink stopped taking records; undefined while it takes them. */
  readonly bufferingSinceMicros: number | undefined;
  /** Forecast at the present rate; undefined while the buffer does not fill, or the rate is not known yet. */
  readonly fullInSeconds: number | undefined;
  /** The quota is reached and the policy holds the senders: nothing is acknowledged. */
  readonly holdingSenders: boolean;
  readonly lanes: readonly LaneView[];
}

export interface LaneView {
  readonly lane: Lane;
  readonly bytesUsed: number;
  readonly bytesQuota: number;
  readonly recordsUnsent: number;
  readonly oldestUnsentAgeMs: number | undefined;
  readonly records: number;
  /** How fast it grows, averaged over about half a minute; negative while it drains. */
  readonly bytesPerSecond: number;
  /** Until it is full if it goes on like this; undefined while it does not fill. */
  readonly fullInSeconds: number | undefined;
  /** What happens when it is full, for a person: `drops the oldest, named in the ledger`. */
  readonly whenFull: string;
}

export interface TotalsView {
  /** Messages taken from peers. */
  readonly received: number;
  /** Messages whose sender was told that they are safe. */
  readonly acknowledged: number;
  /** Records in the journal. */
  readonly stored: number;
  /** Records that Kafka has accepted. */
  readonly published: number;
  readonly quarantined: number;
  /** Messages in the quarantine now. */
  readonly inQuarantine: number;
  /** Records that will never arrive, and are named in the ledger. */
  readonly ledgered: number;
}

export interface DeviceView {
  readonly id: string;
  readonly path: string;
  readonly profile: string;
  /** Name of the source its last message came from; empty before the first. */
  readonly source: string;
  /** Since its last message; undefined before the first. */
  readonly ageMs: number | undefined;
  /** Metrics with a value, in the order of the profile. */
  readonly metrics: readonly MetricView[];
}

export interface MetricView {
  readonly name: string;
  readonly label: string;
  /** UCUM; `1` for a plain number. */
  readonly unit: string;
  readonly kind: MetricSpec["kind"];
  /** What is normal, or what the sensor can show: the band behind the value. */
  readonly range: readonly [number, number] | undefined;
  /** Undefined where the last message carried no value JSON can show; `exact` has its text then. */
  readonly value: Value | undefined;
  readonly exact: string | undefined;
  readonly quality: Quality | "good";
  /** Since the message that brought this value. */
  readonly ageMs: number;
  /** After this age it is shown as stale: a device that was silent longer than its own rhythm lets expect. */
  readonly staleAfterMs: number;
  /** Whether its data still is what its model learned; undefined where no model watches it. */
  readonly drift: "learning" | "ok" | "warn" | "degraded" | undefined;
  /** About the last hour, oldest first, at most 60; null is a gap. */
  readonly spark: readonly (number | null)[];
}

/** Columns of equal length, oldest first. */
export interface TrendView {
  /** Length of the stretch of time that one point stands for; 0 where points are single readings. */
  readonly bucketMs: number;
  readonly timesMs: readonly number[];
  /** Null is a gap: nothing was received in that stretch. */
  readonly low: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly last: readonly (number | null)[];
}

/** The words of ANSI/ISA-18.2. */
export const alertStates = ["unacknowledged", "acknowledged", "returned-unacknowledged", "returned"] as const;
export type AlertState = (typeof alertStates)[number];

export interface AlertView {
  /** The last record of the episode. */
  readonly record: AlertRecord;
  readonly state: AlertState;
  readonly raisedMicros: number;
  readonly clearedMicros: number | undefined;
  /** Where in the journal the reading stands that raised it; undefined where an earlier version raised it. */
  readonly commit: number | undefined;
  /** Undefined until somebody has seen it. */
  readonly acknowledged: { readonly micros: number; readonly by: Role } | undefined;
  /** What somebody who looked at the machine says that it was worth. */
  readonly feedback: AlertFeedback | undefined;
  /** Why it is not in the list that people work through; undefined where it is. */
  readonly suppression: Suppression | undefined;
}

/** A person can handle about one alert in ten minutes (EEMUA 191). */
export interface AlertFigures {
  readonly lastTenMinutes: number;
  readonly lastHour: number;
  readonly lastDay: number;
  /** The most within any ten minutes of the last day. */
  readonly busiestTenMinutes: number;
  /** More were raised within the day than the gateway keeps: the figures of the day are lower bounds. */
  readonly isBounded: boolean;
  /** Open for longer than eight hours. */
  readonly standing: number;
  /** Raised three times or more within ten minutes of the last day; at most ten, the worst first. */
  readonly chattering: readonly SourceCount[];
  /** Of the last day, at most ten. */
  readonly worst: readonly SourceCount[];
}

export interface SourceCount {
  readonly device: string;
  readonly metric: string;
  readonly alerts: number;
}

export interface AlertFeedback {
  readonly verdict: AlertVerdict;
  readonly note: string;
  readonly micros: number;
  readonly by: Role;
}

/** How many alerts of a model were judged, and how; since the journal was made. */
export interface FeedbackCount {
  readonly model: string;
  readonly verdicts: Readonly<Record<AlertVerdict, number>>;
}

/** The raw readings before, during and after an alert: what a flight recorder would have. */
export interface AlertWindowView {
  readonly fromMicros: number;
  readonly toMicros: number;
  /** Whether the journal still has all that was received then. */
  readonly kept: "whole" | "part" | "none";
  /** Why it has not, for a person; empty where it has. */
  readonly note: string;
  /** The alert's own first, then those that contributed. */
  readonly metrics: readonly {
    readonly name: string;
    readonly label: string;
    readonly unit: string;
    readonly range: readonly [number, number] | undefined;
  }[];
  /** How many readings there are; `timesMicros` has fewer where they were thinned out. */
  readonly readings: number;
  readonly timesMicros: readonly number[];
  /** A column for each metric; null where a reading does not carry it, or as bad. */
  readonly values: readonly (readonly (number | null)[])[];
  /** What the model said of the metric; of a long alert its beginning and its end. */
  readonly scores: readonly ScorePoint[];
  readonly threshold: number;
}

export interface ScorePoint {
  readonly timeMicros: number;
  readonly score: number;
}

/** The two of ANSI/ISA-18.2 that people decide: `shelved` has a time limit, `out-of-service` has none. */
export interface SuppressionScope {
  readonly kind: "shelved" | "out-of-service";
  readonly device: string;
  /** Undefined: all metrics of the device. */
  readonly metric: string | undefined;
}

export interface Suppression extends SuppressionScope {
  readonly reason: string;
  readonly by: Role;
  readonly sinceMicros: number;
  readonly untilMicros: number | undefined;
}

export interface QuarantineItem extends QuarantineRecord {
  /** Unique on this gateway, ascending. */
  readonly id: number;
  /** Empty where no device was found for it. */
  readonly device: string;
  /** Id of the profile that tried to read it; empty where none did. */
  readonly profile: string;
  readonly form: "bytes" | "points";
  /** Of `bytes`, how many are kept. */
  readonly bytesKept: number;
  /** How often a retry failed, and when last (wire time). */
  readonly tries: number;
  readonly tried: string | undefined;
}

export interface QuarantineList {
  readonly messages: readonly QuarantineItem[];
  /** Where the next page goes on, also where this one found nothing yet; undefined at the end. */
  readonly next: number | undefined;
}

export interface QuarantinedMessage extends QuarantineItem {
  /** The bytes as received, or their beginning. */
  readonly body: Uint8Array;
}

export interface LossesView {
  /** Since the journal was made. */
  readonly reasons: readonly { readonly reason: string; readonly records: number }[];
  /** Newest first, bounded. */
  readonly latest: readonly LossRow[];
}
