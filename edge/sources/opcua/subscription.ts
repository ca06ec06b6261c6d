import { ServiceFault, type Connection, type Notification } from "./connection.ts";
import { following, missingCount, missingNumbers } from "./sequence.ts";

/** Whom a subscription reports to. Called from its own loop, one call at a time. */
export interface SubscriptionEvents {
  /** Any answer of the server that proves that this subscription lives. */
  heard(): void;
  /**
   * A notification with values, in order. `settled` is called once, when all that came of it is on disk, together with
   * the place behind it: only then it is acknowledged to the server. Where nothing of it was worth storing, the place
   * was not stored either. `pause` asks for no more until `resume`.
   */
  received(notification: Notification, settled: (outcome: "stored" | "nothing") => void): "continue" | "pause";
  /** Notifications were sent by the server and cannot be had any more. */
  gap(notifications: number): void;
  /** The subscription is of no use any more. */
  lost(reason: string): void;
}

export interface SubscriptionLimits {
  /** PublishRequests that the server holds at once. */
  readonly pipeline: number;
  /** Notifications that are neither settled nor given up. */
  readonly unsettledMax: number;
}

/** Missing notifications that are asked for again at one gap. */
const republishMax = 64;
/** Numbers that are remembered to be dropped when they come again. */
const fetchedMax = 1000;
/** Acknowledgements in one request. */
const acknowledgeMax = 1000;
/** Notifications of which nothing was stored and that wait for one that is: far more than servers keep. */
const unstoredMax = 1000;
/** Faults that say nothing about what was asked for, but that this session is over. */
const sessionEnds = /^Bad(Session|SecureChannel|Shutdown|ServerHalted)/;
/** A server that takes fewer requests than we send is asked again after this. */
const refusedPauseMs = 1000;

/**
 * Keeps PublishRequests at the server, hands notifications on in the order of their numbers, fetches missing ones once
 * with Republish, and acknowledges what is settled with the next request. Holds at most `pipeline` notifications that
 * were not handed on and `unsettledMax` that were.
 */
export class Subscription {
  readonly id: number;
  readonly #connection: Connection;
  readonly #events: SubscriptionEvents;
  readonly #limits: SubscriptionLimits;
  #pipeline: number;
  #outstanding = 0;
  #unsettled = 0;
  #paused = false;
  #stopped = false;
  #draining = false;
  #takenOver = false;
  #expected: number;
  #acknowledge: number[] = [];
  /** Of what nothing was stored: after a crash the next process would ask for it again, so the server keeps it as long. */
  #unstored: { readonly place: number; readonly sequence: number }[] = [];
  /** Counts what was handed on. */
  #place = 0;
  readonly #queue: Notification[] = [];
  /** What was had with Republish, or over an earlier connection: when it comes once more, it is dropped. */
  readonly #fetched = new Set<number>();
  #retry: NodeJS.Timeout | undefined;

  constructor(
    connection: Connection,
    id: number,
    limits: SubscriptionLimits,
    expected: number,
    events: SubscriptionEvents,
  ) {
    this.id = id;
    this.#connection = connection;
    this.#limits = limits;
    this.#pipeline = limits.pipeline;
    this.#events = events;
    this.#expected = expected;
  }

  /** The number that the next notification has. */
  get expected(): number {
    return this.#expected;
  }

  /** True while the server holds no PublishRequest of ours, so that only `touch` keeps it alive. */
  get isIdle(): boolean {
    return this.#outstanding === 0;
  }

  start(): void {
    this.#pump();
  }

  /**
   * Before `start`, after a `transfer`: fetches what the server still keeps and what was not handed on before. Rejects
   * when the connection ends meanwhile; `expected` then says how far it came.
   */
  async catchUp(available: readonly number[]): Promise<void> {
    this.#takenOver = true;
    // For each number how far behind it the expected one would be: 0 for what was handed on before.
    const reach = available.map((sequence) => missingCount(this.#expected, following(sequence)));
    const missing = Math.max(0, ...reach);
    for (const [i, sequence] of available.entries()) if (reach[i] === 0) this.#remember(sequence);
    if (missing > 0 && !(await this.#recover(missing))) {
      throw new Error("the connection ended while the subscription was taken over");
    }
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  /** Nothing is called after this; answers still on their way are dropped unacknowledged. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#queue.length = 0;
  }

  #pump(): void {
    while (this.#mayAsk()) {
      const acknowledge = this.#acknowledge.splice(0, acknowledgeMax);
      this.#outstanding += 1;
      this.#connection.publish(this.id, acknowledge).then(
        (notification) => this.#answered(notification),
        (error: unknown) => this.#refused(error, acknowledge),
      );
    }
  }

  #mayAsk(): boolean {
    return (
      !this.#stopped &&
      !this.#paused &&
      this.#retry === undefined &&
      this.#outstanding < this.#pipeline &&
      this.#unsettled + this.#queue.length < this.#limits.unsettledMax
    );
  }

  #answered(notification: Notification): void {
    this.#outstanding -= 1;
    if (this.#stopped) return;
    this.#queue.push(notification);
    if (!this.#draining) void this.#drain();
  }

  #refused(error: unknown, acknowledge: readonly number[]): void {
    this.#outstanding -= 1;
    if (this.#stopped) return;
    const status = error instanceof ServiceFault ? error.status : undefined;
    switch (status) {
      case "BadTooManyPublishRequests":
        this.#pipeline = Math.max(1, this.#outstanding);
        break;
      // The request waited longer at the server than it may; nothing is wrong.
      case "BadTimeout":
        break;
      default:
        this.#events.lost(error instanceof Error ? error.message : String(error));
        return;
    }
    this.#acknowledge.unshift(...acknowledge);
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#pump();
    }, refusedPauseMs);
  }

  /** The one place where notifications are handled: one after the other, also while a Republish is awaited. */
  async #drain(): Promise<void> {
    this.#draining = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      await this.#handle(next);
      this.#pump();
    }
    this.#draining = false;
  }

  async #handle(notification: Notification): Promise<void> {
    if (notification.subscription !== this.id) return;
    this.#events.heard();
    if (!notification.keepAlive && this.#fetched.delete(notification.sequence)) return;
    const missing = missingCount(this.#expected, notification.sequence);
    // What came after a hole that is not closed stays unacknowledged, and is fetched over the next connection.
    if (missing > 0 && !(await this.#recover(missing))) this.stop();
    if (this.#stopped || notification.keepAlive) return;
    this.#expected = following(notification.sequence);
    this.#handOn(notification);
  }

  /**
   * Fetches what is missing, one number after the other. Each number is counted as soon as its fate is known, so that
   * whoever goes on after a broken connection neither hands on a notification twice nor gives up one that the server
   * still keeps. Returns false when the connection ended before all were known.
   */
  async #recover(missing: number): Promise<boolean> {
    let gone = 0;
    let complete = true;
    for (const sequence of missingNumbers(this.#expected, missing, republishMax)) {
      const fate = await this.#republish(sequence);
      complete = fate !== "unknown";
      if (!complete) break;
      this.#expected = following(sequence);
      if (fate === "gone") gone += 1;
    }
    if (complete && missing > republishMax) {
      gone += missing - republishMax;
      for (let i = republishMax; i < missing; i++) this.#expected = following(this.#expected);
    }
    if (gone > 0) this.#events.gap(gone);
    return complete;
  }

  /** Asks once. Some servers answer Good and send nothing, or another notification: that counts as gone. */
  async #republish(sequence: number): Promise<"handed on" | "gone" | "unknown"> {
    if (this.#stopped) return "unknown";
    let found: Notification | undefined;
    try {
      found = await this.#connection.republish(this.id, sequence);
    } catch (error) {
      if (!(error instanceof ServiceFault) || sessionEnds.test(error.status)) {
        this.#lose(error);
        return "unknown";
      }
    }
    if (this.#stopped) return "unknown";
    if (found === undefined || found.sequence !== sequence || found.keepAlive) return "gone";
    this.#remember(sequence);
    this.#handOn(found);
    return "handed on";
  }

  #remember(sequence: number): void {
    this.#fetched.add(sequence);
    const [oldest] = this.#fetched;
    if (oldest !== undefined && this.#fetched.size > fetchedMax) this.#fetched.delete(oldest);
  }

  #lose(error: unknown): void {
    if (!this.#stopped) this.#events.lost(error instanceof Error ? error.message : String(error));
  }

  #handOn(notification: Notification): void {
    const { sequence } = notification;
    const place = ++this.#place;
    if (notification.changes.length === 0) {
      this.#holdBack(place, sequence);
    } else {
      this.#unsettled += 1;
      const verdict = this.#events.received(notification, (outcome) => this.#settled(place, sequence, outcome));
      if (verdict === "pause") this.#paused = true;
    }
    // The receipt of our own transfer is meant for the session before; where it still had a PublishRequest at the server,
    // the receipt has a number of this subscription and is among what is fetched.
    const isReceipt = this.#takenOver && notification.statusChange === "GoodSubscriptionTransferred";
    if (notification.statusChange !== undefined && !isReceipt) {
      this.#events.lost(`the server ended the subscription: ${notification.statusChange}`);
    }
  }

  #settled(place: number, sequence: number, outcome: "stored" | "nothing"): void {
    this.#unsettled -= 1;
    if (this.#stopped) return;
    if (outcome === "stored") {
      const before = this.#unstored.filter((held) => held.place < place);
      this.#unstored = this.#unstored.filter((held) => held.place > place);
      this.#acknowledge.push(...before.map((held) => held.sequence), sequence);
    } else this.#holdBack(place, sequence);
    this.#pump();
  }

  #holdBack(place: number, sequence: number): void {
    this.#unstored.push({ place, sequence });
    if (this.#unstored.length > unstoredMax) this.#acknowledge.push(this.#unstored.shift()!.sequence);
  }
}
