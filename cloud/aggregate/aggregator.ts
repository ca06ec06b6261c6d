import { Compile } from "typebox/compile";
import { Requests } from "../commands/requests.ts";
import type { LogRecord } from "../ingest/log.ts";
import { RolloutBoard } from "../rollouts/board.ts";
import { Positions } from "../store/positions.ts";
import type { Store } from "../store/store.ts";
import { decodeObservation, type Observation } from "../../src/observation/observation.ts";
import { parseWireTime } from "../../src/observation/time.ts";
import { readCommandResult } from "../../src/wire/commands.ts";
import { headerNames } from "../../src/wire/headers.ts";
import { predictionSchema } from "../../src/wire/predictions.ts";
import {
  alertChangeSchema,
  alertSchema,
  deviceSchema,
  ledgerSchema,
  manifestSchema,
  type DeviceRecord,
  type LedgerRecord,
  type ManifestRecord,
} from "../../src/wire/records.ts";
import { isNumbered, rolloutTopic, streams, topicName, type Stream } from "../../src/wire/streams.ts";
import { Alerts } from "./alerts.ts";
import { windowOf } from "./accumulator.ts";
import { Devices, isCounter, type Device } from "./devices.ts";
import { epochCounterOf, gatewayOf, identityOf, isName, type Identity } from "./identity.ts";
import type { AggregateOptions } from "./options.ts";
import { placementOf } from "./place.ts";
import { predictionBytesMax, Predictions } from "./predictions.ts";
import { Registry, type Epoch } from "./registry.ts";
import { Rejects, type RejectReason } from "./rejects.ts";
import { Results } from "./results.ts";
import { Senders } from "./senders.ts";
import { bad, good, uncertain, type Reading } from "./sample.ts";
import { Windows } from "./windows.ts";

/** Streams that the service reads. Numbered ones are deduplicated and proven complete. */
const consumedStreams = [
  "observations",
  "ledger",
  "alerts",
  "predictions",
  "quarantine",
  "commandResults",
  "devices",
  "gatewayStatus",
  "rolloutStatus",
] as const;
type ConsumedStream = (typeof consumedStreams)[number];

type NumberedStream = Exclude<ConsumedStream, "devices" | "gatewayStatus" | "rolloutStatus">;
const numberedStreams = new Set<string>(consumedStreams.filter(isNumbered));

const valueBytesMax = 1_048_576;
const statusBytesMax = 65_536;
const pathLengthMax = 512;

/** What a batch has changed, for those who watch. */
export interface Changes {
  readonly devices: ReadonlySet<string>;
  readonly lines: ReadonlySet<string>;
  readonly sites: ReadonlySet<string>;
  readonly alerts: boolean;
  readonly predictions: boolean;
  readonly records: number;
  readonly rollups: number;
}

/**
 * Turns records of Kafka into fleet results, each journal record once. One call of `fold` is one transaction: state,
 * received ranges, offsets and the outbox of changed results are stored together or not at all. Whatever the order,
 * the batching and the number of copies, the same distinct records lead to the same state.
 *
 * After `fold` has thrown, the object is void: its memory may be ahead of the store. Make a new one.
 */
export class Aggregator {
  readonly positions: Positions;
  readonly devices: Devices;
  readonly registry: Registry;
  readonly windows: Windows;
  readonly senders: Senders;
  readonly #store: Store;
  readonly #options: AggregateOptions;
  readonly #results: Results;
  readonly #alerts: Alerts;
  readonly #predictions: Predictions;
  readonly #requests: Requests;
  readonly #rejects: Rejects;
  readonly #rollouts: RolloutBoard;
  readonly #rolloutTopic: string;
  readonly #streamOfTopic: ReadonlyMap<string, ConsumedStream>;
  readonly #counters = new Map<string, number>();
  #horizon: number;
  #nowMicros = 0;

  constructor(store: Store, topicPrefix: string, options: AggregateOptions) {
    this.#store = store;
    this.#options = options;
    this.positions = new Positions(store);
    this.devices = new Devices(store, options);
    this.registry = new Registry(store);
    this.windows = new Windows(store, this.devices, this.registry, {
      holdMicros: options.holdSeconds * 1_000_000,
      cachedWindowsMax: options.cachedWindowsMax,
    });
    this.#results = new Results(store, 128);
    this.#alerts = new Alerts(store, this.registry.epochByNo);
    this.#predictions = new Predictions(store, this.registry.epochByNo);
    this.#requests = new Requests(store);
    this.senders = new Senders(store);
    this.#rejects = new Rejects(store);
    this.#rollouts = new RolloutBoard(store);
    this.#rolloutTopic = topicName(topicPrefix, rolloutTopic);
    this.#streamOfTopic = new Map(consumedStreams.map((stream) => [topicOf(topicPrefix, stream), stream]));
    const horizon = store.sql("SELECT value FROM meta WHERE key = 'horizon'").get();
    this.#horizon = horizon === undefined ? Number.MIN_SAFE_INTEGER : Number(horizon["value"]);
  }

  /** Records as they come from the log; those below the stored position are skipped. */
  fold(records: readonly LogRecord[], nowMicros: number): Changes {
    this.#nowMicros = nowMicros;
    return this.#store.transaction(() => {
      let taken = 0;
      for (const record of records) {
        const { position } = this.positions.get(record.topic, record.partition) ?? { position: undefined };
        if (position === undefined || record.offset < position) continue;
        this.#take(record);
        this.positions.advance(record.topic, record.partition, record.offset + 1);
        taken += 1;
      }
      return this.#settle(taken);
    });
  }

  #settle(records: number): Changes {
    const changed = this.windows.settle();
    const rollups = this.#results.apply(changed);
    const alerts = this.#alerts.settle();
    const predictions = this.#predictions.settle();
    this.#rejects.settle();
    this.devices.save();
    this.registry.save();
    this.senders.save();
    this.positions.save();
    this.#saveCounters();
    const lines = new Set(changed.map(({ line }) => line));
    return {
      devices: new Set(changed.map(({ device }) => device.id)),
      lines,
      sites: new Set([...lines].map((line) => placementOf(line).site)),
      alerts,
      predictions,
      records,
      rollups,
    };
  }

  #saveCounters(): void {
    for (const [name, value] of this.#counters) {
      this.#store
        .sql("INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value")
        .run(name, value);
    }
    this.#counters.clear();
  }

  #count(name: string, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }

  #take(record: LogRecord): void {
    if (record.topic === this.#rolloutTopic) return this.#takeRollout(record, this.#rollouts.take(record));
    const stream = this.#streamOfTopic.get(record.topic);
    if (stream === undefined) return;
    if (stream === "rolloutStatus") this.#takeRollout(record, this.#rollouts.takeStatus(record));
    else if (stream === "devices") this.#takeDevice(record);
    else if (stream === "gatewayStatus") this.#takeStatus(record);
    else this.#takeNumbered(record, stream);
  }

  /** Counts the record once, then reads it. A record that cannot be read was still delivered: it leaves no hole. */
  #takeNumbered(record: LogRecord, stream: NumberedStream): void {
    const identity = identityOf(record, stream);
    const counter = identity === undefined ? undefined : epochCounterOf(identity.epoch);
    if (identity === undefined || counter === undefined) {
      this.#reject(record, "no-identity", "a header is missing or malformed, or the key is");
      return;
    }
    const epoch = this.registry.epoch(identity.gateway, identity.epoch, counter);
    if (!this.registry.sequence(epoch, stream, identity.device).receive(identity.seq)) return;
    const refused = this.#read(record, stream, identity, epoch);
    if (refused === undefined) return;
    if (stream === "observations") this.#count("unreadable");
    this.#reject(record, refused.reason, refused.detail);
  }

  #read(record: LogRecord, stream: Stream, identity: Identity, epoch: Epoch): Refused | undefined {
    if (record.value === undefined) return refuse("not-readable", "no value");
    if (record.value.length > valueBytesMax) return refuse("too-large", `${record.value.length} bytes`);
    if (stream === "observations") return this.#takeObservation(record, record.value.toString("utf8"), identity, epoch);
    if (stream === "ledger") return this.#takeLedger(record, record.value, identity, epoch);
    if (stream === "commandResults") return this.#takeResult(record.value, identity);
    if (stream === "alerts") return this.#takeAlert(record.value, identity, epoch);
    if (stream === "predictions") return this.#takePrediction(record.value, identity, epoch);
    return undefined;
  }

  #takeObservation(record: LogRecord, text: string, identity: Identity, epoch: Epoch): Refused | undefined {
    const o = decodeObservation(text);
    if (o === undefined || o.path.length > pathLengthMax) return refuse("not-readable", "not an observation");
    if (o.device !== identity.device) return refuse("wrong-device", "the key and the value name different devices");
    const device = this.devices.getOrCreate(identity.device, identity.gateway, o.path, record.partition);
    if (device === undefined) return refuse("device-limit", `more than ${this.#options.devicesMax} devices`);
    this.devices.touch(device);
    this.#sawDevice(device, o, identity.gateway, record.partition);
    if (o.implausibleTime) {
      device.implausible += 1;
    } else if (windowOf(o.timeMicros) < this.#horizon) {
      device.late += 1;
    } else {
      device.records += 1;
      device.lastTime = Math.max(device.lastTime, o.timeMicros);
      const sample = {
        timeMicros: o.timeMicros,
        epoch,
        seq: identity.seq,
        pathNo: this.devices.pathNo(o.path),
        readings: this.#readings(device, o),
      };
      this.windows.add(device, sample);
    }
    return undefined;
  }

  #sawDevice(device: Device, o: Observation, gateway: string, partition: number): void {
    if (o.receivedMicros < device.lastReceived) return;
    device.lastReceived = o.receivedMicros;
    device.gateway = gateway;
    device.path = o.path;
    device.partition = partition;
  }

  /** Numbers only: text and booleans have no rollup, and exact numbers would have to be rounded. */
  #readings(device: Device, o: Observation): Reading[] {
    const readings: Reading[] = [];
    for (const metric in o.values) {
      const value = o.values[metric]!;
      if (typeof value === "number") this.#addReading(readings, device, metric, value, qualityOf(o, metric));
    }
    for (const metric in o.quality) {
      const absent = o.values[metric] === undefined;
      if (absent && o.quality[metric] === "bad") this.#addReading(readings, device, metric, 0, bad);
    }
    for (const _ in o.exact) this.#count("exact-values");
    return readings;
  }

  #addReading(readings: Reading[], device: Device, metric: string, value: number, quality: Reading["quality"]): void {
    // JSON text such as 1e400 reads as Infinity.
    const series = isName(metric) && Number.isFinite(value) ? this.devices.seriesOf(device, metric) : undefined;
    if (series === undefined) this.#count("values-without-series");
    else readings.push({ seriesNo: series.no, quality, value });
  }

  #takeLedger(record: LogRecord, value: Buffer, identity: Identity, epoch: Epoch): Refused | undefined {
    const json = parseJson(value);
    if (isLedger.Check(json)) return this.#takeLoss(json, identity);
    if (isManifest.Check(json)) return this.#takeManifest(json, identity, epoch, isSentAgain(record));
    return refuse("not-readable", "neither a loss nor a manifest");
  }

  #takeLoss(loss: LedgerRecord, identity: Identity): Refused | undefined {
    const counter = epochCounterOf(loss.epoch);
    if (counter === undefined) return refuse("not-readable", "the epoch is malformed");
    const numbered = loss.first !== undefined && loss.last !== undefined && loss.last >= loss.first;
    if (numbered && numberedStreams.has(loss.stream)) {
      const epoch = this.registry.epoch(identity.gateway, loss.epoch, counter);
      this.registry.sequence(epoch, loss.stream, loss.device).lose(loss.first!, loss.last!);
    }
    this.#store
      .sql(
        `INSERT INTO losses (gateway, device, reason, count, numbered) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (device, gateway, reason, numbered) DO UPDATE SET count = count + excluded.count`,
      )
      .run(identity.gateway, loss.device, loss.reason, loss.count, numbered ? 1 : 0);
    return undefined;
  }

  /** The manifest may speak of an epoch that ended before the one that sent it. */
  #takeManifest(manifest: ManifestRecord, identity: Identity, sender: Epoch, sentAgain: boolean): Refused | undefined {
    const counter = epochCounterOf(manifest.epoch);
    const time = parseWireTime(manifest.time);
    if (counter === undefined || time === undefined)
      return refuse("not-readable", "the epoch or the time is malformed");
    const epoch = this.registry.epoch(identity.gateway, manifest.epoch, counter);
    if (epoch === sender && !sentAgain) this.senders.alive(sender, manifest.partition, time);
    const reach = this.registry.reach(epoch, manifest.partition, identity.device);
    for (const stream of Object.keys(manifest.highest)) {
      if (!numberedStreams.has(stream)) continue;
      for (const [device, highest] of Object.entries(manifest.highest[stream]!)) {
        this.registry.sequence(epoch, stream, device).claim({ time, from: reach.time, highest });
      }
    }
    // A manifest names only what changed since the one before it: it proves more only when none before it is missing.
    if (!this.registry.sequence(sender, "ledger", identity.device).covers(identity.seq)) return undefined;
    reach.key = identity.device;
    reach.time = Math.max(reach.time ?? Number.MIN_SAFE_INTEGER, time);
    reach.final ||= manifest.final;
    return undefined;
  }

  #takeResult(value: Buffer, identity: Identity): Refused | undefined {
    const result = readCommandResult(value);
    if (result?.gateway !== identity.gateway) return refuse("not-readable", "not a result of the gateway that sent it");
    this.#requests.answer(result);
    return undefined;
  }

  #takeAlert(value: Buffer, identity: Identity, epoch: Epoch): Refused | undefined {
    const json = parseJson(value);
    const isKnown = isAlert.Check(json) || isAlertChange.Check(json);
    if (!isKnown || parseWireTime(json.time) === undefined) return refuse("not-readable", "not an alert");
    if (json.device !== identity.device) return refuse("wrong-device", "the key and the value name different devices");
    if (isAlert.Check(json)) this.#alerts.add(json, epoch, identity.seq);
    else this.#alerts.change(json);
    return undefined;
  }

  #takePrediction(value: Buffer, identity: Identity, epoch: Epoch): Refused | undefined {
    if (value.length > predictionBytesMax) return refuse("too-large", `${value.length} bytes`);
    const json = parseJson(value);
    if (!isPrediction.Check(json) || json.path.length > pathLengthMax)
      return refuse("not-readable", "not a prediction");
    if (json.device !== identity.device) return refuse("wrong-device", "the key and the value name different devices");
    const taken = this.#predictions.add(json, epoch, identity.seq);
    return taken ? undefined : refuse("not-readable", "a name or the time is malformed");
  }

  #takeDevice(record: LogRecord): void {
    if (record.value === undefined) return;
    const json = record.value.length > valueBytesMax ? undefined : parseJson(record.value);
    if (!isDevice.Check(json) || json.device !== record.key || json.path.length > pathLengthMax) {
      this.#reject(record, "not-readable", "not the metadata of the device of its key");
      return;
    }
    const metadata = json;
    const device = this.devices.getOrCreate(metadata.device, metadata.gateway, metadata.path, record.partition);
    if (device === undefined) {
      this.#reject(record, "device-limit", `more than ${this.#options.devicesMax} devices`);
      return;
    }
    if (device.metadata !== undefined && !supersedes(metadata, device.metadata)) return;
    const before = new Map([...device.series.values()].map((series) => [series, isCounter(series)]));
    device.metadata = metadata;
    this.devices.touch(device);
    for (const [series, wasCounter] of before) if (isCounter(series) !== wasCounter) this.windows.changeAll(series);
  }

  #takeRollout(record: LogRecord, fault: string | undefined): void {
    if (fault !== undefined) this.#reject(record, "not-readable", fault);
  }

  #takeStatus(record: LogRecord): void {
    const gateway = gatewayOf(record) ?? record.key;
    if (record.value === undefined) return;
    const json = record.value.length > statusBytesMax ? undefined : parseJson(record.value);
    if (!isName(gateway) || typeof json !== "object" || json === null) {
      this.#reject(record, "not-readable", "not the status of a gateway");
      return;
    }
    this.#store
      .sql("INSERT OR REPLACE INTO gateways (gateway, status) VALUES (?, ?)")
      .run(gateway, JSON.stringify(json));
  }

  #reject(record: LogRecord, reason: RejectReason, detail: string): void {
    this.#rejects.add(record, reason, detail, this.#nowMicros);
  }

  /** Windows below this are purged or about to be: what comes for them is counted as late. */
  get horizon(): number {
    return this.#horizon;
  }

  /** Never moves back. */
  raiseHorizon(window: number): void {
    if (window <= this.#horizon) return;
    this.#store.sql("INSERT OR REPLACE INTO meta VALUES ('horizon', ?)").run(String(window));
    this.#horizon = window;
  }
}

const isLedger = Compile(ledgerSchema);
const isManifest = Compile(manifestSchema);
const isAlert = Compile(alertSchema);
const isAlertChange = Compile(alertChangeSchema);
const isPrediction = Compile(predictionSchema);
const isDevice = Compile(deviceSchema);

/** Every topic that the service reads. */
export function consumedTopics(prefix: string): string[] {
  return [...consumedStreams.map((stream) => topicOf(prefix, stream)), topicName(prefix, rolloutTopic)];
}

function topicOf(prefix: string, stream: ConsumedStream): string {
  return topicName(prefix, streams[stream].topic);
}

interface Refused {
  readonly reason: RejectReason;
  readonly detail: string;
}

function refuse(reason: RejectReason, detail: string): Refused {
  return { reason, detail };
}

/** Behind newer ones, or because the cloud asked for it. */
function isSentAgain(record: LogRecord): boolean {
  return record.headers.has(headerNames.backfill);
}

function qualityOf(o: Observation, metric: string): Reading["quality"] {
  const quality = o.quality?.[metric];
  return quality === undefined ? good : quality === "uncertain" ? uncertain : bad;
}

/** Metadata of one gateway is numbered; between gateways (the device was moved) the later one holds. */
function supersedes(next: DeviceRecord, known: DeviceRecord): boolean {
  if (next.gateway === known.gateway) return next.revision > known.revision;
  return next.time > known.time;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
