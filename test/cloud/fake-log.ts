import { setTimeout as sleep } from "node:timers/promises";
import type { Log, LogReader, LogRecord, Position, TopicState } from "../../cloud/ingest/log.ts";

interface FakePartition {
  first: number;
  readonly records: LogRecord[];
}

/** A log in memory that can be away, lose its oldest records, be replaced, and break its readers. */
export class FakeLog implements Log {
  readonly #topics = new Map<string, { id: string; partitions: FakePartition[] }>();
  readonly #readers = new Set<FakeReader>();
  /** While true every call fails, as when Kafka is away. */
  away = false;
  opened = 0;

  createTopic(topic: string, partitions: number, id = `${topic}-1`): void {
    const made = Array.from({ length: partitions }, () => ({ first: 0, records: [] }));
    this.#topics.set(topic, { id, partitions: made });
  }

  append(topic: string, partition: number, record: Pick<LogRecord, "key" | "value" | "headers">): void {
    const { first, records } = this.#partition(topic, partition);
    records.push({ ...record, topic, partition, offset: first + records.length });
  }

  /** Retention: records below `first` are gone. */
  expire(topic: string, partition: number, first: number): void {
    const kept = this.#partition(topic, partition);
    kept.records.splice(0, first - kept.first);
    kept.first = first;
  }

  /** An unclean leader election: records from `end` on are gone, and their offsets will be given again. */
  truncate(topic: string, partition: number, end: number): void {
    const { first, records } = this.#partition(topic, partition);
    records.splice(Math.max(0, end - first));
  }

  /** Every open reader fails, as when the connection is lost. */
  breakReaders(): void {
    for (const reader of this.#readers) reader.fail(new Error("connection lost"));
  }

  #partition(topic: string, partition: number): FakePartition {
    const found = this.#topics.get(topic)?.partitions[partition];
    if (found === undefined) throw new Error(`no partition ${partition} of ${topic}`);
    return found;
  }

  async describe(topics: readonly string[]): Promise<readonly TopicState[]> {
    if (this.away) throw new Error("Kafka is away");
    return topics.flatMap((topic) => {
      const known = this.#topics.get(topic);
      if (known === undefined) return [];
      const partitions = known.partitions.map(({ first, records }) => ({ first, end: first + records.length }));
      return [{ topic, id: known.id, partitions }];
    });
  }

  async open(positions: readonly Position[]): Promise<LogReader> {
    if (this.away) throw new Error("Kafka is away");
    this.opened += 1;
    const reader = new FakeReader(positions, (topic, partition) => this.#partition(topic, partition));
    this.#readers.add(reader);
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#readers.clear();
  }
}

class FakeReader implements LogReader {
  readonly #positions: { topic: string; partition: number; offset: number }[];
  readonly #find: (topic: string, partition: number) => FakePartition;
  #failure: Error | undefined;

  constructor(positions: readonly Position[], find: (topic: string, partition: number) => FakePartition) {
    this.#positions = positions.map((position) => ({ ...position }));
    this.#find = find;
  }

  fail(error: Error): void {
    this.#failure ??= error;
  }

  async next(recordsMax: number, waitMs: number): Promise<readonly LogRecord[]> {
    const deadline = performance.now() + waitMs;
    do {
      if (this.#failure !== undefined) throw this.#failure;
      const taken = this.#take(recordsMax);
      if (taken.length > 0) return taken;
      await sleep(2);
    } while (performance.now() < deadline);
    return [];
  }

  #take(recordsMax: number): LogRecord[] {
    const taken: LogRecord[] = [];
    for (const position of this.#positions) {
      const { first, records } = this.#find(position.topic, position.partition);
      if (position.offset < first || position.offset > first + records.length) throw new Error("OFFSET_OUT_OF_RANGE");
      const from = position.offset - first;
      const own = records.slice(from, from + recordsMax - taken.length);
      position.offset += own.length;
      taken.push(...own);
    }
    return taken;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.fail(new Error("the reader was disposed"));
  }
}
