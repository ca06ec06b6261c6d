// Goal: the Kafka sink keeps what the port promises, against a real broker.
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { KafkaSink } from "../../edge/sinks/kafka/sink.ts";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import { accepted, rowsOf, testSinkContract, type Arrived, type SinkUnderTest } from "../contract/sink.ts";
import { readTopic, type ReadRecord } from "../support/consume.ts";
import { startTestKafka } from "../support/kafka.ts";
import { createTopics, deleteTopic } from "../support/topics.ts";
import { until } from "../support/until.ts";

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

async function makeSink(
  t: TestContext,
  topicConfigs: Readonly<Record<string, string>> = {},
): Promise<{ sink: KafkaSink; topic: string }> {
  const topic = `t${++topics}.observations.v1`;
  await createTopics(broker.bootstrap, [topic], partitions, topicConfigs);
  const options = { brokers: [broker.bootstrap], topicPrefix: "t", partitions, valueBytesMax: 900_000 };
  const sink = new KafkaSink("gw-1", options);
  t.after(() => sink[Symbol.asyncDispose]());
  return { sink, topic };
}

testSinkContract("Kafka", async (t: TestContext, bytesMax): Promise<SinkUnderTest> => {
  const { sink, topic } = await makeSink(t, bytesMax === undefined ? {} : { "max.message.bytes": String(bytesMax) });
  return {
    sink,
    topic,
    partitions,
    arrived: async () => (await readTopic(broker.bootstrap, topic)).map(arrivedOf),
    away: () => broker.kill(),
    back: () => broker.restart(),
  };
});

test("a clock that is far ahead is a fault of the configuration: nothing is refused, and all arrives when it is right", async (t) => {
  const { sink, topic } = await makeSink(t);
  const rows = rowsOf("press-17", 1, 3);
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + 2 * hourMs);
  const outcome = await sink.send(topic, 0, rows);
  assert.equal(outcome.kind === "unknown" && outcome.cause.kind, "configuration");
  assert.match(outcome.kind === "unknown" ? outcome.cause.message : "", /clock of this machine/);
  t.mock.restoreAll();
  assert.deepEqual(await sink.send(topic, 0, rows), { kind: "accepted" });
  assert.equal((await readTopic(broker.bootstrap, topic)).length, 3);
});

test("a topic that was deleted and created again is noticed, also by a later process", async (t) => {
  const { sink, topic } = await makeSink(t);
  const before = (await sink.describe([topic])).topics.get(topic)!.id;
  await deleteTopic(broker.bootstrap, topic);
  await until(
    "deleted",
    () => sink.describe([topic]),
    ({ topics: seen }) => !seen.has(topic),
  );
  await createTopics(broker.bootstrap, [topic], partitions);
  await until(
    "noticed",
    () => sink.describe([topic]),
    ({ recreated }) => recreated.includes(topic),
  );
  assert.deepEqual(await accepted(sink, topic, rowsOf("press-17", 1, 3)), { kind: "accepted" });
  const options = { brokers: [broker.bootstrap], topicPrefix: "t", partitions, valueBytesMax: 900_000 };
  await using later = new KafkaSink("gw-1", options, new Map([[topic, before]]));
  assert.deepEqual((await later.describe([topic])).recreated, [topic]);
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
