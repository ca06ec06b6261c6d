import { randomUUID } from "node:crypto";
import { Consumer, type Message } from "@platformatic/kafka";
import { closeClient } from "../../cloud/ingest/connection.ts";

/** A Kafka record with its headers as text. */
export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  /** When the producer sent it. */
  readonly timestampMs: number;
  readonly value: Buffer;
  readonly headers: ReadonlyMap<string, string>;
}

const earliest = -2n;
const latest = -1n;

/** Reads every record of a topic from the beginning up to the end offsets of this moment, in order per partition. */
export async function readTopic(bootstrap: string, topic: string): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  await visitTopic(bootstrap, topic, (record) => void records.push(record));
  return records;
}

/** As `readTopic`, for topics that are too large to keep. */
export async function visitTopic(bootstrap: string, topic: string, visit: (record: ReadRecord) => void): Promise<void> {
  const consumer = makeConsumer(bootstrap);
  try {
    const starts = await offsetsAt(consumer, topic, earliest);
    const ends = await offsetsAt(consumer, topic, latest);
    const open = new Set([...ends.keys()].filter((partition) => ends[partition]! > starts[partition]!));
    if (open.size === 0) return;
    const stream = await consumer.consume({
      topics: [topic],
      mode: "manual",
      offsets: starts.map((offset, partition) => ({ topic, partition, offset })),
      fallbackMode: "fail",
      autocommit: false,
      maxWaitTime: 100,
      // The library's own limits hold far more records in memory than it can hand over meanwhile.
      maxBytes: 4_194_304,
      maxBytesPerPartition: 262_144,
      highWaterMark: 4096,
    });
    for await (const message of stream) {
      if (message.offset < ends[message.partition]!) visit(readRecord(message));
      if (message.offset + 1n >= ends[message.partition]!) open.delete(message.partition);
      if (open.size === 0) break;
    }
  } finally {
    await closeClient(consumer);
  }
}

/** The number of records that were ever written to each partition of a topic. */
export async function endOffsets(bootstrap: string, topic: string): Promise<number[]> {
  const consumer = makeConsumer(bootstrap);
  try {
    return (await offsetsAt(consumer, topic, latest)).map(Number);
  } finally {
    await closeClient(consumer);
  }
}

function makeConsumer(bootstrap: string): Consumer {
  return new Consumer({
    clientId: "test-reader",
    groupId: `test-${randomUUID()}`,
    bootstrapBrokers: [bootstrap],
    retries: 20,
    retryDelay: 100,
  });
}

async function offsetsAt(consumer: Consumer, topic: string, timestamp: bigint): Promise<bigint[]> {
  const offsets = (await consumer.listOffsets({ topics: [topic], timestamp })).get(topic);
  if (offsets === undefined) throw new Error(`topic ${topic} does not exist`);
  return offsets;
}

function readRecord({ partition, offset, key, timestamp, value, headers }: Message): ReadRecord {
  return {
    partition,
    offset: Number(offset),
    key: key?.toString("utf8") ?? "",
    timestampMs: Number(timestamp),
    value,
    headers: new Map([...headers].map(([name, text]) => [name.toString("utf8"), text.toString("utf8")])),
  };
}
