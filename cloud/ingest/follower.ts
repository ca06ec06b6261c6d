import type { StoredPosition } from "../store/positions.ts";
import { Backoff, sleepUnlessAborted } from "./backoff.ts";
import { faultText } from "./connection.ts";
import type { Log, LogReader, LogRecord, Position, TopicState } from "./log.ts";

/** What the follower feeds. All calls are synchronous, so that nothing comes between reading a position and moving it. */
export interface FoldTarget {
  position(topic: string, partition: number): StoredPosition | undefined;
  positions(): readonly StoredPosition[];
  /** Reading of this partition begins here; durable when it returns. */
  begin(position: StoredPosition): void;
  /** Accepts that the records of a gap will never be read, and begins at `position`; durable when it returns. */
  acceptGap(gap: Gap, position: StoredPosition): void;
  /** Folds the records and their offsets in one transaction. Throws when nothing of it was stored. */
  fold(records: readonly LogRecord[]): void;
}

/** Records of a partition that Kafka no longer has, or never had in this incarnation of the topic. */
export interface Gap {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  readonly reason: "expired" | "truncated" | "topic-replaced";
}

export interface FollowerOptions {
  readonly topics: readonly string[];
  readonly recordsMax: number;
  readonly acceptGaps: boolean;
  /** How often ends of partitions and new topics are looked at. */
  readonly lookMs: number;
  /** Nothing came for this long although there is something to read: open again. */
  readonly stallMs: number;
}

export const followerDefaults = { lookMs: 2000, stallMs: 30_000 } as const;

export type FollowerState = "connecting" | "reading" | "halted" | "waiting" | "stopped";

export interface FollowerStatus {
  readonly state: FollowerState;
  readonly sinceMs: number;
  /** For a person. */
  readonly detail: string;
  readonly gaps: readonly Gap[];
  readonly partitions: readonly PartitionLag[];
}

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  /** Undefined before the first look. */
  readonly end: number | undefined;
}

export interface FollowerEvents {
  stateChanged(status: FollowerStatus): void;
  gapFound(gap: Gap, accepted: boolean): void;
}

const batchWaitMs = 250;

/**
 * Reads the log from the stored positions for ever: opens, folds batch by batch, and on any failure opens again from
 * the positions in the store, with growing pauses. Kafka being away is a state, not an error. A position that Kafka
 * cannot serve halts its partition, and only that one, until an operator accepts the gap.
 */
export class Follower {
  readonly #log: Log;
  readonly #target: FoldTarget;
  readonly #options: FollowerOptions;
  readonly #events: FollowerEvents;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff(250, 5000);
  #running: Promise<void> | undefined;
  #state: FollowerState = "connecting";
  #sinceMs = Date.now();
  #detail = "";
  #gaps: Gap[] = [];
  #topics: readonly TopicState[] = [];
  #progressMs = 0;

  constructor(log: Log, target: FoldTarget, options: FollowerOptions, events: FollowerEvents) {
    this.#log = log;
    this.#target = target;
    this.#options = options;
    this.#events = events;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when the last transaction is over and the connection is closed. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#enter("stopped", "");
  }

  get #stopping(): boolean {
    return this.#abort.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      try {
        await this.#follow();
      } catch (error) {
        this.#enter("waiting", faultText(error));
      }
      if (!this.#stopping) await this.#backoff.wait(this.#abort.signal);
    }
  }

  /** Returns or throws when the log has to be opened again. */
  async #follow(): Promise<void> {
    this.#topics = await this.#log.describe(this.#options.topics);
    const positions = this.#openable(this.#topics);
    if (positions.length === 0) {
      const detail =
        this.#gaps.length > 0
          ? this.#gapText()
          : "none of the topics exists; create them with `tidegate topics create`";
      this.#enter(this.#gaps.length > 0 ? "halted" : "waiting", detail);
      return;
    }
    await using reader = await this.#log.open(positions);
    const missing = this.#options.topics.filter((topic) => this.#topics.every((known) => known.topic !== topic));
    const detail = missing.length === 0 ? "" : `topics missing: ${missing.join(", ")}`;
    this.#enter(this.#gaps.length > 0 ? "halted" : "reading", this.#gaps.length > 0 ? this.#gapText() : detail);
    await this.#readWhileWatching(reader);
  }

  /** Ends when the watch asks for another open; throws when either of the two fails. */
  async #readWhileWatching(reader: LogReader): Promise<void> {
    this.#progressMs = performance.now();
    const over = new AbortController();
    const watch = this.#watch(AbortSignal.any([this.#abort.signal, over.signal])).finally(() => over.abort());
    const read = this.#read(reader, over.signal).finally(() => over.abort());
    const outcomes = await Promise.allSettled([watch, read]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason as Error;
  }

  async #read(reader: LogReader, over: AbortSignal): Promise<void> {
    while (!this.#stopping && !over.aborted) await this.#step(reader);
  }

  async #step(reader: LogReader): Promise<void> {
    const records = await reader.next(this.#options.recordsMax, batchWaitMs);
    if (records.length === 0) return;
    this.#target.fold(records);
    this.#progressMs = performance.now();
    this.#backoff.reset();
    // Between two transactions the API has its turn.
    await new Promise(setImmediate);
  }

  /** Looks at ends and topics beside the reading. */
  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleepUnlessAborted(this.#options.lookMs, signal);
      if (signal.aborted) return;
      const before = shapeOf(this.#topics);
      this.#topics = await this.#log.describe(this.#options.topics);
      if (shapeOf(this.#topics) !== before) return;
      const stalled = performance.now() - this.#progressMs > this.#options.stallMs;
      if (stalled && this.#lagOfOpen() > 0) throw new Error("no records came although there are some");
    }
  }

  #lagOfOpen(): number {
    const halted = new Set(this.#gaps.map(({ topic, partition }) => `${topic}/${partition}`));
    return this.partitions()
      .filter(({ topic, partition }) => !halted.has(`${topic}/${partition}`))
      .reduce((sum, { position, end }) => sum + Math.max(0, (end ?? position) - position), 0);
  }

  /** Where each partition is read from. Those that cannot be are left out and named in `#gaps`. */
  #openable(topics: readonly TopicState[]): Position[] {
    this.#gaps = [];
    return topics.flatMap((topic) =>
      topic.partitions.flatMap((bounds, partition) => {
        const offset = this.#startOf(topic, partition, bounds);
        return offset === undefined ? [] : [{ topic: topic.topic, partition, offset }];
      }),
    );
  }

  #startOf({ topic, id }: TopicState, partition: number, bounds: { first: number; end: number }): number | undefined {
    const stored = this.#target.position(topic, partition);
    const begin = { topic, partition, topicId: id, position: bounds.first };
    if (stored === undefined) {
      this.#target.begin(begin);
      return bounds.first;
    }
    const gap = gapOf(stored, id, bounds);
    if (gap === undefined) return stored.position;
    this.#events.gapFound(gap, this.#options.acceptGaps);
    if (!this.#options.acceptGaps) {
      this.#gaps.push(gap);
      return undefined;
    }
    this.#target.acceptGap(gap, begin);
    return bounds.first;
  }

  #gapText(): string {
    return this.#gaps.map(describeGap).join("; ");
  }

  #enter(state: FollowerState, detail: string): void {
    if (state === this.#state && detail === this.#detail) return;
    this.#state = state;
    this.#detail = detail;
    this.#sinceMs = Date.now();
    this.#events.stateChanged(this.status());
  }

  status(): FollowerStatus {
    return {
      state: this.#state,
      sinceMs: this.#sinceMs,
      detail: this.#detail,
      gaps: this.#gaps,
      partitions: this.partitions(),
    };
  }

  partitions(): PartitionLag[] {
    const ends = new Map(this.#topics.map(({ topic, partitions }) => [topic, partitions]));
    return this.#target.positions().map(({ topic, partition, position }) => {
      return { topic, partition, position, end: ends.get(topic)?.[partition]?.end };
    });
  }
}

function gapOf(stored: StoredPosition, id: string, { first, end }: { first: number; end: number }): Gap | undefined {
  const { topic, partition, position } = stored;
  if (stored.topicId !== id) return { topic, partition, first: position, last: position, reason: "topic-replaced" };
  if (position < first) return { topic, partition, first: position, last: first - 1, reason: "expired" };
  if (position > end) return { topic, partition, first: end, last: position - 1, reason: "truncated" };
  return undefined;
}

export function describeGap({ topic, partition, first, last, reason }: Gap): string {
  switch (reason) {
    case "expired":
      return `Kafka no longer has records ${first} to ${last} of ${topic}/${partition}, which were not read yet`;
    case "truncated":
      return `Kafka has lost records ${first} to ${last} of ${topic}/${partition}, which were already read`;
    case "topic-replaced":
      return `${topic} was deleted and made again: partition ${partition} was read up to ${first} of the old one`;
  }
}

/** Changes when a topic appears, disappears, is replaced or grows. */
function shapeOf(topics: readonly TopicState[]): string {
  return topics.map(({ topic, id, partitions }) => `${topic}=${id}/${partitions.length}`).join();
}
