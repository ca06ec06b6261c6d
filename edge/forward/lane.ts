import assert from "node:assert/strict";
import { Ranges } from "../../src/wire/ranges.ts";
import type { Lane } from "../../src/wire/streams.ts";
import type { Block } from "../journal/block.ts";
import type { LiveBlock } from "../reader.ts";
import type { ForwardJournal } from "./journal-port.ts";
import type { ForwardOptions } from "./options.ts";
import type { LaneReport } from "./protocol.ts";
import { groupRows, type RowGroup } from "./rows.ts";
import { HeldBlock } from "./held-block.ts";
import type { HeldRows, Holder, PartitionSender } from "./sender.ts";
import { Signal } from "./signal.ts";

/*
 * One lane on its way to Kafka. Block ids ascend but are not dense within a lane, so a block settles the ids
 * (previous, id].
 *
 *   main pass     from `#at` on, in order: blocks just committed from memory where they follow on, others by the reader
 *   repair pass   what the main pass left out, ascending, always by the reader: `#gaps` names ids per topic-partition
 *                 ("*" = all of them)
 *
 * The main pass leaves out (1) in telemetry, what is older than `liveFirstAfterMs`: it becomes backfill; (2) rows of a
 * topic-partition that fails while others succeed ("parked"). Where order is strict a parked partition stays parked
 * until the repair pass has caught up; in telemetry it goes live again at once and the rest is backfill.
 */

const journalRetryMs = 1000;
const everything = "*";

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

interface Pending {
  readonly block: LiveBlock;
  readonly sinceMs: number;
}

export class ForwardLane {
  readonly lane: Lane;
  readonly #parts: LaneParts;
  readonly #ordered: boolean;
  readonly #settled: Ranges;
  readonly #gaps = new Map<string, Ranges>();
  readonly #parked = new Map<string, PartitionSender>();
  readonly #held = new Set<HeldBlock>();
  readonly #heldBytes: Record<"main" | "repair", number> = { main: 0, repair: 0 };
  readonly #pending: Pending[] = [];
  readonly #signal = new Signal();
  #pendingBytes = 0;
  #at = 0;
  #newest = 0;
  /** Since when the main pass lacks blocks that are no longer in memory; undefined when it lacks none. */
  #behindSinceMs: number | undefined;
  #gapsSinceMs: number | undefined;
  #readAll = false;
  #stopped = false;
  #passes: Promise<unknown> = Promise.resolve();
  #backfillNotBeforeMs = 0;

  constructor(lane: Lane, settled: readonly number[], parts: LaneParts) {
    this.lane = lane;
    this.#parts = parts;
    this.#ordered = lane !== "telemetry";
    this.#settled = new Ranges(settled);
    this.#behindSinceMs = parts.monotonicMs();
    if (!this.#ordered) this.#goOnBehindSettled();
  }

  /** Newer telemetry was sent before the restart: what it overtook stays backfill. */
  #goOnBehindSettled(): void {
    const last = this.#settled.last ?? 0;
    for (const [low, high] of this.#settled.missing(1, last)) this.#leaveOut(everything, low, high);
    this.#at = last;
  }

  start(): void {
    this.#passes = Promise.all([this.#mainPass(), this.#repairPass()]);
  }

  /** Takes over the block; what does not fit into memory is released, oldest first, and read back later. */
  accept(block: LiveBlock): void {
    this.#newest = Math.max(this.#newest, block.id);
    if (this.#stopped) return block.release();
    this.#pending.push({ block, sinceMs: this.#parts.monotonicMs() });
    this.#pendingBytes += block.records.length;
    while (this.#pendingBytes > this.#parts.options.liveBytesMax) this.#dropOldestPending();
    this.#signal.raise();
  }

  /** A block was stored that does not come from memory: it is read from the journal when its turn comes. */
  announce(id: number): void {
    this.#newest = Math.max(this.#newest, id);
    if (id <= this.#at) return;
    if (this.#readAll && this.#pending.length === 0) this.#behindSinceMs ??= this.#parts.monotonicMs();
    this.#readAll = false;
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
    while (this.#pending.length > 0) this.#takePending().release();
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
    return this.#heldBytes.main + this.#heldBytes.repair + this.#pendingBytes;
  }

  isParked(key: string): boolean {
    return this.#parked.has(key);
  }

  oldestUnsentMs(nowMs: number): number {
    const [held] = this.#held;
    const behind = this.#readAll ? undefined : this.#behindSinceMs;
    const since = [held?.sinceMs, this.#pending[0]?.sinceMs, this.#gapsSinceMs, behind];
    return Math.max(0, ...since.map((ms) => (ms === undefined ? 0 : nowMs - ms)));
  }

  report(): LaneReport {
    return {
      newest: this.#newest,
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
    const first = this.#pending[0]?.block;
    if (first !== undefined && first.previous <= this.#at) {
      const block = this.#takePending();
      this.#behindSinceMs = undefined;
      this.#readAll = true;
      this.#take("main", block, groupRows(block, false), block.release.bind(block));
      return true;
    }
    if (first === undefined && this.#readAll) return false;
    return this.#readNext();
  }

  #skipSettled(): void {
    this.#at = this.#settled.endOf(this.#at + 1) ?? this.#at;
    while (this.#pending.length > 0 && this.#pending[0]!.block.id <= this.#at) this.#takePending().release();
  }

  async #readNext(): Promise<boolean> {
    const known = this.#pending[0]?.block;
    this.#readAll = true; // Unless the journal has more, or a live block is dropped meanwhile.
    const block = await this.#read(this.#at);
    if (this.#stopped) return false;
    if (block === undefined) return this.#nothingStored(known);
    this.#readAll = false;
    if (block === "failed") return true;
    this.#newest = Math.max(this.#newest, block.id);
    if (this.#settled.has(block.id)) this.#at = block.id;
    else this.#take("main", block, groupRows(block, false));
    return true;
  }

  /** `known` was committed before the journal was asked. */
  #nothingStored(known: LiveBlock | undefined): boolean {
    if (known !== undefined) {
      // The journal gave it up, and what was before it: its quota, or a new file. Its ledger names that.
      this.#at = Math.max(this.#at, known.previous);
    } else if (this.#readAll && this.#pending.length === 0) this.#behindSinceMs = undefined;
    return this.#pending.length > 0 || !this.#readAll;
  }

  async #read(after: number): Promise<Block | undefined | "failed"> {
    try {
      const block = await this.#parts.journal.next(this.lane, after);
      this.#parts.onJournal(undefined);
      return block;
    } catch (error) {
      this.#parts.onJournal(error);
      await sleep(this.#stopped ? 0 : journalRetryMs);
      return "failed";
    }
  }

  /** Telemetry only: what is older than the limit becomes backfill, and the main pass goes on with newer blocks. */
  #goLiveFirst(): void {
    if (this.#ordered || this.#pending.length === 0) return;
    const limitMs = this.#parts.monotonicMs() - this.#parts.options.liveFirstAfterMs;
    while (this.#pending.length > 1 && this.#pending[0]!.sinceMs <= limitMs) this.#dropOldestPending();
    const { previous } = this.#pending[0]!.block;
    const behind = this.#behindSinceMs !== undefined && this.#behindSinceMs <= limitMs;
    if (previous <= this.#at || !behind) return;
    this.#leaveOut(everything, this.#at + 1, previous);
    this.#at = previous;
    this.#behindSinceMs = undefined;
  }

  #take(pass: "main" | "repair", block: Block | LiveBlock, groups: readonly RowGroup[], release = nothing): void {
    const first = pass === "main" ? this.#at + 1 : block.id;
    if (pass === "main") this.#at = block.id;
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
      onSending: () => this.#parts.journal.sending(this.lane, held.first, held.id),
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
    held.expect(group.rows.length);
    sender.push(group.rows, held);
  }

  #leaveOut(key: string, first: number, last: number): void {
    let gap = this.#gaps.get(key);
    if (gap === undefined) this.#gaps.set(key, (gap = new Ranges()));
    gap.add(first, last);
    this.#gapsSinceMs ??= this.#parts.monotonicMs();
    this.#signal.raise();
  }

  /** Settles what of [first, last] is neither left out for a partition nor still held by a pass. */
  #settleWhole(first: number, last: number): void {
    const whole = Ranges.of([first, last]);
    for (const gap of this.#gaps.values()) {
      for (const [low, high] of gap.overlapping(first, last)) whole.remove(low, high);
    }
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
    const next = this.#firstLeftOut();
    if (next === undefined || this.#allFailing()) return false;
    await this.#backfillTurn();
    const block = await this.#read(next - 1);
    if (this.#stopped) return false;
    // While the journal was asked, a partition may have been parked with older rows: those come first.
    if (block === "failed" || this.#firstLeftOut() !== next) return true;
    this.#repair(next, block);
    this.#unpark();
    return true;
  }

  /** Gaps that can be worked on: not those of partitions that fail. */
  #openGaps(): [string, Ranges][] {
    return [...this.#gaps].filter(([key]) => this.#parked.get(key)?.fault === undefined);
  }

  #firstLeftOut(): number | undefined {
    const firsts = this.#openGaps().map(([, gap]) => gap.first!);
    return firsts.length === 0 ? undefined : Math.min(...firsts);
  }

  /** `block` is the first above `next - 1`; ids up to it, or up to the end of the gap, have nothing to send any more. */
  #repair(next: number, block: Block | undefined): void {
    const gaps = this.#openGaps();
    const last = Math.min(block?.id ?? Infinity, ...gaps.map(([, gap]) => gap.endOf(next) ?? Infinity));
    const wanted = new Set(gaps.filter(([, gap]) => gap.has(last)).map(([key]) => key));
    for (const [key] of gaps) this.#closeGap(key, next, last);
    if (block?.id === last) this.#takeAgain(block, wanted);
    this.#settleWhole(next, last);
  }

  #takeAgain(block: Block, wanted: ReadonlySet<string>): void {
    const groups = groupRows(block, !this.#ordered);
    const chosen = wanted.has(everything) ? groups : groups.filter(({ key }) => wanted.has(key));
    const { backfillBytesPerSecond: limit } = this.#parts.options;
    if (limit > 0) this.#backfillNotBeforeMs = this.#parts.monotonicMs() + (block.records.length / limit) * 1000;
    this.#take("repair", block, chosen);
  }

  /** Nothing gets through: reading on would only fill memory. */
  #allFailing(): boolean {
    return this.#parts.healthySinceMs() === undefined && this.#heldBytes.repair > 0;
  }

  #closeGap(key: string, first: number, last: number): void {
    const gap = this.#gaps.get(key);
    gap?.remove(first, last);
    if (gap?.first === undefined) this.#gaps.delete(key);
    if (this.#gaps.size === 0) this.#gapsSinceMs = undefined;
  }

  async #backfillTurn(): Promise<void> {
    const { backfillBytesPerSecond: limit } = this.#parts.options;
    if (this.#ordered || limit === 0) return;
    const waitMs = this.#backfillNotBeforeMs - this.#parts.monotonicMs();
    if (waitMs > 0) await sleep(waitMs);
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
      const caughtUp = this.#gaps.get(key) === undefined;
      if (sender.fault === undefined && (caughtUp || !this.#ordered)) this.#parked.delete(key);
    }
  }

  #dropOldestPending(): void {
    this.#behindSinceMs ??= this.#pending[0]!.sinceMs;
    this.#readAll = false;
    this.#takePending().release();
  }

  #takePending(): LiveBlock {
    const { block } = this.#pending.shift()!;
    this.#pendingBytes -= block.records.length;
    return block;
  }
}

function blockOf(holder: Holder): HeldBlock {
  assert(holder instanceof HeldBlock, "the senders of a lane hold its blocks");
  return holder;
}

function nothing(): void {}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
