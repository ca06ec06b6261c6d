import { Aggregator, type Changes } from "./aggregate/aggregator.ts";
import type { AggregateOptions } from "./aggregate/options.ts";
import { purge } from "./aggregate/purge.ts";
import type { FoldTarget } from "./ingest/follower.ts";
import { Gaps, type Gap } from "./ingest/gaps.ts";
import type { LogRecord } from "./ingest/log.ts";
import type { StoredPosition } from "./store/positions.ts";
import type { Store } from "./store/store.ts";
import type { Clock } from "../src/clock.ts";

export interface StateEvents {
  folded(changes: Changes, seconds: number): void;
}

/** The store and the aggregator over it. A failed batch costs the aggregator's memory, never the store. */
export class State implements FoldTarget {
  readonly store: Store;
  readonly gaps: Gaps;
  readonly #topicPrefix: string;
  readonly #options: AggregateOptions;
  readonly #clock: Clock;
  readonly #events: StateEvents;
  #aggregator: Aggregator;

  constructor(store: Store, topicPrefix: string, options: AggregateOptions, clock: Clock, events: StateEvents) {
    this.store = store;
    this.gaps = new Gaps(store);
    this.#topicPrefix = topicPrefix;
    this.#options = options;
    this.#clock = clock;
    this.#events = events;
    this.#aggregator = new Aggregator(store, topicPrefix, options);
  }

  get aggregator(): Aggregator {
    return this.#aggregator;
  }

  position(topic: string, partition: number): StoredPosition | undefined {
    return this.#aggregator.positions.get(topic, partition);
  }

  positions(): readonly StoredPosition[] {
    return this.#aggregator.positions.all();
  }

  begin(position: StoredPosition): void {
    this.#change(() => this.#aggregator.positions.start(position));
  }

  beginBehind(gap: Gap, position: StoredPosition): void {
    this.#change(() => {
      this.gaps.add(gap, this.#clock.nowMicros());
      this.#aggregator.positions.start(position);
    });
  }

  fold(records: readonly LogRecord[]): void {
    const began = performance.now();
    const changes = this.#renewOnFailure(() => this.#aggregator.fold(records, this.#clock.nowMicros()));
    this.#events.folded(changes, (performance.now() - began) / 1000);
  }

  /** See `purge`; ends early when the aggregator was replaced meanwhile. */
  *purge(): Generator<void> {
    const aggregator = this.#aggregator;
    const steps = purge(this.store, aggregator, this.#options, this.#clock.nowMicros());
    while (aggregator === this.#aggregator && this.#renewOnFailure(() => steps.next()).done !== true) yield;
  }

  #change(work: () => void): void {
    this.#renewOnFailure(() => this.store.transaction(work));
  }

  #renewOnFailure<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#aggregator = new Aggregator(this.store, this.#topicPrefix, this.#options);
      throw error;
    }
  }
}
