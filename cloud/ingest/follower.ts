import type { StoredPosition } from "../store/positions.ts";
import { Backoff, sleepUnlessAborted } from "./backoff.ts";
import { faultText } from "./connection.ts";
import type { Gap } from "./gaps.ts";
import type { Log, LogReader, LogRecord, Position, TopicState } from "./log.ts";

/** What the follower feeds. All calls are synchronous, so that nothing comes between reading a position and moving it. */
export interface FoldTarget {
  position(topic: string, partition: number): StoredPosition | undefined;
  positions(): readonly StoredPosition[];
  /** Reading of this partition begins here; durable when it returns. */
  begin(position: StoredPosition): void;
  /** Remembers that the records of a gap cannot be read, and begins at `position`; durable when it returns. */
  beginBehind(gap: Gap, position: StoredPosition): void;
  /** Folds the records and their offsets in one transaction. Throws when nothing of it was stored. */
  fold(records: readonly LogRecord[]): void;
}

export interface FollowerOptions {
  readonly topics: readonly string[];
  readonly recordsMax: number;
  /** How often ends of partitions and new topics are looked at. */
  readonly lookMs: number;
  /** Nothing came for this long although there is something to read: open again. */
  readonly stallMs: number;
}

export const followerDefaults = { lookMs: 2000, stallMs: 30_000 } as const;

export type FollowerState = "connecting" | "reading" | "waiting" | "stopped";

export interface FollowerStatus {
  readonly state: FollowerState;
  readonly sinceMs: number;
  /** For a person. */
  readonly detail: string;
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
  gapFound(gap: Gap): void;
}

const batchWaitMs = 250;

/**
 * Reads the log from the stored positions for ever: opens, folds batch by batch, and on any failure opens again from
 * the positions in the store, with growing pauses. Kafka being away is a state, not an error. A position that Kafka
 * cannot serve is an alarm, and reading begins again at the oldest record: what comes twice is counted once, and what
 * is gone shows as missing numbers, for which gateways are asked while they still have them.
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
    const positions = this.#startsOf(this.#topics);
    if (positions.length === 0) {
      this.#enter("waiting", "none of the topics exists; create them with `tidegate topics create`");
      return;
    }
    await using reader = await this.#log.open(positions);
    const missing = this.#options.topics.filter((topic) => this.#topics.every((known) => known.topic !== topic));
    const detail = missing.length === 0 ? "" : `topics missing: ${missing.join(", ")}`;
    this.#enter("reading", detail);
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
      if (stalled && this.#lag() > 0) throw new Error("no records came although there are some");
    }
  }

  #lag(): number {
    return this.partitions().reduce((sum, { position, end }) => sum + Math.max(0, (end ?? position) - position), 0);
  }

  /** Where each partition is read from. */
  #startsOf(topics: readonly TopicState[]): Position[] {
    return topics.flatMap((topic) =>
      topic.partitions.map((bounds, partition) => {
        return { topic: topic.topic, partition, offset: this.#startOf(topic, partition, bounds) };
      }),
    );
  }

  #startOf({ topic, id }: TopicState, partition: number, bounds: { first: number; end: number }): number {
    const stored = this.#target.position(topic, partition);
    const begin = { topic, partition, topicId: id, position: bounds.first };
    if (stored === undefined) {
      this.#target.begin(begin);
      return bounds.first;
    }
    const gap = gapOf(stored, id, bounds);
    if (gap === undefined) return stored.position;
    this.#target.beginBehind(gap, begin);
    this.#events.gapFound(gap);
    return bounds.first;
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
      partitions: this.partitions(),
    };
  }

  partitions(): PartitionLag[] {
    const known = new Map(this.#topics.map(({ topic, partitions }) => [topic, partitions]));
    return this.#target.positions().flatMap(({ topic, partition, position }) => {
      const partitions = known.get(topic);
      // A topic that was made again may have fewer.
      if (partitions !== undefined && partition >= partitions.length) return [];
      return [{ topic, partition, position, end: partitions?.[partition]?.end }];
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

/** Changes when a topic appears, disappears, is replaced or grows. */
function shapeOf(topics: readonly TopicState[]): string {
  return topics.map(({ topic, id, partitions }) => `${topic}=${id}/${partitions.length}`).join();
}
