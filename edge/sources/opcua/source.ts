import { join } from "node:path";
import type { Clock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { Point } from "../../../src/profile/body.ts";
import type { Delivery, Ingest, Source, SourceGap, SourceStatus } from "../../source.ts";
import { loadIdentity } from "./certificates.ts";
import type { Connect, Connection, Notification } from "./connection.ts";
import { ServiceFault } from "./connection.ts";
import { Repeats } from "./dedup.ts";
import { itemsOf, monitor, type Item, type MonitorResult } from "./items.ts";
import { Ladder } from "./ladder.ts";
import { decodeLeft, encodeLeft, type Left } from "./left.ts";
import { loadLibrary } from "./library.ts";
import { resolveNodeId } from "./node-id.ts";
import { checkOpcuaOptions, type OpcuaSourceOptions } from "./options.ts";
import { hasOverflow, pointOf } from "./point.ts";
import { Probe } from "./probe.ts";
import { following } from "./sequence.ts";
import { Subscription } from "./subscription.ts";

/** What the source needs of the agent. */
export interface OpcuaContext {
  readonly gatewayId: string;
  /** Certificates are kept in `<dataFolder>/opcua`. */
  readonly dataFolder: string;
  readonly clock: Clock;
  /** Reads a secret from a file that only its owner may read; throws SECRET_UNSAFE. */
  readonly readSecret: (file: string) => Promise<string>;
  readonly log: (level: "debug" | "info" | "warn", message: string) => void;
}

/** Counted since start. */
export interface OpcuaCounters {
  /** Connections made. */
  readonly connections: number;
  /** Notifications with values. */
  readonly notifications: number;
  /** Values handed on. */
  readonly values: number;
  /** Initial values of a new subscription that were delivered before. */
  readonly repeats: number;
  /** Values that say that the server dropped older ones of their item. */
  readonly overflows: number;
  /** Notifications that the server sent and that could not be had again. */
  readonly gaps: number;
  /** Subscriptions that were taken over after a loss of connection, without a hole in their numbers. */
  readonly transfers: number;
}

/** PublishRequests at the server at once: one answered, one waiting. */
const pipeline = 2;
/** How often the ladder is looked at. */
const tickMs = 100;
/** How often session and subscription are touched while no PublishRequest does it. */
const touchMs = 5_000;
/** How often one item, in turn, is read beside the subscription. */
const probeMs = 5_000;
/** A notification may be under way for this long beyond sampling and publishing. */
const probeGraceMs = 1_000;
/** A subscription whose takeover ended this often in a broken connection is given up. */
const takeOverMax = 5;
/** Of items that are not monitored, this many are named in the status. */
const namedMax = 5;
/** Server.ServerStatus.StartTime: another value means another server process [OPC 10000-5 §6.3.3]. */
const startTimeNode = "i=2257";

/** The one cursor of the source. */
const cursorKey = "subscription";

/** What a notification says of one device. */
interface DeviceChanges {
  readonly points: Point[];
  overflow: SourceGap | undefined;
}

/** What belongs to one connection. */
interface Link {
  readonly connection: Connection;
  readonly subscription: Subscription;
  readonly serverStart: Point["value"];
  readonly publishingMs: number;
  readonly keepAliveMs: number;
  monitored: MonitorResult;
  /** Connections in a row before this one that tried to take the subscription over, nothing being heard since. */
  readonly attempts: number;
  readonly openedMs: number;
  touchedMs: number;
  probedMs: number;
  retriedMs: number;
  polling: boolean;
  /** Something came on this connection. */
  heard: boolean;
}

/** Makes the source; throws CONFIG_INVALID, touches neither network nor files. */
export function createOpcuaSource(options: OpcuaSourceOptions, context: OpcuaContext, connect?: Connect): OpcuaSource {
  checkOpcuaOptions(options);
  return new OpcuaSource(options, context, connect ?? nodeOpcuaConnect(options, context));
}

/** The real way to a server; the library is loaded at the first attempt. */
function nodeOpcuaConnect(options: OpcuaSourceOptions, context: OpcuaContext): Connect {
  return async (lost) => {
    const library = await loadLibrary((level, message) => context.log(level, `node-opcua: ${message}`));
    const identity = await loadIdentity(library, join(context.dataFolder, "opcua"), context.gatewayId);
    const { username, passwordFile } = options;
    const user =
      username === undefined || passwordFile === undefined
        ? undefined
        : { name: username, password: await context.readSecret(passwordFile) };
    const { connectNodeOpcua } = await import("./node-opcua.ts");
    return await connectNodeOpcua(library, { options, identity, user }, lost);
  };
}

/**
 * Reads the configured items of one OPC UA server. Values are handed on per notification and device; a notification is
 * acknowledged to the server only after all of it is on disk. See README.md for the recovery ladder.
 */
export class OpcuaSource implements Source {
  readonly name: string;
  readonly #options: OpcuaSourceOptions;
  readonly #context: OpcuaContext;
  readonly #connect: Connect;
  readonly #items: readonly Item[];
  readonly #repeats: Repeats;
  readonly #probe: Probe;
  readonly #ladder: Ladder;
  readonly #counters = { connections: 0, notifications: 0, values: 0, repeats: 0, overflows: 0, gaps: 0, transfers: 0 };
  #ingest: Ingest | undefined;
  #link: Link | undefined;
  #left: Left | undefined;
  /** The subscription at hand, for the next process; `expected` goes with each notification. */
  #resumable: Omit<Left, "expected"> | undefined;
  /** Wall time of the last notification or keep-alive: where a hole begins. */
  #heardMicros: number;
  /** By device: the hole that is to be said with its next delivery. */
  readonly #gaps = new Map<string, SourceGap>();
  #working: Promise<void> = Promise.resolve();
  #busy = false;
  #timer: NodeJS.Timeout | undefined;
  #removeResume: (() => void) | undefined;
  #problem: TidegateError | undefined;
  #sinceMicros: number;
  #shown: SourceStatus["state"] = "connecting";

  constructor(options: OpcuaSourceOptions, context: OpcuaContext, connect: Connect) {
    this.name = options.name;
    this.#options = options;
    this.#context = context;
    this.#connect = connect;
    this.#items = itemsOf(options);
    this.#repeats = new Repeats(this.#items.length);
    this.#probe = new Probe(this.#items.length);
    this.#ladder = new Ladder(options, context.clock);
    this.#sinceMicros = context.clock.nowMicros();
    this.#heardMicros = this.#sinceMicros;
  }

  get counters(): OpcuaCounters {
    return { ...this.#counters };
  }

  /** Returns at once: a server that is away is a state. */
  start(ingest: Ingest): Promise<void> {
    this.#ingest = ingest;
    this.#remember(ingest.cursors(this.name).get(cursorKey));
    this.#removeResume = ingest.onResume(() => this.#link?.subscription.resume());
    this.#timer = setInterval(() => this.#tick(), tickMs);
    this.#tick();
    return Promise.resolve();
  }

  status(): SourceStatus {
    const { host } = new URL(this.#options.endpoint);
    return {
      kind: "opcua",
      state: this.#stateNow(),
      address: host,
      detail: this.#detail(),
      sinceMicros: this.#sinceMicros,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ladder.stop();
    clearInterval(this.#timer);
    this.#removeResume?.();
    await this.#working;
    await this.#closeLink(false);
    this.#noteState();
  }

  /** After a crash the subscription may still be at the server; if not, the time without one is named. */
  #remember(cursor: string | undefined): void {
    const remembered = decodeLeft(cursor, this.#items);
    if (remembered === undefined) return;
    this.#heardMicros = remembered.heardMicros;
    this.#left = remembered.left;
    if (this.#left === undefined) this.#noteGap(0);
  }

  /** One step of the ladder at a time; while one is under way the others wait. */
  #tick(): void {
    if (this.#busy) return;
    const action = this.#ladder.next();
    this.#noteState();
    if (action === "none") {
      if (this.#link !== undefined) this.#poll(this.#link);
      return;
    }
    this.#busy = true;
    const work = action === "open" ? this.#open() : this.#close();
    this.#working = work
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#busy = false;
        this.#noteState();
      });
  }

  async #open(): Promise<void> {
    const connection = await this.#connect((reason) => this.#lost(reason));
    this.#counters.connections += 1;
    try {
      const link = await this.#subscribe(connection);
      // Meanwhile the connection may have broken, or the source may have been stopped.
      if (this.#ladder.state.kind !== "opening") {
        link.subscription.stop();
        this.#left = this.#leftOf(link);
        return await connection.close(this.#ladder.state.kind !== "stopped");
      }
      this.#link = link;
      this.#left = undefined;
      this.#problem = undefined;
      this.#ladder.opened(this.#silenceMs(link.keepAliveMs));
      this.#context.log("info", `source ${this.name}: ${this.#detail()}`);
      link.subscription.start();
    } catch (error) {
      await connection.close(this.#left !== undefined && this.#ladder.state.kind !== "stopped");
      throw error;
    }
  }

  async #close(): Promise<void> {
    await this.#closeLink(true);
    this.#ladder.closed();
  }

  async #closeLink(keepSubscription: boolean): Promise<void> {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    link.subscription.stop();
    this.#probe.dismiss();
    this.#left = this.#leftOf(link);
    await link.connection.close(keepSubscription && this.#left.attempts < takeOverMax);
  }

  #leftOf(link: Link): Left {
    const { subscription, serverStart, publishingMs, keepAliveMs, monitored, heard } = link;
    const { id, expected } = subscription;
    const wasSilent = this.#context.clock.monotonicMs() - link.openedMs >= this.#silenceMs(keepAliveMs);
    const failed = wasSilent ? takeOverMax : link.attempts + 1;
    return { id, expected, serverStart, publishingMs, keepAliveMs, monitored, attempts: heard ? 0 : failed };
  }

  /** A server may revise the keep-alive interval beyond the silence that was configured. */
  #silenceMs(keepAliveMs: number): number {
    return Math.max(this.#options.silenceMs, 2.5 * keepAliveMs);
  }

  #failed(error: unknown): void {
    this.#problem =
      error instanceof TidegateError
        ? error
        : new TidegateError("SOURCE_UNREACHABLE", error instanceof Error ? error.message : String(error), {
            cause: error,
          });
    this.#lost(this.#problem.message);
    // Nothing is open: whoever failed has cleaned up.
    if (this.#ladder.next() === "close") this.#ladder.closed();
  }

  #lost(reason: string): void {
    if (this.#ladder.state.kind === "running")
      this.#context.log("warn", `source ${this.name}: connection lost: ${reason}`);
    this.#ladder.lost(reason);
  }

  /**
   * Takes the old subscription over where the same server process still has it: what it queued meanwhile comes, and
   * nothing is missed. Otherwise makes a new one, and says so with the next delivery of each device.
   */
  async #subscribe(connection: Connection): Promise<Link> {
    const serverStart = pointOf("", await connection.read(startTimeNode)).value;
    const left = this.#left;
    if (left !== undefined && mayTakeOver(left, serverStart)) {
      const link = await this.#takeOver(connection, left);
      if (link !== undefined) return link;
    }
    if (left !== undefined) this.#noteGap(0);
    this.#left = undefined;
    const { publishingMs, keepAliveMs, lifetimeMs } = this.#options;
    const reply = await connection.createSubscription({ publishingMs, keepAliveMs, lifetimeMs });
    const monitored = await monitor(connection, reply.id, this.#items, this.#options);
    this.#repeats.expectInitialValues();
    this.#resumable = { ...reply, serverStart, monitored, attempts: 0 };
    const subscription = this.#newSubscription(connection, reply.id, 1);
    return this.#newLink({ connection, subscription, serverStart, monitored, attempts: 0, ...reply });
  }

  /** What is left is kept until a link is made of it: the connection may break once more meanwhile. */
  async #takeOver(connection: Connection, left: Left): Promise<Link | undefined> {
    const attempts = left.attempts + 1;
    this.#left = { ...left, attempts };
    const transferred = await connection.transfer(left.id);
    if (transferred === undefined) return undefined;
    this.#resumable = left;
    const subscription = this.#newSubscription(connection, left.id, left.expected);
    try {
      await subscription.catchUp(transferred.available);
    } catch (error) {
      subscription.stop();
      this.#left = { ...left, attempts, expected: subscription.expected };
      throw error;
    }
    this.#counters.transfers += 1;
    return this.#newLink({ ...left, connection, subscription });
  }

  #newLink(parts: Omit<Link, "openedMs" | "touchedMs" | "probedMs" | "retriedMs" | "polling" | "heard">): Link {
    const { connection, subscription, serverStart, publishingMs, keepAliveMs, monitored, attempts } = parts;
    const now = this.#context.clock.monotonicMs();
    return {
      connection,
      subscription,
      serverStart,
      publishingMs,
      keepAliveMs,
      monitored,
      attempts,
      openedMs: now,
      touchedMs: now,
      probedMs: now,
      retriedMs: now,
      polling: false,
      heard: false,
    };
  }

  #newSubscription(connection: Connection, id: number, expected: number): Subscription {
    const limits = { pipeline, unsettledMax: this.#options.unsettledMax };
    return new Subscription(connection, id, limits, expected, {
      heard: () => {
        this.#heardMicros = this.#context.clock.nowMicros();
        if (this.#link !== undefined) this.#link.heard = true;
        this.#ladder.heard();
      },
      received: (notification, settled) => this.#received(notification, settled),
      gap: (notifications) => {
        this.#counters.gaps += notifications;
        this.#noteGap(notifications);
        this.#context.log("warn", `source ${this.name}: ${notifications} notifications of the server are lost`);
      },
      lost: (reason) => this.#lost(reason),
    });
  }

  /** Small duties beside the PublishRequests; one at a time. */
  #poll(link: Link): void {
    if (link.polling || this.#ladder.state.kind !== "running") return;
    const now = this.#context.clock.monotonicMs();
    const duty = this.#duty(link, now);
    if (duty === undefined) return;
    link.polling = true;
    duty
      .catch((error: unknown) => {
        // A late answer of a connection that is closed already says nothing about the next one.
        if (this.#link === link) this.#lost(error instanceof Error ? error.message : String(error));
      })
      .finally(() => (link.polling = false));
  }

  #duty(link: Link, now: number): Promise<void> | undefined {
    const isQuiet = link.subscription.isIdle || link.keepAliveMs > 2 * touchMs;
    if (isQuiet && now - link.touchedMs >= touchMs) {
      link.touchedMs = now;
      return this.#touch(link);
    }
    if (link.monitored.unmonitored.length > 0 && now - link.retriedMs >= this.#options.itemsRetryMs) {
      link.retriedMs = now;
      return this.#retryItems(link);
    }
    const { samplingMs = 0 } = link.monitored;
    const graceMs = 2 * (samplingMs + link.publishingMs) + probeGraceMs;
    if (now - link.probedMs >= (this.#probe.isSuspicious ? graceMs : Math.max(probeMs, graceMs))) {
      link.probedMs = now;
      return this.#probeItem(link);
    }
    return undefined;
  }

  /** Reads one item beside the subscription: a server that keeps a change to itself is found out. */
  async #probeItem(link: Link): Promise<void> {
    const handle = this.#probe.candidate();
    const item = this.#items[handle];
    const nodeId = item && resolveNodeId(item.address, link.connection.namespaces);
    // In a pause the server rightly keeps its changes to itself.
    if (item === undefined || nodeId === undefined || link.subscription.isIdle) return this.#probe.dismiss();
    const read = await link.connection.read(nodeId).catch((error: unknown) => {
      if (error instanceof ServiceFault) return undefined;
      throw error;
    });
    if (read === undefined || link.subscription.isIdle) return this.#probe.dismiss();
    if (this.#probe.judge(handle, pointOf(item.name, read), this.#repeats.last(handle)) === "frozen") {
      this.#lost(`the server no longer reports changes of ${item.device}/${item.name}`);
    }
  }

  /** While we ask for nothing (a pause) the answer to this is the sign of life. */
  async #touch(link: Link): Promise<void> {
    await link.connection.touch(link.subscription.id);
    if (link.subscription.isIdle) this.#ladder.heard();
  }

  async #retryItems(link: Link): Promise<void> {
    const missing = link.monitored.unmonitored.map(({ item }) => item);
    const result = await monitor(link.connection, link.subscription.id, missing, this.#options);
    link.monitored = {
      monitored: link.monitored.monitored + result.monitored,
      unmonitored: result.unmonitored,
      samplingMs: link.monitored.samplingMs ?? result.samplingMs,
      queueSize: link.monitored.queueSize ?? result.queueSize,
    };
    if (this.#resumable !== undefined) this.#resumable = { ...this.#resumable, monitored: link.monitored };
  }

  /** One delivery per device; the notification is settled when the last of them is stored. */
  #received(notification: Notification, settled: (outcome: "stored" | "nothing") => void): "continue" | "pause" {
    const ingest = this.#ingest!;
    const receivedMicros = this.#context.clock.nowMicros();
    this.#counters.notifications += 1;
    const byDevice = this.#changesByDevice(notification);
    let unoffered = byDevice.size;
    let open = byDevice.size;
    if (open === 0) settled("nothing");
    let verdict: "continue" | "pause" = "continue";
    for (const [device, { points, overflow }] of byDevice) {
      const gaps = [this.#gaps.get(device), overflow].filter((gap) => gap !== undefined);
      this.#gaps.delete(device);
      this.#counters.values += points.length;
      unoffered -= 1;
      const answer = ingest.offer({
        source: this.name,
        address: device,
        body: { kind: "points", points },
        receivedMicros,
        redelivery: undefined,
        // Only when all of the notification is stored may the next process go on behind it.
        cursor: unoffered === 0 ? this.#cursorBehind(notification) : undefined,
        ...(gaps.length === 0 ? {} : { gaps }),
        settle: (outcome) => {
          // What was abandoned stays unacknowledged at the server.
          if (outcome === "stored" && --open === 0) settled("stored");
        },
      });
      if (answer === "pause") verdict = "pause";
    }
    return verdict;
  }

  #cursorBehind({ sequence }: Notification): Delivery["cursor"] {
    const left = { ...this.#resumable!, expected: following(sequence) };
    return { key: cursorKey, value: encodeLeft(left, this.#heardMicros, this.#items) };
  }

  #changesByDevice(notification: Notification): Map<string, DeviceChanges> {
    const byDevice = new Map<string, DeviceChanges>();
    for (const { handle, value } of notification.changes) {
      const item = this.#items[handle];
      // A handle that we never gave: foreign input, not ours to assert.
      if (item === undefined) continue;
      const point = pointOf(item.name, value);
      const sinceMicros = this.#repeats.last(handle)?.timeMicros ?? this.#heardMicros;
      if (this.#repeats.isRepeat(handle, point)) {
        this.#counters.repeats += 1;
        continue;
      }
      let changes = byDevice.get(item.device);
      if (changes === undefined) byDevice.set(item.device, (changes = { points: [], overflow: undefined }));
      changes.points.push(point);
      if (!hasOverflow(value.statusCode?.value ?? 0)) continue;
      this.#counters.overflows += 1;
      changes.overflow = joined(changes.overflow, { reason: "source-overflow", messages: 1, sinceMicros });
    }
    return byDevice;
  }

  #noteGap(messages: number): void {
    const gap: SourceGap = { reason: "source-gap", messages, sinceMicros: this.#heardMicros };
    for (const { id } of this.#options.devices) this.#gaps.set(id, joined(this.#gaps.get(id), gap));
  }

  #stateNow(): SourceStatus["state"] {
    const { kind } = this.#ladder.state;
    if (kind === "running") return "connected";
    if (kind === "stopped") return "stopped";
    return this.#counters.connections > 0 || this.#problem !== undefined ? "waiting" : "connecting";
  }

  #noteState(): void {
    const state = this.#stateNow();
    if (state === this.#shown) return;
    this.#shown = state;
    this.#sinceMicros = this.#context.clock.nowMicros();
    if (state === "waiting") this.#context.log("warn", `source ${this.name}: ${this.#detail()}`);
  }

  #detail(): string {
    const { state } = this.#ladder;
    if (state.kind === "running" && this.#link !== undefined)
      return describe(this.#link, this.#items.length, this.#options);
    if (this.#problem !== undefined && state.kind !== "stopped")
      return [this.#problem.message, this.#problem.hint].filter(Boolean).join(". ");
    return state.kind === "stopped" ? "" : this.#ladder.reason;
  }
}

/** Two holes of one kind as one, from the beginning of the earlier. */
function joined(before: SourceGap | undefined, gap: SourceGap): SourceGap {
  if (before === undefined) return gap;
  const sinceMicros = Math.min(before.sinceMicros, gap.sinceMicros);
  return { ...gap, messages: before.messages + gap.messages, sinceMicros };
}

/**
 * Only from the same server process: ids start again with it, and the same id may by now be the subscription of
 * somebody else. And not where it stayed silent, or failed too often: asyncua 2.1 answers a transfer with Good and never
 * sends again.
 */
function mayTakeOver(left: Left, serverStart: Point["value"]): boolean {
  return left.attempts < takeOverMax && serverStart !== undefined && left.serverStart === serverStart;
}

/** What a person wants to know of a connection that works. */
function describe(link: Link, items: number, options: OpcuaSourceOptions): string {
  const { monitored, unmonitored, samplingMs } = link.monitored;
  const named = unmonitored.slice(0, namedMax).map(({ item, reason }) => `${item.device}/${item.name}: ${reason}`);
  const more = unmonitored.length > namedMax ? ` and ${unmonitored.length - namedMax} more` : "";
  const missing = unmonitored.length === 0 ? "" : `; not monitored: ${named.join(", ")}${more}`;
  const sampling = samplingMs === undefined ? "" : `, sampled every ${samplingMs} ms`;
  return `${monitored} of ${items} items${sampling}, published every ${link.publishingMs} ms, ${options.securityPolicy} ${options.securityMode}${missing}`;
}
