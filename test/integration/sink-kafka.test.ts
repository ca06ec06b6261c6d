// Goal: the Kafka sink keeps what the port promises, against a real broker.
import assert from "node:assert/strict";
import { after, before, type TestContext } from "node:test";
import { KafkaSink } from "../../edge/sinks/kafka/sink.ts";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import { testSinkContract, type Arrived, type SinkUnderTest } from "../contract/sink.ts";
import { readTopic, type ReadRecord } from "../support/consume.ts";
import { startTestKafka } from "../support/kafka.ts";
import { configureTopic, createTopics } from "../support/topics.ts";

const partitions = 4;
const hourMs = 3_600_000;
let broker: KafkaBroker;
let topics = 0;

const cleanUps: (() => void | Promise<void>)[] = [];

before(async () => {
  broker = await startTestKafka({ after: (cleanUp) => void cleanUps.push(cleanUp) });
});
after(async () => {
  for (const cleanUp of cleanUps) await cleanUp();
});

testSinkContract("Kafka", async (t: TestContext): Promise<SinkUnderTest> => {
  const topic = `t${++topics}.observations.v1`;
  await createTopics(broker.bootstrap, [topic], partitions, { "message.timestamp.before.max.ms": `${hourMs}` });
  const sink = new KafkaSink("gw-1", {
    brokers: [broker.bootstrap],
    topicPrefix: "t",
    partitions,
    valueBytesMax: 900_000,
  });
  t.after(() => sink[Symbol.asyncDispose]());
  const { now } = Date;
  return {
    sink,
    topic,
    partitions,
    arrived: async () => (await readTopic(broker.bootstrap, topic)).map(arrivedOf),
    // Kafka refuses by record, and all records of a send have the send time: a clock that is behind is refused as a whole.
    refuse: (rows) => {
      t.mock.method(Date, "now", () => now() - 2 * hourMs);
      return Promise.resolve(Array.from({ length: rows }, (_, index) => index));
    },
    acceptAgain: () => Promise.resolve(t.mock.restoreAll()),
    limitBytes: () => configureTopic(broker.bootstrap, topic, { "max.message.bytes": "1024" }),
    away: () => broker.kill(),
    back: () => broker.restart(),
  };
});

function arrivedOf({ partition, key, value, headers }: ReadRecord): Arrived {
  const text = value.toString("utf8");
  const epoch = headers.get("tg_epoch") ?? "";
  const stream = headers.get("ce_id")?.split("/")[1] ?? "";
  const seq = Number(headers.get("tg_seq"));
  assert.equal(headers.get("ce_id"), `${epoch}/${stream}/${key}/${seq}`);
  assert.equal(headers.get("ce_source"), "tidegate/gw-1");
  assert.equal(headers.get("ce_time"), "2026-11-21T09:28:12.123456Z");
  return { partition, key, value: text, epoch, stream, seq, backfill: headers.has("tg_backfill") };
}
