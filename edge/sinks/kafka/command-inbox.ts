import { randomUUID } from "node:crypto";
import { Consumer, type Message, type MessagesStream } from "@platformatic/kafka";
import type { CommandInbox, CommandMessage, CommandReader, InboxPosition } from "../../commands/inbox-port.ts";
import { TidegateError } from "../../../src/errors.ts";
import { partitionOf } from "../../../src/wire/partition.ts";
import { commandTopic, topicName } from "../../../src/wire/streams.ts";
import { Access } from "./access.ts";
import { faultOf } from "./classify.ts";
import type { KafkaOptions } from "./options.ts";

type Client = Consumer<string, Buffer, string>;
type Stream = MessagesStream<string, Buffer, string, Buffer>;

const earliest = -2n;
const latest = -1n;
/** Commands that wait in memory; the stream is paused meanwhile. */
const waitingMax = 16;
/** A client that cannot say goodbye (Kafka is away) is left behind after this. */
const closeTimeoutMs = 2000;
/** Certificates are looked at this often, as those of the producer are. */
const lookEveryMs = 30_000;

/** The commands topic: read by position, in no consumer group, and only the partition that the gateway's id maps to. */
export class KafkaCommandInbox implements CommandInbox {
  readonly #gateway: string;
  readonly #options: KafkaOptions;
  readonly #access: Access;
  readonly #topic: string;
  readonly #lookEveryMs: number;

  constructor(gateway: string, options: KafkaOptions, parts: { readonly lookEveryMs?: number } = {}) {
    this.#gateway = gateway;
    this.#options = options;
    this.#access = new Access(options);
    this.#topic = topicName(options.topicPrefix, commandTopic);
    this.#lookEveryMs = parts.lookEveryMs ?? lookEveryMs;
  }

  async open(from: InboxPosition | undefined): Promise<CommandReader> {
    const client = this.#client();
    try {
      return await this.#open(client, from);
    } catch (error) {
      await closeClient(client);
      throw this.#asOurs(error);
    }
  }

  async #open(client: Client, from: InboxPosition | undefined): Promise<CommandReader> {
    const topic = this.#topic;
    const known = (await client.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic);
    if (known === undefined) throw missing(topic);
    const own = partitionOf(this.#gateway, known.partitionsCount);
    const firsts = (await client.listOffsets({ topics: [topic], timestamp: earliest })).get(topic)!;
    const ends = (await client.listOffsets({ topics: [topic], timestamp: latest })).get(topic)!;
    const first = firsts[own]!;
    const isServable = from?.topicId === known.id && BigInt(from.offset) >= first && BigInt(from.offset) <= ends[own]!;
    const start = isServable ? BigInt(from.offset) : first;
    const stream = await client.consume({
      topics: [topic],
      mode: "manual",
      // Every partition is named: one that is not would start at the end, in silence. The others are of no interest.
      offsets: ends.map((end, partition) => ({ topic, partition, offset: partition === own ? start : end })),
      fallbackMode: "fail",
      autocommit: false,
      maxWaitTime: 5000,
      maxBytes: 1_048_576,
      maxBytesPerPartition: 262_144,
    });
    const outdated = sometimes(this.#lookEveryMs, () => this.#wereReplaced());
    return new KafkaCommandReader(client, stream, own, known.id, Number(start), outdated, (error) =>
      this.#asOurs(error),
    );
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
    return new Consumer({
      clientId: `tidegate-${this.#gateway}-commands`,
      // Never committed to; a group id that is used again waits for its dead member.
      groupId: `tidegate-${this.#gateway}-${randomUUID()}`,
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
    const { kind, message } = faultOf(error);
    switch (kind) {
      case "topic-missing":
        return missing(this.#topic);
      case "configuration":
        return new TidegateError("SINK_UNAUTHORIZED", `commands cannot be read: ${message}`, {
          cause: error,
          hint: `Let the gateway's Kafka user read ${this.#topic}.`,
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

class KafkaCommandReader implements CommandReader {
  readonly #client: Client;
  readonly #stream: Stream;
  readonly #partition: number;
  readonly #topicId: string;
  readonly #from: number;
  readonly #outdated: () => boolean;
  readonly #asOurs: (error: unknown) => TidegateError;
  readonly #waiting: CommandMessage[] = [];
  #failure: TidegateError | undefined;
  #wake: () => void = () => undefined;

  constructor(
    client: Client,
    stream: Stream,
    partition: number,
    topicId: string,
    from: number,
    outdated: () => boolean,
    asOurs: (error: unknown) => TidegateError,
  ) {
    this.#client = client;
    this.#stream = stream;
    this.#partition = partition;
    this.#topicId = topicId;
    this.#from = from;
    this.#outdated = outdated;
    this.#asOurs = asOurs;
    stream.on("data", (message) => this.#take(message));
    stream.on("error", (error) => this.#fail(error));
    stream.on("close", () => this.#fail(new Error("the stream of commands was closed")));
  }

  #take({ partition, offset, key, value }: Message<string, Buffer, string>): void {
    if (partition !== this.#partition || Number(offset) < this.#from) return;
    this.#waiting.push({ key, value, next: { topicId: this.#topicId, offset: Number(offset) + 1 } });
    if (this.#waiting.length >= waitingMax && !this.#stream.isPaused()) this.#stream.pause();
    this.#wake();
  }

  #fail(error: unknown): void {
    this.#failure ??= this.#asOurs(error);
    this.#wake();
  }

  get outdated(): boolean {
    return this.#outdated();
  }

  async next(waitMs: number): Promise<CommandMessage | undefined> {
    if (this.#waiting.length === 0 && this.#failure === undefined) await this.#wait(waitMs);
    const message = this.#waiting.shift();
    if (message === undefined && this.#failure !== undefined) throw this.#failure;
    if (this.#waiting.length < waitingMax && this.#stream.isPaused()) this.#stream.resume();
    return message;
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
