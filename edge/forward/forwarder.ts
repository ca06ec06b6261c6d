import type { Clock } from "../../src/clock.ts";
import { lanes, streamNames, streams, topicName, type Lane, type Stream } from "../../src/wire/streams.ts";
import type { Block } from "../journal/block.ts";
import type { LiveBlock } from "../reader.ts";
import type { RowOrigin } from "../out-rows.ts";
import type { Sink, SinkDescription, SinkFault } from "../sink.ts";
import type { ForwardJournal } from "./journal-port.ts";
import { ForwardLane } from "./lane.ts";
import type { ForwardOptions } from "./options.ts";
import type { ForwardReport, LaneReport, StreamCounters } from "./protocol.ts";
import { groupRows, type RowGroup } from "./rows.ts";
import { PartitionSender, type Sent } from "./sender.ts";
import { sinkAlarms } from "./sink-alarms.ts";
import { Slots } from "./slots.ts";

export interface ForwarderParts {
  readonly sink: Sink;
  readonly journal: ForwardJournal;
  readonly clock: Clock;
  readonly options: ForwardOptions;
  readonly topicPrefix: string;
  /** As configured; a topic with another count is an alarm. */
  readonly partitions: number;
  readonly random?: () => number;
  /** Kafka takes records again, or for the first time. */
  readonly onConnected?: () => void;
}

const lookEveryMs = 250;
/** A wall clock that has moved by more than this against monotonic time was set. */
const clockStepMs = 1_000;
const describeEveryMs = 30_000;
const describeAgainMs = 5000;

/**
 * Brings every record of the journal to Kafka at least once: lanes read, topic-partitions send, and what is settled
 * goes back to the journal. Nothing here waits for anything else: a block is only held in memory, never in the way.
 */
export class Forwarder {
  readonly #parts: ForwarderParts;
  readonly #lanes = new Map<Lane, ForwardLane>();
  readonly #senders = new Map<string, PartitionSender>();
  readonly #counters = new Map<Stream, { -readonly [name in keyof StreamCounters]: number }>();
  readonly #slots: Slots;
  #early: LiveBlock[] = [];
  #state: ForwardReport["state"] = "starting";
  #fault: SinkFault | undefined;
  #journalFault: string | undefined;
  #described: SinkDescription | undefined;
  #healthySinceMs: number | undefined;
  #sent = 0;
  #rate = { atMs: 0, sent: 0, perSecond: 0 };
  #timers: NodeJS.Timeout[] = [];
  /** By how much the wall clock is ahead of monotonic time. */
  #clockAheadMs: number;

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
    this.#slots = new Slots(parts.options.sendsMax);
    this.#clockAheadMs = aheadMs(parts.clock);
  }

  /** Loads the durable cursor and begins. Kafka need not be there. Rejects where the journal cannot be read. */
  async start(): Promise<void> {
    const settled = await this.#parts.journal.load();
    if (this.#state === "stopped") return;
    for (const lane of lanes)
      if (lane !== "history") this.#lanes.set(lane, this.#makeLane(lane, settled.get(lane) ?? []));
    for (const lane of this.#lanes.values()) lane.start();
    for (const block of this.#early.splice(0)) this.accept(block);
    this.#timers.push(setInterval(() => this.#look(), lookEveryMs));
    this.#describeAfter(0);
  }

  /** A block was committed. It is released as soon as no row needs its memory. */
  accept(block: LiveBlock): void {
    const lane = this.#lanes.get(block.lane);
    if (lane !== undefined) lane.accept(block);
    else if (block.lane === "history" || this.#state === "stopped" || this.#early.length >= earlyBlocksMax)
      block.release();
    else this.#early.push(block);
  }

  /** A block was stored that is not lent from memory. Before `start` nothing need be said: everything stored is read then. */
  announce(lane: Lane, id: number): void {
    this.#lanes.get(lane)?.announce(id);
  }

  /**
   * Sends rows of a stored block again, under their old identity, marked as backfill and behind everything else.
   * Resolves true when each was accepted or refused, false when the forwarder stopped before.
   */
  async resend(block: Block, isWanted: (origin: RowOrigin, seq: number) => boolean): Promise<boolean> {
    if (this.#state === "stopped") return false;
    const groups = groupRows(block, true, isWanted).filter(({ from, to }) => to > from);
    const ends = await Promise.all(groups.map((group) => this.#senderOf(group).resend(group)));
    return ends.every(Boolean);
  }

  /** Sends in progress get `withinMs` for their outcome; what is not settled by then is sent again after the next start. */
  async stop(withinMs: number): Promise<void> {
    this.#state = "stopped";
    for (const timer of this.#timers.splice(0)) clearTimeout(timer);
    for (const block of this.#early.splice(0)) block.release();
    for (const lane of this.#lanes.values()) lane.close();
    const ended = Promise.all([...this.#senders.values()].map((sender) => sender.stop()));
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([ended, new Promise((resolve) => (timer = setTimeout(resolve, withinMs)))]);
    clearTimeout(timer);
    await Promise.all([...this.#lanes.values()].map((lane) => lane.end()));
  }

  report(): ForwardReport {
    const now = this.#parts.clock.monotonicMs();
    const lanes = [...this.#lanes.values()];
    return {
      state: this.#state,
      fault: this.#fault,
      alarms: this.#alarms(),
      oldestUnsentMs: Math.round(Math.max(0, ...lanes.map((lane) => lane.oldestUnsentMs(now)))),
      sentPerSecond: this.#sentPerSecond(now),
      streams: Object.fromEntries([...this.#counters].map(([stream, counters]) => [stream, { ...counters }])),
      certificates: this.#described?.certificates ?? [],
      topicIds: Object.fromEntries([...(this.#described?.topics ?? [])].map(([topic, { id }]) => [topic, id])),
      lanes: Object.fromEntries(lanes.map((lane): [Lane, LaneReport] => [lane.lane, lane.report()])),
    };
  }

  #makeLane(lane: Lane, settled: readonly number[]): ForwardLane {
    const { journal, options, clock } = this.#parts;
    return new ForwardLane(lane, settled, {
      journal,
      options,
      monotonicMs: () => clock.monotonicMs(),
      senderOf: (group) => this.#senderOf(group),
      senders: () => [...this.#senders.values()].filter((sender) => sender.lane === lane),
      healthySinceMs: () => this.#healthySinceMs,
      onJournal: (fault) => this.#onJournal(fault),
    });
  }

  #onJournal(fault: unknown): void {
    if (fault === undefined) this.#journalFault = undefined;
    else this.#journalFault = fault instanceof Error ? fault.message : "unknown error";
  }

  #senderOf({ key, stream, partition }: RowGroup): PartitionSender {
    let sender = this.#senders.get(key);
    if (sender === undefined) this.#senders.set(key, (sender = this.#makeSender(key, stream, partition)));
    return sender;
  }

  #makeSender(key: string, stream: Stream, partition: number): PartitionSender {
    const { sink, options, clock, journal, random = Math.random, topicPrefix } = this.#parts;
    const { lane, topic = "" } = streams[stream];
    return new PartitionSender(lane, stream, partition, key, topicName(topicPrefix, topic), {
      sink,
      slots: this.#slots,
      options,
      random,
      monotonicMs: () => clock.monotonicMs(),
      quarantine: (records) => journal.quarantine(records),
      onJournal: (fault) => this.#onJournal(fault),
      onSent: (from, result) => this.#onSent(from, result),
    });
  }

  #onSent({ stream, lane, key }: PartitionSender, result: Sent): void {
    const counters = this.#countersOf(stream);
    switch (result.kind) {
      case "accepted":
        counters.sent += result.rows;
        counters.sentBytes += result.bytes;
        this.#sent += result.rows;
        this.#healthySinceMs ??= this.#parts.clock.monotonicMs();
        this.#onWorking();
        if (this.#lanes.get(lane)?.isParked(key) === true) this.#look();
        return;
      case "refused":
        counters.refused += result.rows;
        return;
      case "unknown":
        counters.resent += result.rows;
        this.#fault = result.fault;
        if (![...this.#senders.values()].some((sender) => sender.healthy)) this.#healthySinceMs = undefined;
        if (this.#state !== "stopped") this.#state = "waiting";
    }
  }

  #onWorking(): void {
    if (this.#state === "stopped" || this.#state === "connected") return;
    this.#state = "connected";
    this.#fault = undefined;
    this.#parts.onConnected?.();
    this.#wakeSenders();
    this.#look();
  }

  #wakeSenders(): void {
    for (const sender of this.#senders.values()) sender.wake();
  }

  #countersOf(stream: Stream): { -readonly [name in keyof StreamCounters]: number } {
    let counters = this.#counters.get(stream);
    if (counters === undefined) {
      this.#counters.set(stream, (counters = { sent: 0, sentBytes: 0, refused: 0, resent: 0 }));
    }
    return counters;
  }

  #look(): void {
    this.#noticeClock();
    for (const lane of this.#lanes.values()) lane.look();
  }

  /** Kafka refuses the time stamps of a wrong clock, and TLS its certificates: what waits for a person has had one. */
  #noticeClock(): void {
    const ahead = aheadMs(this.#parts.clock);
    if (Math.abs(ahead - this.#clockAheadMs) > clockStepMs) {
      for (const sender of this.#senders.values()) sender.onRepair();
    }
    this.#clockAheadMs = ahead;
  }

  #sentPerSecond(nowMs: number): number {
    const seconds = (nowMs - this.#rate.atMs) / 1000;
    if (seconds >= 1) {
      const perSecond = Math.round((this.#sent - this.#rate.sent) / seconds);
      this.#rate = { atMs: nowMs, sent: this.#sent, perSecond };
    }
    return this.#rate.perSecond;
  }

  #alarms(): string[] {
    const failing = [...this.#senders.values()].filter(({ fault }) => fault?.kind === "configuration");
    const refused = new Set(failing.map(({ fault }) => `Kafka refuses the gateway: ${fault?.message}`));
    const journal = this.#journalFault === undefined ? [] : [`The journal does not answer: ${this.#journalFault}`];
    const { partitions, clock } = this.#parts;
    const seen = this.#described;
    const described = seen === undefined ? [] : sinkAlarms(this.#topics(), partitions, seen, clock.nowMicros() / 1000);
    return [...new Set([...refused, ...journal, ...described])];
  }

  #describeAfter(ms: number): void {
    this.#timers.push(
      setTimeout(() => {
        void this.#describe();
      }, ms),
    );
  }

  async #describe(): Promise<void> {
    const description = await this.#parts.sink.describe(this.#topics());
    if (this.#state === "stopped") return;
    this.#described = description;
    if (description.reachable && this.#state === "starting") this.#onWorking();
    if (description.reachable && this.#state === "waiting") this.#wakeSenders();
    if (!description.reachable && this.#state !== "connected") this.#waitFor(description.fault);
    this.#describeAfter(description.reachable ? describeEveryMs : describeAgainMs);
  }

  #topics(): string[] {
    return streamNames.flatMap((name) => {
      const { topic } = streams[name];
      return topic === undefined ? [] : [topicName(this.#parts.topicPrefix, topic)];
    });
  }

  #waitFor(fault: SinkFault | undefined): void {
    this.#state = "waiting";
    this.#fault = fault;
  }
}

function aheadMs(clock: Clock): number {
  return clock.nowMicros() / 1000 - clock.monotonicMs();
}

/** More blocks than this arrive only when the journal is slow to say what is settled; the rest is read back. */
const earlyBlocksMax = 64;
