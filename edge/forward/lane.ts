import assert from "node:assert/strict";
import { Ranges } from "../../src/wire/ranges.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { Block } from "../journal/block.ts";
import type { LiveBlock } from "../reader.ts";
import type { ForwardJournal } from "./journal-port.ts";
import type { ForwardOptions } from "./options.ts";
import type { LaneReport } from "./protocol.ts";
import { everything, Gaps } from "./gaps.ts";
import { HeldBlock } from "./held-block.ts";
import { LiveQueue } from "./live-queue.ts";
import { Position } from "./position.ts";
import { Rest } from "./rest.ts";
import { groupRows, type RowGroup } from "./rows.ts";
import type { HeldRows, Holder, PartitionSender } from "./sender.ts";
import { Signal } from "./signal.ts";

/*
 * One lane on its way to Kafka. Block ids ascend but are not dense within a lane, so a block settles the ids
 * (previous, id].
 *
 *   main pass     in order: blocks just committed from memory where they follow on, others by the reader
 *   repair pass   what the main pass left out, ascending, always by the reader: `#gaps` names ids per topic-partition
 *                 ("*" = all of them)
 *
 * The main pass leaves out (1) in telemetry, what is older than `liveFirstAfterMs`: it becomes backfill; (2) rows of a
 * topic-partition that fails while others succeed ("parked"). Where order is strict a parked partition stays parked
 * until the repair pass has caught up; in telemetry it goes live again at once and the rest is backfill.
 */

const journalRetryMs = 1000;
/** So much of its time backfill may catch up on when it was held up. */
const backfillSlackMs = 1000;

export interface LaneParts {
  readonly journal: ForwardJournal;
  readonly options: ForwardOptions;
  readonly monotonicMs: () => number;
  readonly senderOf: (group: RowGroup, lane: Lane) => PartitionSender;
  /** The senders of this lane. */
  readonly senders: () => Iterable<PartitionSender>;
  /** Since when there has always been a sender whose last send succeeded; undefined when there is none. */
  readonly healthySinceMs: () => number | undefined;
  /** After each question to the journal; undefined: it answered. */
  readonly onJournal: (fault: unknown) => void;
}

export class ForwardLane {
  readonly lane: Lane;
  readonly #parts: LaneParts;
  readonly #ordered: boolean;
  readonly #settled: Ranges;
  readonly #gaps = new Gaps();
  readonly #parked = new Map<string, PartitionSender>();
  readonly #held = new Set<HeldBlock>();
  readonly #heldBytes: Record<"main" | "repair", number> = { main: 0, repair: 0 };
  readonly #live = new LiveQueue();
  readonly #main: Position;
  readonly #signal = new Signal();
  readonly #rest = new Rest();
  #gapsSinceMs: number | undefined;
  #stopped = false;
  #passes: Promise<unknown> = Promise.resolve();
  #backfillNotBeforeMs = 0;

  constructor(lane: Lane, settled: readonly number[], parts: LaneParts) {
    this.lane = lane;
    this.#parts = parts;
    this.#ordered = lane !== "telemetry";
    this.#settled = new Ranges(settled);
    this.#main = new Position(this.#ordered ? 0 : this.#leaveOvertaken(), parts.monotonicMs());
  }

  /** Newer telemetry was sent before the restart: what it overtook stays backfill. Returns where the main pass goes on. */
  #leaveOvertaken(): number {
    const last = this.#settled.last ?? 0;
    for (const [low, high] of this.#settled.missing(1, last)) this.#leaveOut(everything, low, high);
    return last;
  }

  start(): void {
    this.#passes = Promise.all([this.#mainPass(), this.#repairPass()]);
  }

  /** Takes over the block; what does not fit into memory is released, oldest first, and read back later. */
  accept(block: LiveBlock): void {
    this.#main.stored(block.id);
    if (this.#stopped) return block.release();
    this.#live.push(block, this.#parts.monotonicMs());
    while (this.#live.bytes > this.#parts.options.liveBytesMax) this.#dropOldestLive();
    this.#signal.raise();
  }

  /** A block was stored that does not come from memory: it is read from the journal when its turn comes. */
  announce(id: number): void {
    this.#main.lack(id, this.#parts.monotonicMs());
    this.#signal.raise();
  }

  /** To be called now and then and when a send has ended: parking depends on time and on other senders. */
  look(): void {
    this.#parkFailing();
    this.#unpark();
    this.#signal.raise();
  }

  /** Nothing more is taken; to be called before the senders are stopped. */
  close(): void {
    this.#stopped = true;
    while (this.#live.length > 0) this.#live.take()?.release();
    this.#rest.end();
    this.#signal.raise();
  }

  /** All memory is given back; to be called when the senders have stopped. */
  async end(): Promise<void> {
    await this.#passes;
    // A send that outlives us may be encoded only later: not from memory that was given back.
    for (const sender of this.#parts.senders()) this.#moveOut(sender.handBack().moved);
    for (const held of this.#held) held.abandon();
  }

  get heldBytes(): number {
    return this.#heldBytes.main + this.#heldBytes.repair + this.#live.bytes;
  }

  isParked(key: string): boolean {
    return this.#parked.has(key);
  }

  oldestUnsentMs(nowMs: number): number {
    const [held] = this.#held;
    const since = [held?.sinceMs, this.#live.sinceMs, this.#gapsSinceMs, this.#main.behindSinceMs];
    return Math.max(0, ...since.map((ms) => (ms === undefined ? 0 : nowMs - ms)));
  }

  report(): LaneReport {
    return {
      newest: this.#main.newest,
      settledTo: this.#settled.endOf(1) ?? 0,
      backfilling: this.#gaps.size > 0,
      heldBytes: this.heldBytes,
    };
  }

  async #mainPass(): Promise<void> {
    while (!this.#stopped) {
      const version = this.#signal.version;
      if (this.#heldBytes.main < this.#parts.options.windowBytesMax && (await this.#mainStep())) continue;
      await this.#signal.after(version);
    }
  }

  /** Takes the next block of the main pass; false when there is none. */
  async #mainStep(): Promise<boolean> {
    this.#skipSettled();
    this.#goLiveFirst();
    const next = this.#live.first;
    if (next !== undefined && next.previous <= this.#main.at) {
      this.#live.take();
      this.#parts.journal.sending(this.lane, this.#main.at + 1, next.id);
      this.#take("main", next, groupRows(next, false), next.release.bind(next));
      return true;
    }
    return next !== undefined || this.#main.isBehind ? this.#readNext() : false;
  }

  #skipSettled(): void {
    this.#main.goOnAt(this.#settled.endOf(this.#main.at + 1) ?? this.#main.at);
    while ((this.#live.first?.id ?? Infinity) <= this.#main.at) this.#live.take()?.release();
  }

  async #readNext(): Promise<boolean> {
    // As far as is known now: more may be stored while the journal answers.
    const known = this.#live.first?.previous ?? this.#main.newest;
    const block = await this.#read(this.#main.at);
    if (this.#stopped) return false;
    if (block === undefined) this.#nothingStored(known);
    else if (block !== "failed") this.#takeRead(block);
    return true;
  }

  #takeRead(block: Block): void {
    this.#main.stored(block.id);
    if (this.#settled.has(block.id)) this.#main.goOnAt(block.id);
    else this.#take("main", block, groupRows(block, false));
  }

  /** What was stored up to `last` the journal has given up: its quota, or a new file. Its ledger names that. */
  #nothingStored(last: number): void {
    const first = this.#main.at + 1;
    this.#main.sawEnd(last);
    if (last >= first) this.#settleWhole(first, last);
  }

  async #read(after: number): Promise<Block | undefined | "failed"> {
    try {
      const block = await this.#parts.journal.next(this.lane, after);
      this.#parts.onJournal(undefined);
      return block;
    } catch (error) {
      this.#parts.onJournal(error);
      await this.#rest.forMs(journalRetryMs);
      return "failed";
    }
  }

  /** Telemetry only: what is older than the limit becomes backfill, and the main pass goes on with newer blocks. */
  #goLiveFirst(): void {
    if (this.#ordered || this.#live.length === 0) return;
    const limitMs = this.#parts.monotonicMs() - this.#parts.options.liveFirstAfterMs;
    // Also the last one, where newer blocks are stored: nothing has been lent since an outage began.
    while (this.#live.length > 0 && this.#live.sinceMs! <= limitMs && this.#isOvertaken()) this.#dropOldestLive();
    const next = this.#live.first;
    if (next === undefined) return;
    const { previous } = next;
    const behind = (this.#main.behindSinceMs ?? Infinity) <= limitMs;
    if (previous <= this.#main.at || !behind) return;
    this.#leaveOut(everything, this.#main.at + 1, previous);
    this.#main.leaveTo(previous, this.#parts.monotonicMs());
  }

  /** Something newer than the oldest lent block is stored. */
  #isOvertaken(): boolean {
    return this.#live.first!.id < this.#main.newest;
  }

  #take(pass: "main" | "repair", block: Block | LiveBlock, groups: readonly RowGroup[], release = nothing): void {
    const first = pass === "main" ? this.#main.at + 1 : block.id;
    if (pass === "main") this.#main.goOnAt(block.id);
    const held = new HeldBlock({
      pass,
      first,
      id: block.id,
      bytes: block.records.length,
      sinceMs: this.#parts.monotonicMs(),
      backfill: pass === "repair" && !this.#ordered,
      onMemoryFree: () => {
        this.#heldBytes[pass] -= held.bytes;
        release();
        this.#signal.raise();
      },
      onSettled: () => {
        this.#held.delete(held);
        this.#settleWhole(held.first, held.id);
      },
    });
    this.#held.add(held);
    this.#heldBytes[pass] += held.bytes;
    held.expect(1); // Keeps it open until all groups have been routed.
    for (const group of groups) this.#route(held, group);
    held.settled(1, false);
  }

  #route(held: HeldBlock, group: RowGroup): void {
    const sender = this.#parts.senderOf(group, this.lane);
    if (this.#parked.has(group.key) && (held.pass === "main" || sender.fault !== undefined)) {
      this.#leaveOut(group.key, held.first, held.id);
      return;
    }
    held.expect(group.to - group.from);
    sender.push(group, held);
  }

  #leaveOut(key: string, first: number, last: number): void {
    this.#gaps.add(key, first, last);
    this.#gapsSinceMs ??= this.#parts.monotonicMs();
    this.#signal.raise();
  }

  /** Settles what of [first, last] is neither left out for a partition nor still held by a pass. */
  #settleWhole(first: number, last: number): void {
    const whole = Ranges.of([first, last]);
    this.#gaps.subtractFrom(whole, first, last);
    for (const held of this.#held) if (held.first <= last && held.id >= first) whole.remove(held.first, held.id);
    for (const [low, high] of whole.pairs()) {
      if (this.#settled.add(low, high) > 0) this.#parts.journal.settle(this.lane, low, high);
    }
  }

  async #repairPass(): Promise<void> {
    while (!this.#stopped) {
      const version = this.#signal.version;
      if (this.#heldBytes.repair < this.#parts.options.windowBytesMax && (await this.#repairStep())) continue;
      await this.#signal.after(version);
    }
  }

  /** Takes the next block that was left out and can be sent; false when there is none. */
  async #repairStep(): Promise<boolean> {
    const next = this.#gaps.first(this.#canRepair);
    if (next === undefined || this.#allFailing()) return false;
    await this.#backfillTurn();
    const block = await this.#read(next - 1);
    if (this.#stopped) return false;
    // While the journal was asked, a partition may have been parked with older rows: those come first.
    if (block === "failed" || this.#gaps.first(this.#canRepair) !== next) return true;
    this.#repair(next, block);
    this.#unpark();
    return true;
  }

  /** Not where the partition still fails. */
  readonly #canRepair = (key: string): boolean => this.#parked.get(key)?.fault === undefined;

  /** `block` is the first above `next - 1`; ids up to it, or up to the end of the gap, have nothing to send any more. */
  #repair(next: number, block: Block | undefined): void {
    const last = Math.min(block?.id ?? Infinity, this.#gaps.endOf(next, this.#canRepair));
    const wanted = this.#gaps.closeAll(next, last, this.#canRepair);
    if (this.#gaps.size === 0) this.#gapsSinceMs = undefined;
    if (block?.id === last) this.#takeAgain(block, wanted);
    this.#settleWhole(next, last);
  }

  #takeAgain(block: Block, wanted: ReadonlySet<string>): void {
    const groups = groupRows(block, !this.#ordered);
    const chosen = wanted.has(everything) ? groups : groups.filter(({ key }) => wanted.has(key));
    const { backfillBytesPerSecond: limit } = this.#parts.options;
    if (limit > 0) {
      // By the schedule, not by when the journal answered; what was not used is forfeited.
      const fromMs = Math.max(this.#backfillNotBeforeMs, this.#parts.monotonicMs() - backfillSlackMs);
      this.#backfillNotBeforeMs = fromMs + (block.records.length / limit) * 1000;
    }
    this.#take("repair", block, chosen);
  }

  /** Nothing gets through: reading on would only fill memory. */
  #allFailing(): boolean {
    return this.#parts.healthySinceMs() === undefined && this.#heldBytes.repair > 0;
  }

  async #backfillTurn(): Promise<void> {
    const { backfillBytesPerSecond: limit } = this.#parts.options;
    if (this.#ordered || limit === 0) return;
    const waitMs = this.#backfillNotBeforeMs - this.#parts.monotonicMs();
    if (waitMs > 0) await this.#rest.forMs(waitMs);
  }

  /** A partition that fails while others succeed no longer holds up the lane's window. */
  #parkFailing(): void {
    const { options, monotonicMs, healthySinceMs } = this.#parts;
    const healthySince = healthySinceMs();
    const full = Math.max(this.#heldBytes.main, this.#heldBytes.repair) >= options.windowBytesMax;
    if (!full || healthySince === undefined) return;
    const now = monotonicMs();
    if (now - healthySince < options.parkAfterMs) return;
    for (const sender of this.#parts.senders()) {
      if (sender.fault !== undefined && sender.failingMs(now) >= options.parkAfterMs) this.#park(sender);
    }
  }

  #park(sender: PartitionSender): void {
    this.#parked.set(sender.key, sender);
    const { queued, moved } = sender.handBack();
    this.#moveOut(moved);
    for (const { holder, rows } of queued) {
      const held = blockOf(holder);
      this.#leaveOut(sender.key, held.first, held.id);
      held.settled(rows, false);
    }
  }

  #moveOut(moved: readonly HeldRows[]): void {
    for (const { holder, rows } of moved) blockOf(holder).moved(rows);
  }

  #unpark(): void {
    for (const [key, sender] of this.#parked) {
      const caughtUp = !this.#gaps.has(key);
      if (sender.fault === undefined && (caughtUp || !this.#ordered)) this.#parked.delete(key);
    }
  }

  #dropOldestLive(): void {
    const sinceMs = this.#live.sinceMs!;
    const block = this.#live.take()!;
    this.#main.lack(block.id, sinceMs);
    block.release();
  }
}

function blockOf(holder: Holder): HeldBlock {
  assert(holder instanceof HeldBlock, "the senders of a lane hold its blocks");
  return holder;
}

function nothing(): void {}
