import assert from "node:assert/strict";
import { isNumbered, type Lane, type Stream } from "../../src/wire/streams.ts";
import { OutRows, Places, valueLength, type BlockRows, type OutRow } from "../out-rows.ts";
import type { SendOutcome, Sink, SinkFault } from "../sink.ts";
import type { ForwardOptions } from "./options.ts";
import type { RefusedRecord } from "./protocol.ts";
import { Rest } from "./rest.ts";
import type { RowGroup } from "./rows.ts";
import type { Slots } from "./slots.ts";

/** What holds rows in memory until they are settled: a block that was taken. */
export interface Holder {
  readonly backfill: boolean;
  /** That many of its rows were accepted or refused; `moved`: they had left the block's memory before. */
  settled(rows: number, moved: boolean): void;
}

/** What senders share. */
export interface SenderParts {
  readonly sink: Sink;
  readonly slots: Slots;
  readonly options: ForwardOptions;
  readonly random: () => number;
  readonly monotonicMs: () => number;
  /** Resolves when they are on disk; rejects where they could not be stored. */
  readonly quarantine: (records: readonly RefusedRecord[]) => Promise<void>;
  /** After each question to the journal; undefined: it answered. */
  readonly onJournal: (fault: unknown) => void;
  /** After each send. */
  readonly onSent: (sender: PartitionSender, result: Sent) => void;
}

export type Sent =
  | { readonly kind: "accepted"; readonly rows: number; readonly bytes: number }
  | { readonly kind: "refused"; readonly rows: number }
  | { readonly kind: "unknown"; readonly rows: number; readonly fault: SinkFault };

/** The rows `[next, end)` wait. */
interface Queued {
  readonly rows: BlockRows;
  readonly holder: Holder;
  readonly end: number;
  next: number;
}

interface Batch {
  readonly places: Places;
  readonly parts: { readonly holder: Holder; count: number }[];
  /** The rows have memory of their own. */
  moved: boolean;
}

export interface HandedBack {
  /** No longer this sender's. */
  readonly queued: readonly HeldRows[];
  /** Still this sender's, in memory of their own. */
  readonly moved: readonly HeldRows[];
}

export interface HeldRows {
  readonly holder: Holder;
  readonly rows: number;
}

/** About the headers and the key of a row, for the size of a send. */
const rowOverheadBytes = 200;

/**
 * Sends the rows of one topic-partition: one send at a time, the same rows until each of them is accepted or refused,
 * so that first copies stay in order. Live rows go before backfill, in the same send where there is room.
 */
export class PartitionSender {
  readonly lane: Lane;
  readonly stream: Stream;
  readonly partition: number;
  readonly key: string;
  readonly #topic: string;
  readonly #parts: SenderParts;
  readonly #live: Queued[] = [];
  readonly #backfill: Queued[] = [];
  readonly #again: Queued[] = [];
  readonly #resends = new Set<Resend>();
  #current: Batch | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;
  #sentOnce = false;
  #attempts = 0;
  #fault: SinkFault | undefined;
  #failingSinceMs = 0;
  readonly #beforeRetry = new Rest();
  readonly #beforeSend = new Rest();
  #lastSendMs = -Infinity;
  #waitingRows = 0;
  #lastEarlyMs = -Infinity;

  constructor(lane: Lane, stream: Stream, partition: number, key: string, topic: string, parts: SenderParts) {
    this.lane = lane;
    this.stream = stream;
    this.partition = partition;
    this.key = key;
    this.#topic = topic;
    this.#parts = parts;
  }

  /** The fault of the last send; undefined when it succeeded or none was made. */
  get fault(): SinkFault | undefined {
    return this.#fault;
  }

  /** The last send succeeded. */
  get healthy(): boolean {
    return this.#sentOnce && this.#fault === undefined;
  }

  /** How long sends have failed; 0 when the last one did not. */
  failingMs(nowMs: number): number {
    return this.#fault === undefined ? 0 : nowMs - this.#failingSinceMs;
  }

  push({ rows, from, to }: RowGroup, holder: Holder): void {
    this.#queue(holder.backfill ? this.#backfill : this.#live, { rows, holder, next: from, end: to });
  }

  /**
   * Sends rows once more that were settled before, behind all others. Resolves true when each was accepted or refused,
   * false when the sender stopped before. The rows have memory of their own.
   */
  resend({ rows, from, to }: RowGroup): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false);
    const resend = new Resend(to - from, () => this.#resends.delete(resend));
    this.#resends.add(resend);
    this.#queue(this.#again, { rows, holder: resend, next: from, end: to });
    return resend.ended;
  }

  #queue(queue: Queued[], queued: Queued): void {
    queue.push(queued);
    this.#waitingRows += queued.end - queued.next;
    if (this.#waitingRows >= this.#parts.options.sendRowsMax) this.#beforeSend.wake();
    this.#running ??= this.#run();
  }

  /** Hands back what is queued behind the send in progress (but no resends), and moves that send's rows out of their blocks' memory. */
  handBack(): HandedBack {
    const queued = [...this.#live.splice(0), ...this.#backfill.splice(0)];
    for (const { next, end } of queued) this.#waitingRows -= end - next;
    return {
      queued: queued.map(({ holder, next, end }) => ({ holder, rows: end - next })),
      moved: this.#moveOut(),
    };
  }

  #moveOut(): HeldRows[] {
    const batch = this.#current;
    if (batch === undefined || batch.moved || batch.parts[0]!.holder instanceof Resend) return [];
    batch.moved = true;
    batch.places.moveOut();
    return batch.parts.map(({ holder, count }) => ({ holder, rows: count }));
  }

  /** The connection works again: a sender that waits because of the connection tries at once, though not every time. */
  wake(): void {
    const { options, monotonicMs } = this.#parts;
    if (!this.#beforeRetry.isResting || this.#fault?.kind !== "connection") return;
    if (monotonicMs() - this.#lastEarlyMs < options.retryMaxMs) return;
    this.#lastEarlyMs = monotonicMs();
    this.#beforeRetry.wake();
  }

  /** What a person had to repair may be repaired: a sender that waits for that tries at once. */
  onRepair(): void {
    if (this.#fault?.kind === "configuration") this.#beforeRetry.wake();
  }

  /** No further send begins; resolves when the one in progress has its outcome. */
  stop(): Promise<void> {
    this.#stopped = true;
    for (const resend of this.#resends) resend.abandon();
    this.#beforeRetry.end();
    this.#beforeSend.end();
    return this.#running ?? Promise.resolve();
  }

  async #run(): Promise<void> {
    for (;;) {
      await this.#gather();
      const batch = this.#stopped ? undefined : this.#nextBatch();
      if (batch === undefined) break;
      this.#current = batch;
      const settled = await this.#deliver(OutRows.of(batch.places), batch.parts[0]!.holder.backfill);
      this.#current = undefined;
      if (!settled) break;
      for (const { holder, count } of batch.parts) holder.settled(count, batch.moved);
    }
    this.#running = undefined;
  }

  /** Under a steady load commits come every few milliseconds, and a request costs more than the rows of one commit. */
  async #gather(): Promise<void> {
    const { options, monotonicMs } = this.#parts;
    const waitMs = this.#lastSendMs + options.sendSpacingMs - monotonicMs();
    if (waitMs <= 0 || this.#waitingRows === 0 || this.#waitingRows >= options.sendRowsMax) return;
    await this.#beforeSend.forMs(waitMs);
  }

  /**
   * Live rows first. Backfill fills up what they leave: under a steady load a few live rows come every few milliseconds,
   * and sends of their own would take nearly all of the time from it.
   */
  #nextBatch(): Batch | undefined {
    if (this.#waitingRows === 0) return undefined;
    const places = new Places(Math.min(this.#waitingRows, this.#parts.options.sendRowsMax));
    const batch: Batch = { places, parts: [], moved: false };
    this.#fill(batch, this.#live);
    this.#fill(batch, this.#backfill);
    if (places.length === 0) this.#fill(batch, this.#again);
    this.#waitingRows -= places.length;
    this.#lastSendMs = this.#parts.monotonicMs();
    return batch;
  }

  /** Moves rows from the front of `queue` to the end of the batch, as many as fit. */
  #fill({ places, parts }: Batch, queue: Queued[]): void {
    const { sendRowsMax, sendBytesMax } = this.#parts.options;
    let emptied = 0;
    filling: for (const queued of queue) {
      const part = { holder: queued.holder, count: 0 };
      while (queued.next < queued.end) {
        const length = valueLength(queued.rows, queued.next);
        const bytes = places.bytes + length + (places.length + 1) * rowOverheadBytes;
        const full = places.length === sendRowsMax || bytes > sendBytesMax;
        if (full && places.length > 0) break filling;
        places.push(queued.rows, queued.next++);
        if (part.count++ === 0) parts.push(part);
      }
      emptied++;
    }
    queue.splice(0, emptied);
  }

  /** True when every row was accepted or refused; false when the sender stopped before. */
  async #deliver(all: OutRows, backfill: boolean): Promise<boolean> {
    const { valueBytesMax } = this.#parts.sink;
    const isTooLarge = (index: number): boolean => all.valueLength(index) > valueBytesMax;
    let rows = all;
    if (all.some(isTooLarge)) {
      const reason = `larger than kafka.valueBytesMax (${valueBytesMax} bytes)`;
      if (!(await this.#refuse(all.select(isTooLarge), reason))) return false;
      rows = all.select((index) => !isTooLarge(index));
    }
    while (rows.length > 0) {
      const outcome = await this.#send(rows, backfill);
      if (outcome === undefined) return false;
      switch (outcome.kind) {
        case "accepted":
          return true;
        case "refused": {
          const refused = new Set(outcome.rows);
          const stored = await this.#refuse(
            rows.select((index) => refused.has(index)),
            outcome.reason,
          );
          if (!stored) return false;
          rows = rows.select((index) => !refused.has(index));
          break;
        }
        case "too-large":
          return this.#deliverHalves(rows, backfill);
        case "unknown":
          await this.#pause(outcome.cause);
      }
    }
    return true;
  }

  async #deliverHalves(rows: OutRows, backfill: boolean): Promise<boolean> {
    assert(rows.length > 1, "a single row is refused, never too large");
    const middle = rows.length >> 1;
    const first = await this.#deliver(rows.slice(0, middle), backfill);
    return first && (await this.#deliver(rows.slice(middle, rows.length), backfill));
  }

  async #send(rows: OutRows, backfill: boolean): Promise<SendOutcome | undefined> {
    const { sink, slots, onSent } = this.#parts;
    const giveBack = await slots.acquire(backfill ? "backfill" : this.lane);
    try {
      if (this.#stopped) return undefined;
      const outcome = await sink.send(this.#topic, this.partition, rows);
      if (outcome.kind === "unknown") {
        if (this.#fault === undefined) this.#failingSinceMs = this.#parts.monotonicMs();
        this.#fault = outcome.cause;
        onSent(this, { kind: "unknown", rows: rows.length, fault: outcome.cause });
      } else {
        this.#attempts = 0;
        this.#sentOnce = true;
        this.#fault = undefined;
        const accepted = outcome.kind === "accepted";
        onSent(this, { kind: "accepted", rows: accepted ? rows.length : 0, bytes: accepted ? rows.bytes : 0 });
      }
      return outcome;
    } finally {
      giveBack();
    }
  }

  /** Exponential with jitter; what a person has to repair is tried slowly. */
  async #pause({ kind }: SinkFault): Promise<void> {
    const { options, random } = this.#parts;
    const doubled = Math.min(options.retryMaxMs, options.retryMinMs * 2 ** Math.min(this.#attempts, 30));
    this.#attempts++;
    await this.#beforeRetry.forMs(
      (kind === "configuration" ? options.configurationRetryMs : doubled) * (0.5 + random() / 2),
    );
  }

  /** Tries until the rows are in the quarantine, or they would be gone when they are settled; false when the sender stopped before. */
  async #refuse(rows: OutRows, reason: string): Promise<boolean> {
    const { quarantine, onSent, onJournal, options } = this.#parts;
    const records = Array.from(rows, (row) => refusedRecord(row, reason));
    while (!this.#stopped) {
      try {
        await quarantine(records);
        onJournal(undefined);
        onSent(this, { kind: "refused", rows: rows.length });
        return true;
      } catch (error) {
        onJournal(error);
        await this.#beforeRetry.forMs(options.retryMaxMs);
      }
    }
    return false;
  }
}

/** Rows that are sent once more: nobody's block, so nothing but their end is of interest. */
class Resend implements Holder {
  readonly backfill = true;
  readonly ended: Promise<boolean>;
  #open: number;
  readonly #end: (settled: boolean) => void;

  constructor(rows: number, onEnd: () => void) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#open = rows;
    this.ended = promise;
    this.#end = (settled) => {
      onEnd();
      resolve(settled);
    };
  }

  settled(rows: number): void {
    this.#open -= rows;
    if (this.#open === 0) this.#end(true);
  }

  abandon(): void {
    this.#end(false);
  }
}

function refusedRecord({ value, seq, origin }: OutRow, reason: string): RefusedRecord {
  const { epoch, stream, device } = origin;
  return { epoch, stream, device, seq: isNumbered(stream) ? seq : 0, value: Uint8Array.from(value), reason };
}
