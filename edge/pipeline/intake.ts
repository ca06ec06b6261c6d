import type { Clock } from "../../src/clock.ts";
import { encodeObservation, type Observation } from "../../src/observation/observation.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import type { BadReason, Decoder, Router } from "../../src/profile/profile.ts";
import type { LedgerRecord, QuarantineRecord } from "../../src/wire/records.ts";
import { noTime } from "../journal/block.ts";
import type { Delivery, Ingest } from "../source.ts";
import type { Committer } from "./committer.ts";
import type { Device, Devices } from "./devices.ts";
import { keepBody } from "./kept-body.ts";
import type { Slot } from "./lane-writer.ts";
import { contentHash, hashOfTopic, type RedeliveryLog } from "./redelivery.ts";
import type { RefusedRecord, RetriedDelivery, RetryIntake } from "./retry.ts";

/** An observation on its way to the readers that want it parsed: saves them the way over its JSON. */
export interface Noted {
  readonly device: Device;
  readonly observation: Observation;
}

export interface IntakeOptions {
  readonly gateway: string;
  readonly epoch: string;
  /** A larger message goes to quarantine. */
  readonly payloadBytesMax: number;
  /** Deliveries that wait for their commit; beyond it the sources stop reading. */
  readonly inFlightMax: number;
}

export interface IntakeEvents {
  /** A device was seen for the first time since start: its metadata has to be published. */
  deviceSeen(device: Device): void;
  /** Does a reader want this device's observations? Asked once per device. */
  isScored(device: Device): boolean;
  /** An observation was taken: for live views. */
  observed(device: Device, observation: Observation): void;
}

export interface IntakeCounters {
  received: number;
  acknowledged: number;
  redeliveries: number;
  quarantined: number;
  published: number;
  history: number;
}

/** A ledger record with the longest device id that may exist. */
const gapRecordCharsMax = 1_024;
const addressesCachedMax = 100_000;
const quarantineBytesPerGroupMax = 8_388_608;
/** Of a payload that is larger than allowed: the quarantine keeps its beginning. */
const quarantinedBytesMax = 65_536;

interface Route {
  readonly topicHash: number;
  readonly device: Device;
  /** Of this address: a device may send each of its items to a topic of its own. */
  readonly decoder: Decoder;
  readonly scored: boolean;
}

/** A delivery of a source, or a message of the quarantine that is tried again. */
type Offered = Delivery & Partial<Pick<RetriedDelivery, "retryOf">>;

interface Waiting {
  readonly delivery: Offered;
  /** Of the configuration under which it came; undefined where that is the one that holds. */
  route: Route | BadRoute | undefined;
}

/** The way of a delivery from a source into the open group: match, decode, curate, append. Runs on the main thread. */
export class Intake implements Ingest, RetryIntake {
  readonly counters: IntakeCounters = {
    received: 0,
    acknowledged: 0,
    redeliveries: 0,
    quarantined: 0,
    published: 0,
    history: 0,
  };
  readonly #clock: Clock;
  #router: Router;
  readonly #devices: Devices;
  readonly #committer: Committer<Noted>;
  readonly #redeliveries: RedeliveryLog;
  readonly #options: IntakeOptions;
  readonly #events: IntakeEvents;
  readonly #cursors: Map<string, Map<string, string>>;
  readonly #routes: Map<string, Map<string, Route>> = new Map();
  /** In the order in which they have their turn after a pause. */
  readonly #listeners: Set<() => void> = new Set();
  readonly #quarantineSlot: Slot;
  /** Of the delivery at hand; kept to save an allocation per message. */
  readonly #texts: string[] = [];
  /** Deliveries that came after the open group was full; bounded by what sources have read when they are paused. */
  #overflow: Waiting[] = [];
  /** Refused records that wait for room, in the same way. */
  #refused: RefusedRecord[] = [];
  #paused = false;

  constructor(
    clock: Clock,
    router: Router,
    devices: Devices,
    committer: Committer<Noted>,
    redeliveries: RedeliveryLog,
    cursors: Map<string, Map<string, string>>,
    options: IntakeOptions,
    events: IntakeEvents,
  ) {
    this.#clock = clock;
    this.#router = router;
    this.#devices = devices;
    this.#committer = committer;
    this.#redeliveries = redeliveries;
    this.#cursors = cursors;
    this.#options = options;
    this.#events = events;
    this.#quarantineSlot = devices.slot("quarantine", `${options.gateway}/quarantine`);
  }

  offer(delivery: Delivery): "continue" | "pause" {
    this.counters.received++;
    this.#takeOrWait(delivery);
    if (this.#overflow.length === 0 && this.#committer.openDeliveries < this.#options.inFlightMax) return "continue";
    this.#paused = true;
    return "pause";
  }

  retry(delivery: RetriedDelivery): void {
    this.#takeOrWait(delivery);
  }

  #takeOrWait(delivery: Offered): void {
    const mustWait = this.#overflow.length > 0 || !this.#take(delivery, this.#routeOf(delivery));
    if (mustWait) this.#overflow.push({ delivery, route: undefined });
  }

  /** From now on this configuration says which device a message is of; what came before goes its old way. */
  reroute(router: Router): void {
    for (const waiting of this.#overflow) waiting.route ??= this.#routeOf(waiting.delivery);
    this.#router = router;
    const before = [...this.#routes].flatMap(([source, routes]) =>
      [...routes.keys()].map((at) => [source, at] as const),
    );
    this.#routes.clear();
    this.#devices.renew(() => {
      for (const [source, address] of before) this.#routeOf({ source, address });
    });
  }

  retryRefused(record: RefusedRecord): void {
    if (this.#refused.length > 0 || !this.#takeRefused(record)) this.#refused.push(record);
  }

  retryFailed(
    retry: RetriedDelivery["retryOf"],
    reason: BadReason,
    detail: string,
    settle: RetriedDelivery["settle"],
  ): void {
    const outcome = { kind: "bad", reason, detail } as const;
    this.#committer.retried({ ...retry, timeMicros: this.#clock.nowMicros(), outcome }, settle);
  }

  onResume(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  cursors(source: string): ReadonlyMap<string, string> {
    return this.#cursors.get(source) ?? new Map();
  }

  forgetSession(session: string): void {
    this.#redeliveries.forget(session);
  }

  /** To be called when the committer has begun a new group: what had to wait goes first, then the sources may read again. */
  resume(): void {
    let taken = 0;
    while (taken < this.#overflow.length && this.#takeWaiting(this.#overflow[taken]!)) taken++;
    this.#overflow = this.#overflow.slice(taken);
    while (this.#refused.length > 0 && this.#takeRefused(this.#refused[0]!)) this.#refused.shift();
    if (!this.#paused || this.#overflow.length > 0) return;
    this.#paused = false;
    const line = [...this.#listeners];
    for (const listener of line) {
      if (this.#isPaused()) return;
      // Sources take turns: one that has enough to fill every group cannot keep the others waiting.
      if (!this.#listeners.delete(listener)) continue;
      this.#listeners.add(listener);
      listener();
    }
  }

  #isPaused(): boolean {
    return this.#paused;
  }

  /** What waits for room will not be stored any more: its senders keep it. */
  abandon(): void {
    for (const { delivery } of this.#overflow.splice(0)) delivery.settle("abandoned");
    for (const record of this.#refused.splice(0)) record.settle("abandoned");
  }

  get waiting(): number {
    return this.#overflow.length;
  }

  #takeWaiting({ delivery, route }: Waiting): boolean {
    return this.#take(delivery, route ?? this.#routeOf(delivery));
  }

  /** False where the open group has no room: nothing of the delivery was taken then. */
  #take(delivery: Offered, route: Route | BadRoute): boolean {
    const hash = this.#hash(delivery, route);
    if (hash !== undefined && this.#isRedelivery(delivery, hash)) {
      this.counters.redeliveries++;
      this.#committer.settleWithGroup(delivery);
      return true;
    }
    // Beforehand: a group without room for the ledger takes nothing of the delivery.
    if (!this.#hasRoomForGaps(delivery) || !this.#store(delivery, route)) return false;
    if (delivery.retryOf !== undefined) return true;
    this.#ledgerGaps(delivery, route);
    const { redelivery, cursor } = delivery;
    if (hash !== undefined) this.#redeliveries.note(redelivery!.session, redelivery!.packetId, hash);
    if (cursor !== undefined) this.#moveCursor(delivery.source, cursor.key, cursor.value);
    this.#committer.settleWithGroup(delivery);
    return true;
  }

  /** Stored with the open group; a source that starts again in this process goes on from here. */
  #moveCursor(source: string, key: string, value: string): void {
    this.#committer.setState(cursorKey(source, key), value);
    let own = this.#cursors.get(source);
    if (own === undefined) this.#cursors.set(source, (own = new Map<string, string>()));
    own.set(key, value);
  }

  #takeRefused(record: RefusedRecord): boolean {
    const { id, by, stream, device, text, timeAt, timeMicros } = record;
    const slot = this.#devices.slot(stream, device);
    if (!this.#committer.hasRoom(slot.lane, text.length, 1)) return false;
    this.#committer.append(slot, text, timeAt, timeMicros);
    this.#committer.retried({ id, by, timeMicros: this.#clock.nowMicros(), outcome: { kind: "read" } }, (outcome) =>
      record.settle(outcome),
    );
    return true;
  }

  #hasRoomForGaps({ gaps }: Delivery): boolean {
    return gaps === undefined || this.#committer.hasRoom("critical", gaps.length * gapRecordCharsMax, gaps.length);
  }

  /** What the source proves that it never got is named like any other loss, though it never had numbers of ours. */
  #ledgerGaps({ gaps, receivedMicros }: Delivery, route: Route | BadRoute): void {
    if (gaps === undefined || !("device" in route)) return;
    const { id } = route.device;
    for (const { reason, messages, sinceMicros } of gaps) {
      const loss: LedgerRecord = {
        kind: "loss",
        epoch: this.#options.epoch,
        stream: "observations",
        device: id,
        count: messages,
        from: formatWireTime(sinceMicros),
        to: formatWireTime(receivedMicros),
        reason,
      };
      this.#committer.append(this.#devices.slot("ledger", id), JSON.stringify(loss), noTime, receivedMicros);
    }
  }

  #hash(delivery: Delivery, route: Route | BadRoute): number | undefined {
    if (delivery.redelivery === undefined || delivery.body.kind !== "bytes") return undefined;
    return contentHash(route.topicHash, delivery.body.bytes);
  }

  #isRedelivery({ redelivery }: Delivery, hash: number): boolean {
    return redelivery!.dup && this.#redeliveries.has(redelivery!.session, redelivery!.packetId, hash);
  }

  #routeOf({ source, address }: Pick<Delivery, "source" | "address">): Route | BadRoute {
    let routes = this.#routes.get(source);
    if (routes === undefined) this.#routes.set(source, (routes = new Map<string, Route>()));
    const cached = routes.get(address);
    if (cached !== undefined) return cached;
    const match = this.#router.match(source, address);
    const topicHash = hashOfTopic(address);
    // Not cached: addresses that lead nowhere are chosen by strangers.
    if (match.kind === "bad") return { topicHash, reason: match.reason, detail: match.detail };
    const { device, isNew } = this.#devices.bind(match.binding);
    if (isNew) this.#events.deviceSeen(device);
    const { decoder } = match.binding;
    const route = { topicHash, device, decoder, scored: this.#events.isScored(device) };
    if (routes.size >= addressesCachedMax) routes.clear();
    routes.set(address, route);
    return route;
  }

  #store(delivery: Offered, route: Route | BadRoute): boolean {
    if (!("device" in route)) return this.#refuse(delivery, undefined, route.reason, route.detail);
    const { device } = route;
    const { body } = delivery;
    if (body.kind === "bytes" && body.bytes.length > this.#options.payloadBytesMax) {
      const detail = `${body.bytes.length} bytes, allowed are ${this.#options.payloadBytesMax}`;
      return this.#refuse(delivery, device, "too-large", detail);
    }
    const decoded = route.decoder.decode(body, {
      device: device.id,
      path: device.path,
      receivedMicros: delivery.receivedMicros,
      clock: this.#clock.state(),
    });
    if (decoded.kind === "bad") return this.#refuse(delivery, device, decoded.reason, decoded.detail);
    if (delivery.retryOf === undefined) {
      device.lastSource = delivery.source;
      device.lastSeenMs = this.#clock.monotonicMs();
    }
    return this.#append(delivery, route, decoded.observations);
  }

  #append(delivery: Offered, route: Route, observations: readonly Observation[]): boolean {
    const { device } = route;
    const texts = this.#texts;
    texts.length = 0;
    let chars = 0;
    for (let i = 0; i < observations.length; i++) {
      const text = encodeObservation(observations[i]!, device.prefix);
      texts.push(text);
      chars += text.length;
    }
    if (chars > this.#committer.recordCharsMax) {
      return this.#refuse(delivery, device, "too-large", `its observations would need ${chars} characters`);
    }
    // Room in both lanes before anything is decided: curation remembers what it published.
    if (!this.#committer.hasRoom("telemetry", chars, texts.length)) return false;
    if (delivery.retryOf !== undefined) {
      for (let i = 0; i < observations.length; i++) this.#writeRetried(route, observations[i]!, texts[i]!);
      const { id, by } = delivery.retryOf;
      const message = { id, by, timeMicros: this.#clock.nowMicros(), outcome: { kind: "read" } } as const;
      this.#committer.retried(message, (outcome) => delivery.settle(outcome));
      return true;
    }
    if (!device.curator.publishesAll && !this.#committer.hasRoom("history", chars, texts.length)) return false;
    for (let i = 0; i < observations.length; i++) this.#write(route, observations[i]!, texts[i]!);
    return true;
  }

  #write({ device, scored }: Route, observation: Observation, text: string): void {
    const publish = device.curator.decide(observation, device.lastSeenMs) === "publish";
    if (publish) this.counters.published++;
    else this.counters.history++;
    this.#committer.append(publish ? device.observations : device.history, text, device.timeAt, observation.timeMicros);
    if (scored) this.#committer.note({ device, observation });
    this.#events.observed(device, observation);
  }

  /** Neither curated nor shown as live: curation and live views are about what the device does now. */
  #writeRetried({ device, scored }: Route, observation: Observation, text: string): void {
    this.counters.published++;
    this.#committer.append(device.observations, text, device.timeAt, observation.timeMicros);
    if (scored) this.#committer.note({ device, observation });
  }

  /** To the quarantine, or back to it. False where the open group has no room. */
  #refuse(delivery: Offered, device: Device | undefined, reason: BadReason, detail: string): boolean {
    if (delivery.retryOf === undefined) return this.#quarantine(delivery, device, reason, detail);
    this.retryFailed(delivery.retryOf, reason, detail, (outcome) => delivery.settle(outcome));
    return true;
  }

  #quarantine(delivery: Delivery, device: Device | undefined, reason: BadReason, detail: string): boolean {
    const { source, address, receivedMicros } = delivery;
    const { form, bytes } = keepBody(delivery.body);
    const time = formatWireTime(receivedMicros);
    const record: QuarantineRecord = { time, source, address, reason, detail, bytes: bytes.length };
    const text = JSON.stringify(record);
    if (this.#committer.openQuarantineBytes > quarantineBytesPerGroupMax) return false;
    if (!this.#committer.hasRoom("insight", text.length, 1)) return false;
    this.counters.quarantined++;
    this.#committer.quarantine({
      timeMicros: receivedMicros,
      source,
      address,
      device: device?.id ?? "",
      profile: device?.profile.id ?? "",
      form,
      reason,
      detail,
      size: bytes.length,
      // A copy of its own: a view would take the whole socket chunk to the other thread.
      bytes: new Uint8Array(bytes.subarray(0, quarantinedBytesMax)),
    });
    // The announcement travels, the bytes stay: the cloud can count what the plant sends and nobody can read.
    this.#committer.append(this.#quarantineSlot, text, '{"time":"'.length, receivedMicros);
    return true;
  }
}

interface BadRoute {
  readonly topicHash: number;
  readonly reason: BadReason;
  readonly detail: string;
}

const cursorPrefix = "source:";

function cursorKey(source: string, key: string): string {
  return `${cursorPrefix}${source}/${key}`;
}

/** Source → key → cursor, from the state rows of the journal. */
export function cursorsOf(rows: readonly (readonly [string, string])[]): Map<string, Map<string, string>> {
  const cursors = new Map<string, Map<string, string>>();
  for (const [key, value] of rows) {
    const slash = key.indexOf("/");
    const source = key.slice(0, slash);
    const own = cursors.get(source) ?? new Map<string, string>();
    own.set(key.slice(slash + 1), value);
    cursors.set(source, own);
  }
  return cursors;
}

export { cursorPrefix };
