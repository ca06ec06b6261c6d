import assert from "node:assert/strict";
import type { MockTimers } from "node:test";
import { Forwarder } from "../../edge/forward/forwarder.ts";
import type { ForwardOptions } from "../../edge/forward/options.ts";
import type { Block } from "../../edge/journal/block.ts";
import type { Clock } from "../../src/clock.ts";
import type { ForwardJournal } from "../../edge/forward/journal-port.ts";
import type { RefusedRecord } from "../../edge/forward/protocol.ts";
import { streams, type Lane } from "../../src/wire/streams.ts";
import { FakeForwardJournal, type NewRecord } from "./fake-forward-journal.ts";
import { FakeSink, type StoredRow } from "./fake-sink.ts";

/*
 * The forwarder between three parties that are slow, each on its own: main tells of committed blocks, the journal
 * answers questions and hears of settlements, the sink takes sends. Every message waits until the test lets it pass;
 * what one party sends stays in order, as between threads. Time is the test's own.
 */

interface Question {
  /** Looks into the journal as it is now. */
  readonly look: () => unknown;
  readonly resolve: (answer: unknown) => void;
  answer: { readonly value: unknown } | undefined;
}

/** The way to a journal in a thread of its own: it looks when it gets to a question, and the answer is another while on its way. */
class SlowPort implements ForwardJournal {
  readonly #journal: FakeForwardJournal;
  #questions: Question[] = [];
  #tellings: (() => void)[] = [];

  constructor(journal: FakeForwardJournal) {
    this.#journal = journal;
  }

  /** The journal gets to everything that has come; the answers are on their way. */
  work(): void {
    for (const tell of this.#tellings.splice(0)) tell();
    for (const question of this.#questions) question.answer ??= { value: question.look() };
  }

  /** The answers arrive. */
  answer(): void {
    const answered = this.#questions.filter(({ answer }) => answer !== undefined);
    this.#questions = this.#questions.filter(({ answer }) => answer === undefined);
    for (const { answer, resolve } of answered) resolve(answer!.value);
  }

  next(lane: Lane, after: number): Promise<Block | undefined> {
    return this.#ask(() => this.#journal.look(lane, after));
  }

  load(): Promise<ReadonlyMap<Lane, readonly number[]>> {
    return this.#ask(() => this.#journal.settledNow());
  }

  quarantine(records: readonly RefusedRecord[]): Promise<void> {
    return this.#ask(() => void this.#journal.quarantined.push(...records));
  }

  sending(lane: Lane, first: number, last: number): void {
    this.#tellings.push(() => this.#journal.sending(lane, first, last));
  }

  settle(lane: Lane, first: number, last: number): void {
    this.#tellings.push(() => this.#journal.settle(lane, first, last));
  }

  #ask<T>(look: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#questions.push({ look, resolve: resolve as (answer: unknown) => void, answer: undefined });
    });
  }
}

const stepMs = 250;
const healStepsMax = 800;

/** How a block is told: lent from memory, or only announced. */
export type Telling = "lent" | "announced";

export class ForwardWorld {
  readonly sink = new FakeSink();
  readonly journal = new FakeForwardJournal();
  readonly #dropped = new Set<number>();
  readonly #options: ForwardOptions;
  readonly #timers: MockTimers;
  #nowMs = 1000;
  #run = 0;
  #port = new SlowPort(this.journal);
  #forwarder: Forwarder;
  #messages: ((forwarder: Forwarder) => void)[] = [];

  constructor(options: ForwardOptions, timers: MockTimers) {
    this.#options = options;
    this.#timers = timers;
    this.#forwarder = this.#start();
  }

  #start(): Forwarder {
    const clock: Clock = {
      monotonicMs: () => this.#nowMs,
      nowMicros: () => this.#nowMs * 1000,
      state: () => "synced",
    };
    this.#run++;
    this.#port = new SlowPort(this.journal);
    const parts = { sink: this.sink, journal: this.#port, clock, options: this.#options, topicPrefix: "t" };
    const forwarder = new Forwarder({ ...parts, partitions: 4, random: () => 0.5 });
    void forwarder.start();
    return forwarder;
  }

  /** A commit: stored at once, told when its message arrives. */
  commit(records: readonly NewRecord[], telling: Telling): void {
    const run = this.#run;
    for (const block of this.journal.append(records)) {
      if (telling === "lent") {
        // The memory of a killed process is nobody's concern.
        const release = (): void => (run === this.#run ? block.release() : undefined);
        this.#messages.push((forwarder) => forwarder.accept({ ...block, release }));
      } else {
        block.release();
        this.#messages.push((forwarder) => forwarder.announce(block.lane, block.id));
      }
    }
  }

  /** Messages of main arrive, oldest first. */
  deliver(count: number): void {
    for (const message of this.#messages.splice(0, count)) message(this.#forwarder);
  }

  /** Nobody is slow for once. */
  async flow(): Promise<void> {
    this.deliver(Infinity);
    this.work();
    this.answer();
    await this.turns();
  }

  /** The journal gets to what has come. */
  work(): void {
    this.#port.work();
  }

  /** The journal's answers arrive. */
  answer(): void {
    this.#port.answer();
  }

  /** The quota drops the oldest unsettled block of telemetry; the journal ledgers it and counts it as settled. */
  drop(): void {
    const oldest = this.journal.blocks.find(({ lane, id }) => lane === "telemetry" && !this.#isSettled(lane, id));
    if (oldest === undefined) return;
    this.#dropped.add(oldest.id);
    this.journal.blocks.splice(this.journal.blocks.indexOf(oldest), 1);
    this.journal.settle("telemetry", oldest.id, oldest.id);
  }

  #isSettled(lane: Lane, id: number): boolean {
    return this.journal.settled.get(lane)?.has(id) === true;
  }

  /** Time passes, in steps that leave everybody time to react. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= stepMs) {
      this.#nowMs += Math.min(stepMs, left);
      this.#timers.tick(Math.min(stepMs, left));
      await this.turns();
    }
  }

  /** Everything that waits for nobody outside goes on. */
  async turns(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** SIGKILL, and a new process: what was on its way between threads is lost. */
  async restart(): Promise<void> {
    await this.kill();
    this.#forwarder = this.#start();
  }

  async kill(): Promise<void> {
    this.#run++;
    this.#port = new SlowPort(this.journal);
    this.#messages = [];
    this.journal.unreleased.clear();
    void this.#forwarder.stop(0);
    await this.sink.nextRun();
    this.#timers.tick(0);
    await this.turns();
  }

  /** A clean stop, in which no time passes. */
  async stop(): Promise<void> {
    const state = { stopped: false };
    void this.#forwarder.stop(1000).then(() => (state.stopped = true));
    for (let turn = 0; turn < 20 && !state.stopped; turn++) await this.flow();
    assert.ok(state.stopped, "the forwarder has ended");
  }

  /** All parties work without faults until everything is settled. */
  async heal(): Promise<void> {
    this.sink.script = () => ({ kind: "accepted" });
    this.sink.endHanging();
    const isDone = (): boolean =>
      this.journal.unsettled().length === 0 &&
      this.journal.unreleased.size === 0 &&
      this.#forwarder.report().oldestUnsentMs === 0;
    for (let step = 0; step < 2 || (step < healStepsMax && !isDone()); step++) {
      await this.flow();
      await this.pass(stepMs);
    }
  }

  /** The cursor never passes a record that is neither stored behind the sink, nor quarantined, nor named as dropped. */
  checkCursor(): void {
    const safe = this.#safe();
    for (const { stream, device, seq, block } of this.journal.appended) {
      if (!this.#isSettled(streams[stream].lane, block)) continue;
      const known = safe.has(`${stream}/${device}/${seq}`) || this.#dropped.has(block);
      assert.ok(known, `${stream}/${device}/${seq} of block ${block} is settled and nowhere`);
    }
  }

  /** After `heal`: everything arrived, in the promised order, and all memory was given back. */
  checkEnd(): void {
    assert.deepEqual(this.journal.unsettled(), [], "every stored record is settled in the end");
    this.checkCursor();
    assert.deepEqual(this.sink.violations, []);
    assert.deepEqual([...this.journal.unreleased], [], "memory is given back");
    const { oldestUnsentMs, lanes: reports } = this.#forwarder.report();
    assert.equal(oldestUnsentMs, 0);
    for (const [lane, report] of Object.entries(reports)) assert.equal(report.heldBytes, 0, `${lane} holds nothing`);
    checkOrder(this.sink.stored);
  }

  #safe(): Set<string> {
    const safe = new Set(this.sink.stored.map(({ stream, device, seq }) => `${stream}/${device}/${seq}`));
    for (const { stream, device, seq } of this.journal.quarantined) safe.add(`${stream}/${device}/${seq}`);
    return safe;
  }
}

/** First copies are in order per stream and device: within live and within backfill of one run of the process. */
function checkOrder(stored: readonly StoredRow[]): void {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { stream, device, seq, backfill, run } of stored) {
    const key = `${stream}/${device}`;
    if (stream !== "observations") assert.equal(backfill, false, `${key}/${seq} is never backfill`);
    if (seen.has(`${key}/${seq}`)) continue;
    seen.add(`${key}/${seq}`);
    const track = `${run}/${key}/${backfill}`;
    assert.ok(seq > (last.get(track) ?? 0), `${track}: ${seq} after ${last.get(track)}`);
    last.set(track, seq);
  }
}
