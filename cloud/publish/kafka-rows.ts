import { compatibilityPartitioner, Producer } from "@platformatic/kafka";
import { closeClient, connectionSettings } from "../ingest/connection.ts";
import type { KafkaOptions } from "../ingest/options.ts";
import { partitionOf } from "../../src/wire/partition.ts";
import type { Row, Rows } from "./rows.ts";

type Client = Producer<string, string, string, string>;

const rowsPerSendMax = 1000;
const bytesPerSendMax = 500_000;

/** Rows by the sender rules of the project: one outstanding send per topic-partition, finite client retries. */
export class KafkaRows implements Rows {
  readonly #options: KafkaOptions;
  #client: Client | undefined;

  constructor(options: KafkaOptions) {
    this.#options = options;
  }

  async send(topic: string, rows: readonly Row[]): Promise<void> {
    this.#client ??= makeProducer(this.#options);
    const client = this.#client;
    try {
      const metadata = await client.metadata({ topics: [topic] });
      const count = metadata.topics.get(topic)?.partitionsCount;
      if (count === undefined) throw new Error(`Unknown topic ${topic}`);
      const sends = [...byPartition(rows, count)].map(([partition, own]) =>
        sendPartition(client, topic, partition, own),
      );
      const outcomes = await Promise.allSettled(sends);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason as Error;
    } catch (error) {
      // New connections for the next try; what was sent and not answered is harmless, since a revision or an id decides.
      this.#client = undefined;
      await closeClient(client);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#client !== undefined) await closeClient(this.#client);
    this.#client = undefined;
  }
}

function makeProducer(options: KafkaOptions): Client {
  const text = (data?: string): Buffer | undefined => (data === undefined ? undefined : Buffer.from(data));
  return new Producer({
    ...connectionSettings(options),
    serializers: { key: text, value: text, headerKey: text, headerValue: text },
    idempotent: true,
    acks: -1,
    compression: "zstd",
    partitioner: compatibilityPartitioner,
    retries: 3,
    retryDelay: 250,
    timeout: 10_000,
    requestTimeout: 8000,
  });
}

function byPartition(rows: readonly Row[], count: number): Map<number, Row[]> {
  const result = new Map<number, Row[]>();
  for (const row of rows) {
    const partition = partitionOf(row.key, count);
    const own = result.get(partition);
    if (own === undefined) result.set(partition, [row]);
    else own.push(row);
  }
  return result;
}

async function sendPartition(client: Client, topic: string, partition: number, rows: readonly Row[]): Promise<void> {
  for (const part of parts(rows)) {
    const messages = part.map(({ key, value, headers }) => {
      return { topic, partition, key, headers, ...(value === undefined ? {} : { value }) };
    });
    await client.send({ messages });
  }
}

function* parts(rows: readonly Row[]): Generator<Row[]> {
  let part: Row[] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.key.length + (row.value?.length ?? 0);
    if (part.length > 0 && (part.length === rowsPerSendMax || bytes + size > bytesPerSendMax)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(row);
    bytes += size;
  }
  if (part.length > 0) yield part;
}
