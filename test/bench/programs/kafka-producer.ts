import { Value } from "typebox/value";
import type { OutRow, OutRows, RowOrigin } from "../../../edge/out-rows.ts";
import { kafkaOptions, type KafkaOptions } from "../../../edge/sinks/kafka/options.ts";
import { KafkaSink } from "../../../edge/sinks/kafka/sink.ts";
import { partitionOf } from "../../../src/wire/partition.ts";
import { outRows } from "../../support/out-rows.ts";
import { preparedRows } from "../prepared.ts";

/*
 * Sends prepared rows as the forwarder does: one send per topic-partition at a time, as many rows as a send takes.
 * Prints one JSON object.
 *
 *   node test/bench/programs/kafka-producer.ts <bootstrap> <topic> <partitions> <seconds>
 */
export interface ProducerReport {
  readonly perSecond: number;
  readonly cpuPerMillion: number;
  /** Accepted rows, those of the warm-up included. */
  readonly accepted: number;
}

const rowsPerSend = 1000;
const warmUpMs = 1000;

const [bootstrap = "", topic = "", partitionCount = "8", seconds = "3"] = process.argv.slice(2);
const partitions = Number(partitionCount);
const sink = new KafkaSink("gw-bench", Value.Default(kafkaOptions, { brokers: [bootstrap] }) as KafkaOptions);
const rows = rowsByPartition();
const endMs = performance.now() + warmUpMs + Number(seconds) * 1000;
let sent = 0;
const senders = rows.map((own, partition) => sendOn(partition, own));
await pause(warmUpMs);
const before = { sent, atMs: performance.now(), cpu: process.cpuUsage() };
await pause(endMs - performance.now());
const records = sent - before.sent;
const cpu = process.cpuUsage(before.cpu);
const perSecond = (records / (performance.now() - before.atMs)) * 1000;
await Promise.all(senders);
const report: ProducerReport = { perSecond, cpuPerMillion: (cpu.user + cpu.system) / records, accepted: sent };
await sink[Symbol.asyncDispose]();
console.log(JSON.stringify(report));

async function sendOn(partition: number, own: OutRows): Promise<void> {
  while (performance.now() < endMs) {
    const outcome = await sink.send(topic, partition, own);
    if (outcome.kind !== "accepted") throw new Error(`not accepted: ${JSON.stringify(outcome)}`);
    sent += own.length;
  }
}

function rowsByPartition(): OutRows[] {
  const origins = new Map<string, RowOrigin>();
  const byPartition = Array.from({ length: partitions }, (): OutRow[] => []);
  preparedRows(rowsPerSend * partitions * 2).forEach(({ device, value, timeAt }, i) => {
    const own = byPartition[partitionOf(device, partitions)]!;
    const origin = origins.get(device) ?? originOf(device);
    origins.set(device, origin);
    if (own.length < rowsPerSend) own.push({ value: Buffer.from(value), seq: i + 1, timeAt, origin });
  });
  return byPartition.map(outRows);
}

function originOf(device: string): RowOrigin {
  const key = Buffer.from(device);
  return { epoch: "1-0123456789abcdef", stream: "observations", device, key, commit: 1, backfill: false };
}

function pause(forMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, forMs));
}
