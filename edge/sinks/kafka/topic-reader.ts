import { randomUUID } from "node:crypto";
import { Consumer, type Message, type MessagesStream } from "@platformatic/kafka";
import { TidegateError } from "../../../src/errors.ts";
import { Access } from "./access.ts";
import { faultOf } from "./classify.ts";
import type { KafkaOptions } from "./options.ts";

type Client = Consumer<string, Buffer, string>;
type Stream = MessagesStream<string, Buffer, string, Buffer>;

const earliest = -2n;
const latest = -1n;
/** A client that cannot say goodbye (Kafka is away) is left behind after this. */
const closeTimeoutMs = 2000;
/** Certificates are looked at this often, as those of the producer are. */
const lookEveryMs = 30_000;
/** Nothing came for this long: what compaction has removed at the end of a partition does not come any more. */
const silenceMs = 10_000;

export interface KafkaTopicParts {
  readonly topic: string;
  /** For messages, for example `commands`. */
  readonly noun: string;
  readonly clientId: string;
  /** Records that wait in memory; the stream is paused meanwhile. */
  readonly waitingMax: number;
  readonly bytesPerPartitionMax: number;
  readonly lookEveryMs?: number;
}

/** What a topic has. Offsets are by partition. */
export interface TopicBounds {
  readonly id: string;
  readonly firsts: readonly bigint[];
  readonly ends: readonly bigint[];
  /** Of the first record that was written at this time (since 1970) or later; the end where there is none. */
  readonly since: (ms: number) => Promise<readonly bigint[]>;
}

export interface TopicRecord {
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string | undefined;
  readonly value: Buffer | undefined;
}

/** One topic: read by position, in no consumer group. */
export class KafkaTopic {
  readonly #options: KafkaOptions;
  readonly #parts: KafkaTopicParts;
  readonly #access: Access;

  constructor(options: KafkaOptions, parts: KafkaTopicParts) {
    this.#options = options;
    this.#parts = parts;
    this.#access = new Access(options);
  }

  /**
   * `startsOf` names the first offset to read of each partition. Rejects with SINK_UNREACHABLE, SINK_UNAUTHORIZED,
   * SINK_TOPIC_MISSING or SINK_FAILED.
   */
  async open(startsOf: (bounds: TopicBounds) => readonly bigint[] | Promise<readonly bigint[]>): Promise<TopicReader> {
    const client = this.#client();
    try {
      return await this.#open(client, startsOf);
    } catch (error) {
      await closeClient(client);
      throw this.#asOurs(error);
    }
  }

  async #open(
    client: Client,
    startsOf: (bounds: TopicBounds) => readonly bigint[] | Promise<readonly bigint[]>,
  ): Promise<TopicReader> {
    const { topic, waitingMax, bytesPerPartitionMax } = this.#parts;
    const known = (await client.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic);
    if (known === undefined) throw missing(topic);
    const offsets = async (timestamp: bigint): Promise<readonly bigint[]> =>
      (await client.listOffsets({ topics: [topic], timestamp })).get(topic)!;
    const [firsts, ends] = [await offsets(earliest), await offsets(latest)];
    const since = async (ms: number): Promise<readonly bigint[]> =>
      (await offsets(BigInt(ms))).map((offset, partition) => (offset < 0n ? ends[partition]! : offset));
    const starts = await startsOf({ id: known.id, firsts, ends, since });
    const stream = await client.consume({
      topics: [topic],
      mode: "manual",
      // Every partition is named: one that is not would start at the end, in silence.
      offsets: starts.map((offset, partition) => ({ topic, partition, offset })),
      fallbackMode: "fail",
      autocommit: false,
      maxWaitTime: 5000,
      maxBytes: 4 * bytesPerPartitionMax,
      maxBytesPerPartition: bytesPerPartitionMax,
    });
    const outdated = sometimes(this.#parts.lookEveryMs ?? lookEveryMs, () => this.#wereReplaced());
    return new TopicReader(client, stream, { starts, ends, waitingMax, outdated, asOurs: (e) => this.#asOurs(e) });
  }

  /** Certificates that do not fit together yet leave the old ones in use; the sink, which has the same files, says so. */
  #wereReplaced(): boolean {
    try {
      return this.#access.changed();
    } catch {
      return false;
    }
  }

  #client(): Client {
    const options = this.#options;
    const { clientId } = this.#parts;
    return new Consumer({
      clientId,
      // Never committed to; a group id that is used again waits for its dead member.
      groupId: `${clientId}-${randomUUID()}`,
      ...this.#access.settings(options.brokers),
      deserializers: {
        key: (data) => data?.toString("utf8"),
        value: (data) => data,
        headerKey: (data) => data?.toString("latin1"),
        headerValue: (data) => data,
      },
      autocreateTopics: false,
      strict: false,
      retries: 2,
      retryDelay: 250,
      connectTimeout: 3000,
      requestTimeout: 15_000,
    });
  }

  #asOurs(error: unknown): TidegateError {
    if (error instanceof TidegateError) return error;
    const { topic, noun } = this.#parts;
    const { kind, message } = faultOf(error);
    switch (kind) {
      case "topic-missing":
        return missing(topic);
      case "configuration":
        return new TidegateError("SINK_UNAUTHORIZED", `${noun} cannot be read: ${message}`, {
          cause: error,
          hint: `Let the gateway's Kafka user read ${topic}.`,
        });
      case "connection":
        return new TidegateError("SINK_UNREACHABLE", message, { cause: error });
      case "other":
        return new TidegateError("SINK_FAILED", message, { cause: error });
    }
  }
}

function missing(topic: string): TidegateError {
  return new TidegateError("SINK_TOPIC_MISSING", `topic ${topic} does not exist`, {
    hint: "Run tidegate topics create.",
  });
}

/** False between the looks. */
function sometimes(everyMs: number, look: () => boolean): () => boolean {
  let lookedMs = performance.now();
  return () => {
    const now = performance.now();
    if (now - lookedMs < everyMs) return false;
    lookedMs = now;
    return look();
  };
}

interface ReaderParts {
  readonly starts: readonly bigint[];
  readonly ends: readonly bigint[];
  readonly waitingMax: number;
  readonly outdated: () => boolean;
  readonly asOurs: (error: unknown) => TidegateError;
}

export class TopicReader implements AsyncDisposable {
  readonly #client: Client;
  readonly #stream: Stream;
  readonly #parts: ReaderParts;
  readonly #waiting: TopicRecord[] = [];
  /** Partitions of which not everything was handed over that they had at first. */
  readonly #behind: Set<number>;
  #heardMs = performance.now();
  #failure: TidegateError | undefined;
  #wake: () => void = () => undefined;

  constructor(client: Client, stream: Stream, parts: ReaderParts) {
    this.#client = client;
    this.#stream = stream;
    this.#parts = parts;
    const { starts, ends } = parts;
    this.#behind = new Set([...starts.keys()].filter((partition) => starts[partition]! < ends[partition]!));
    stream.on("data", (message) => this.#take(message));
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#fail(new Error("the stream of records was closed")));
  }

  #take({ partition, offset, key, value }: Message<string, Buffer, string>): void {
    const { starts, waitingMax } = this.#parts;
    this.#heardMs = performance.now();
    // A partition that came later is read by whoever opens the topic again.
    const start = starts[partition];
    if (start === undefined || offset < start) return;
    this.#waiting.push({ partition, offset, key, value });
    if (this.#waiting.length >= waitingMax && !this.#stream.isPaused()) this.#stream.pause();
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= this.#parts.asOurs(error);
    this.#wake();
  }

  get outdated(): boolean {
    return this.#parts.outdated();
  }

  /** Everything that the topic had when it was opened was handed over. */
  get caughtUp(): boolean {
    if (this.#waiting.length > 0) return false;
    return this.#behind.size === 0 || performance.now() - this.#heardMs > silenceMs;
  }

  /** The next record, of any partition; undefined when none came within `waitMs`. Rejects once the connection is lost. */
  async next(waitMs: number): Promise<TopicRecord | undefined> {
    if (this.#waiting.length === 0 && this.#failure === undefined) await this.#wait(waitMs);
    const record = this.#waiting.shift();
    if (record === undefined && this.#failure !== undefined) throw this.#failure;
    if (this.#waiting.length < this.#parts.waitingMax && this.#stream.isPaused()) this.#stream.resume();
    if (record !== undefined && record.offset + 1n >= this.#parts.ends[record.partition]!)
      this.#behind.delete(record.partition);
    return record;
  }

  async #wait(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new TidegateError("SINK_UNREACHABLE", "the reader was disposed");
    await closeClient(this.#client);
  }
}

async function closeClient(client: Client): Promise<void> {
  const timeout = Promise.withResolvers<void>();
  const timer = setTimeout(timeout.resolve, closeTimeoutMs);
  // Nothing can be done about a client that fails to close; its sockets die with it.
  await Promise.race([client.close(true).catch(() => undefined), timeout.promise]);
  clearTimeout(timer);
}
