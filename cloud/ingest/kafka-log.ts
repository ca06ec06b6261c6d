import { randomUUID } from "node:crypto";
import { Consumer, type Message, type MessagesStream } from "@platformatic/kafka";
import { closeClient, connectionSettings, faultText } from "./connection.ts";
import type { Log, LogReader, LogRecord, Position, TopicState } from "./log.ts";
import type { KafkaOptions } from "./options.ts";

type Client = Consumer<string, Buffer, string>;
type Stream = MessagesStream<string, Buffer, string, Buffer>;

const earliest = -2n;
const latest = -1n;
/** A client that cannot say goodbye (Kafka is away) is left behind after this. */
/** Records that wait in memory before reading is paused; one answer of a broker may still come on top. */
const bufferedMax = 10_000;

/** Kafka, by the consumer rules of the project: positions are ours, never committed; an offset is never reset. */
export class KafkaLog implements Log {
  readonly #options: KafkaOptions;
  #describer: Client | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  async describe(topics: readonly string[]): Promise<readonly TopicState[]> {
    this.#describer ??= makeConsumer(this.#options, 1);
    const client = this.#describer;
    try {
      return await describeWith(client, topics);
    } catch (error) {
      // A client that failed once is not asked again: the next call starts with new connections.
      if (this.#describer === client) this.#describer = undefined;
      await closeClient(client);
      throw error;
    }
  }

  async open(positions: readonly Position[]): Promise<LogReader> {
    const client = makeConsumer(this.#options, 8);
    try {
      const stream = await client.consume({
        topics: [...new Set(positions.map(({ topic }) => topic))],
        mode: "manual",
        // Every partition is named: one that is not would start at the end, in silence.
        offsets: positions.map(({ topic, partition, offset }) => ({ topic, partition, offset: BigInt(offset) })),
        fallbackMode: "fail",
        autocommit: false,
        maxWaitTime: 500,
        maxBytes: 4_194_304,
        maxBytesPerPartition: 262_144,
      });
      return new KafkaReader(client, stream, positions);
    } catch (error) {
      await closeClient(client);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#describer !== undefined) await closeClient(this.#describer);
    this.#describer = undefined;
  }
}

/** A group id of its own each time: one that is used again waits for its dead member, for more than 40 s. */
function makeConsumer(options: KafkaOptions, retries: number): Client {
  return new Consumer({
    ...connectionSettings(options),
    groupId: `tidegate-cloud-${randomUUID()}`,
    deserializers: {
      key: (data) => data?.toString("utf8"),
      value: (data) => data,
      headerKey: (data) => data?.toString("latin1"),
      headerValue: (data) => data,
    },
    retries,
    retryDelay: 250,
    requestTimeout: 15_000,
  });
}

async function describeWith(client: Client, wanted: readonly string[]): Promise<TopicState[]> {
  const ids = new Map<string, string>();
  for (const topic of wanted) {
    const id = await topicId(client, topic);
    if (id !== undefined) ids.set(topic, id);
  }
  if (ids.size === 0) return [];
  const topics = [...ids.keys()];
  const firsts = await client.listOffsets({ topics, timestamp: earliest });
  const ends = await client.listOffsets({ topics, timestamp: latest });
  return topics.map((topic) => ({
    topic,
    id: ids.get(topic)!,
    partitions: ends.get(topic)!.map((end, i) => ({ first: Number(firsts.get(topic)![i]), end: Number(end) })),
  }));
}

async function topicId(client: Client, topic: string): Promise<string | undefined> {
  try {
    return (await client.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic)?.id;
  } catch (error) {
    if (/UNKNOWN_TOPIC_OR_PARTITION|Unknown topic/i.test(faultText(error))) return undefined;
    throw error;
  }
}

class KafkaReader implements LogReader {
  readonly #client: Client;
  readonly #stream: Stream;
  /** What was asked for: a partition of the topic that was not is not handed over. */
  readonly #from = new Map<string, number>();
  #buffer: LogRecord[] = [];
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(client: Client, stream: Stream, positions: readonly Position[]) {
    this.#client = client;
    this.#stream = stream;
    for (const { topic, partition, offset } of positions) this.#from.set(`${topic}/${partition}`, offset);
    stream.on("data", (message) => this.#take(message));
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#fail(new Error("the stream of records was closed")));
  }

  #take(message: Message<string, Buffer, string>): void {
    const { topic, partition, key, value, headers } = message;
    const from = this.#from.get(`${topic}/${partition}`);
    const offset = Number(message.offset);
    if (from === undefined || offset < from) return;
    this.#buffer.push({ topic, partition, offset, key, value, headers });
    if (this.#buffer.length >= bufferedMax && !this.#stream.isPaused()) this.#stream.pause();
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  async next(recordsMax: number, waitMs: number): Promise<readonly LogRecord[]> {
    if (this.#buffer.length === 0 && this.#failure === undefined) await this.#wait(waitMs);
    if (this.#failure !== undefined) throw this.#failure;
    const taken = this.#buffer.slice(0, recordsMax);
    this.#buffer = this.#buffer.slice(recordsMax);
    if (this.#buffer.length < bufferedMax / 2 && this.#stream.isPaused()) this.#stream.resume();
    return taken;
  }

  async #wait(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, waitMs);
    this.#wake = resolve;
    await promise;
    this.#wake = undefined;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new Error("the reader was disposed");
    this.#stream.removeAllListeners("data");
    await closeClient(this.#client);
  }
}
