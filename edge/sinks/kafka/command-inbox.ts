import type { CommandInbox, CommandMessage, CommandReader, InboxPosition } from "../../commands/inbox-port.ts";
import { partitionOf } from "../../../src/wire/partition.ts";
import { commandTopic, topicName } from "../../../src/wire/streams.ts";
import type { KafkaOptions } from "./options.ts";
import { KafkaTopic, type TopicReader } from "./topic-reader.ts";

/** Commands that wait in memory; the stream is paused meanwhile. */
const waitingMax = 16;

/** The commands topic: only the partition that the gateway's id maps to. */
export class KafkaCommandInbox implements CommandInbox {
  readonly #gateway: string;
  readonly #topic: KafkaTopic;

  constructor(gateway: string, options: KafkaOptions, parts: { readonly lookEveryMs?: number } = {}) {
    this.#gateway = gateway;
    this.#topic = new KafkaTopic(options, {
      topic: topicName(options.topicPrefix, commandTopic),
      noun: "commands",
      clientId: `tidegate-${gateway}-commands`,
      waitingMax,
      bytesPerPartitionMax: 262_144,
      ...parts,
    });
  }

  async open(from: InboxPosition | undefined): Promise<CommandReader> {
    let topicId = "";
    let own = 0;
    const reader = await this.#topic.open(({ id, firsts, ends }) => {
      topicId = id;
      own = partitionOf(this.#gateway, ends.length);
      const isServable =
        from?.topicId === id && BigInt(from.offset) >= firsts[own]! && BigInt(from.offset) <= ends[own]!;
      const start = isServable ? BigInt(from.offset) : firsts[own]!;
      // The others are of no interest.
      return ends.map((end, partition) => (partition === own ? start : end));
    });
    return new KafkaCommandReader(reader, own, topicId);
  }
}

class KafkaCommandReader implements CommandReader {
  readonly #reader: TopicReader;
  readonly #partition: number;
  readonly #topicId: string;

  constructor(reader: TopicReader, partition: number, topicId: string) {
    this.#reader = reader;
    this.#partition = partition;
    this.#topicId = topicId;
  }

  get outdated(): boolean {
    return this.#reader.outdated;
  }

  async next(waitMs: number): Promise<CommandMessage | undefined> {
    const record = await this.#reader.next(waitMs);
    if (record?.partition !== this.#partition) return undefined;
    const { key, value, offset } = record;
    return { key, value, next: { topicId: this.#topicId, offset: Number(offset) + 1 } };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#reader[Symbol.asyncDispose]();
  }
}
