// Goal: whatever a broker says about producer ids, sequence numbers, leaders and quotas, no row that the sink calls
// accepted is missing, and the same sink goes on.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { KafkaSink } from "../../../../edge/sinks/kafka/sink.ts";
import type { SendOutcome } from "../../../../edge/sink.ts";
import { accepted, rowsOf } from "../../../contract/sink.ts";
import { FakeBroker, kafkaErrors, type ProduceAnswer } from "../../../support/fake-broker.ts";
import { until } from "../../../support/until.ts";

const topic = "t.observations.v1";
const rules: ProduceAnswer = { kind: "by the rules" };

async function start(t: TestContext): Promise<{ broker: FakeBroker; sink: KafkaSink }> {
  const broker = await FakeBroker.start(t, 4);
  const options = { brokers: [`127.0.0.1:${broker.port}`], topicPrefix: "t", partitions: 4, valueBytesMax: 900_000 };
  const sink = new KafkaSink("gw-1", options);
  t.after(() => sink[Symbol.asyncDispose]());
  return { broker, sink };
}

function rowsStored({ stored }: FakeBroker, partition: number): number {
  return stored.filter((batch) => batch.partition === partition).reduce((sum, { count }) => sum + count, 0);
}

const stateLosses = ["unknownProducerId", "outOfOrderSequence", "producerFenced", "notLeader"] as const;

for (const name of stateLosses) {
  test(`${name}: what is accepted afterwards is stored, once, under sequence numbers that rise`, async (t) => {
    const { broker, sink } = await start(t);
    assert.deepEqual(await sink.send(topic, 0, rowsOf("a", 1, 3)), { kind: "accepted" });
    let errors = 2;
    broker.script = () => (errors-- > 0 ? { kind: "error", code: kafkaErrors[name] } : rules);
    assert.deepEqual(await accepted(sink, topic, rowsOf("a", 4, 3)), { kind: "accepted" });
    assert.deepEqual(await sink.send(topic, 0, rowsOf("a", 7, 3)), { kind: "accepted" });
    assert.equal(rowsStored(broker, 0), 9);
    for (const id of new Set(broker.stored.map(({ producerId }) => producerId))) {
      const bases = broker.stored.filter(({ producerId }) => producerId === id).map(({ baseSequence }) => baseSequence);
      assert.deepEqual(
        bases,
        bases.toSorted((a, b) => a - b),
      );
      assert.equal(bases[0], 0);
    }
  });
}

test("a send that waits for metadata while another fails takes no sequence number twice, or its rows would vanish", async (t) => {
  const { broker, sink } = await start(t);
  assert.deepEqual(await sink.send(topic, 0, rowsOf("a", 1, 1)), { kind: "accepted" });
  const failure = Promise.withResolvers<ProduceAnswer>();
  broker.script = ({ partition }) => (partition === 1 ? failure.promise : rules);
  const failing = sink.send(topic, 1, rowsOf("b", 1, 1));
  await until("the failing send is at the broker", () => broker.seen.some(({ partition }) => partition === 1));
  // What the client knows of the topic has become old: it asks before it sends, behind the request in flight.
  const { now } = Date;
  t.mock.method(Date, "now", () => now() + 3_600_000);
  const waiting = sink.send(topic, 0, rowsOf("a", 2, 1));
  failure.resolve({ kind: "error", code: kafkaErrors.invalidRecord });
  await failing;
  if ((await waiting).kind !== "accepted") await accepted(sink, topic, rowsOf("a", 2, 1));
  assert.equal(rowsStored(broker, 0), 2, "an accepted row is stored");
});

test("rows that the broker names are refused, and only those", async (t) => {
  const { broker, sink } = await start(t);
  broker.script = () => ({ kind: "error", code: kafkaErrors.invalidRecord, refusedRows: [1, 3] });
  const outcome = await sink.send(topic, 0, rowsOf("a", 1, 5));
  assert.deepEqual(outcome.kind === "refused" && outcome.rows, [1, 3]);
  broker.script = () => rules;
  assert.deepEqual(await sink.send(topic, 0, rowsOf("a", 1, 3)), { kind: "accepted" });
  assert.equal(rowsStored(broker, 0), 3);
});

test("a clock that the broker refuses is a fault of the configuration, and the rows are kept", async (t) => {
  const { broker, sink } = await start(t);
  broker.script = () => ({ kind: "error", code: kafkaErrors.invalidTimestamp, refusedRows: [0, 1] });
  const outcome: SendOutcome = await sink.send(topic, 0, rowsOf("a", 1, 2));
  assert.equal(outcome.kind === "unknown" && outcome.cause.kind, "configuration");
  broker.script = () => rules;
  assert.deepEqual(await sink.send(topic, 0, rowsOf("a", 1, 2)), { kind: "accepted" });
});

test("a quota is heeded: nothing is sent before the broker is ready to answer again", async (t) => {
  const { broker, sink } = await start(t);
  await sink.send(topic, 0, rowsOf("a", 1, 1));
  broker.throttleMs = 400;
  await sink.send(topic, 0, rowsOf("a", 2, 1));
  const answeredMs = performance.now();
  broker.throttleMs = 0;
  let atBrokerMs = 0;
  broker.script = () => {
    atBrokerMs ||= performance.now();
    return rules;
  };
  const both = await Promise.all([sink.send(topic, 0, rowsOf("a", 3, 1)), sink.send(topic, 1, rowsOf("b", 1, 1))]);
  assert.deepEqual(
    both.map(({ kind }) => kind),
    ["accepted", "accepted"],
  );
  assert.ok(atBrokerMs - answeredMs >= 390, `${atBrokerMs - answeredMs} ms`);
});
