// Goal: the forwarder and the Kafka sink lose nothing against a real broker that is killed, lacks a topic, refuses
// large records or the password; and what arrives carries its identity.
import assert from "node:assert/strict";
import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Forwarder } from "../../edge/forward/forwarder.ts";
import type { ForwardOptions } from "../../edge/forward/options.ts";
import { checkTopics, createTopics } from "../../edge/sinks/kafka/admin.ts";
import type { KafkaOptions } from "../../edge/sinks/kafka/options.ts";
import { KafkaSink } from "../../edge/sinks/kafka/sink.ts";
import { systemClock } from "../../src/clock.ts";
import { forwardDefaults } from "../support/forward-defaults.ts";
import { makeCertificates } from "../support/certificates.ts";
import { readTopic } from "../support/consume.ts";
import { FakeForwardJournal } from "../support/fake-forward-journal.ts";
import { startTestKafka } from "../support/kafka.ts";
import { temporaryFolder } from "../support/processes.ts";
import { createTopics as createPlainTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";

const partitions = 4;
const forward: ForwardOptions = {
  ...forwardDefaults,
  sendSpacingMs: 0,
  retryMinMs: 50,
  retryMaxMs: 1000,
  configurationRetryMs: 1000,
};

function optionsFor(bootstrap: string, more: Partial<KafkaOptions> = {}): KafkaOptions {
  return { brokers: [bootstrap], topicPrefix: "t", partitions, replicationFactor: 1, valueBytesMax: 900_000, ...more };
}

async function startForwarder(t: TestContext, kafka: KafkaOptions, journal: FakeForwardJournal): Promise<Forwarder> {
  const sink = new KafkaSink("gw-1", kafka);
  const forwarder = new Forwarder({
    sink,
    journal,
    clock: systemClock,
    options: forward,
    topicPrefix: "t",
    partitions,
  });
  t.after(async () => {
    await forwarder.stop(0);
    await sink[Symbol.asyncDispose]();
  });
  await forwarder.start();
  return forwarder;
}

function commit(journal: FakeForwardJournal, forwarder: Forwarder, rows: number, value?: string): void {
  const records = Array.from({ length: rows }, (_, i) => {
    const record = { stream: "observations" as const, device: `d${i % 8}`, partition: i % partitions };
    return value === undefined ? record : { ...record, value };
  });
  for (const block of journal.append(records)) forwarder.accept(block);
}

const minute = { withinMs: 60_000, everyMs: 100 };

test("records survive SIGKILL and restart of Kafka, each with its identity", async (t) => {
  const broker = await startTestKafka(t);
  const options = optionsFor(broker.bootstrap);
  assert.equal(
    (await checkTopics(options)).every(({ state }) => state === "missing"),
    true,
  );
  assert.equal(
    (await createTopics(options)).every(({ state }) => state === "created"),
    true,
  );
  assert.equal(
    (await checkTopics(options)).every(({ state }) => state === "ok"),
    true,
  );
  const journal = new FakeForwardJournal();
  const forwarder = await startForwarder(t, options, journal);
  commit(journal, forwarder, 100);
  await until("connected", () => forwarder.report().state === "connected", Boolean, minute);
  for (let i = 0; i < 50; i++) {
    commit(journal, forwarder, 100);
    if (i === 20) await broker.kill();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await broker.restart();
  await until("all settled", () => journal.unsettled().length === 0, Boolean, minute);
  const seen = new Set<string>();
  const last = new Map<string, number>();
  for (const { key, value, headers } of await readTopic(broker.bootstrap, "t.observations.v1")) {
    const seq = Number(headers.get("tg_seq"));
    assert.equal(headers.get("ce_id"), `${journal.epoch}/observations/${key}/${seq}`);
    assert.equal(headers.get("ce_source"), "tidegate/gw-1");
    assert.equal(headers.get("tg_epoch"), journal.epoch);
    assert.equal(value.toString(), `observations/${key}/${seq}`);
    if (seen.has(value.toString())) continue;
    assert.ok(seq > (last.get(key) ?? 0), "first copies are in order");
    seen.add(value.toString());
    last.set(key, seq);
  }
  assert.equal(seen.size, journal.appended.length);
});

test("a missing topic is an alarm and nothing is lost when it is created", async (t) => {
  const broker = await startTestKafka(t);
  const journal = new FakeForwardJournal();
  const forwarder = await startForwarder(t, optionsFor(broker.bootstrap), journal);
  commit(journal, forwarder, 20);
  const missing = (): boolean => forwarder.report().alarms.some((text) => text.includes("t.observations.v1"));
  await until("the alarm", missing, Boolean, minute);
  assert.equal(journal.unsettled().length, 1);
  await createPlainTopics(broker.bootstrap, ["t.observations.v1"], partitions);
  await until("all settled", () => journal.unsettled().length === 0, Boolean, minute);
  assert.equal((await readTopic(broker.bootstrap, "t.observations.v1")).length, 20);
});

test("a record that the topic finds too large is quarantined and its neighbours arrive", async (t) => {
  const broker = await startTestKafka(t);
  await createPlainTopics(broker.bootstrap, ["t.observations.v1"], partitions, { "max.message.bytes": "1024" });
  const journal = new FakeForwardJournal();
  const forwarder = await startForwarder(t, optionsFor(broker.bootstrap), journal);
  commit(journal, forwarder, 40);
  // Not compressible, so that it is too large however it is packed.
  const large = Array.from({ length: 3000 }, () => String.fromCodePoint(33 + Math.floor(Math.random() * 90))).join("");
  commit(journal, forwarder, 1, large);
  commit(journal, forwarder, 40);
  await until("all settled", () => journal.unsettled().length === 0, Boolean, minute);
  assert.deepEqual(
    journal.quarantined.map(({ device, value }) => [device, value.length]),
    [["d0", 3000]],
  );
  assert.equal((await readTopic(broker.bootstrap, "t.observations.v1")).length, 80);
});

test("a wrong password is a configuration fault until the file has the right one", async (t) => {
  const folder = await temporaryFolder(t);
  const { certificateAndKeyFile, caFile } = await makeCertificates(folder);
  const secure = { certificateAndKeyFile, username: "edge", password: "correct-horse" };
  const broker = await startTestKafka(t, { secure });
  await createPlainTopics(broker.bootstrap, ["t.observations.v1"], partitions);
  const passwordFile = join(folder, "password");
  await writeFile(passwordFile, "wrong", { mode: 0o600 });
  const sasl = { mechanism: "SCRAM-SHA-512" as const, username: "edge", passwordFile };
  const journal = new FakeForwardJournal();
  const options = optionsFor(broker.secureBootstrap!, { tls: { caFile }, sasl });
  const forwarder = await startForwarder(t, options, journal);
  commit(journal, forwarder, 8);
  await until("fault", () => forwarder.report().fault?.kind === "configuration", Boolean, minute);
  assert.equal(JSON.stringify(forwarder.report()).includes("wrong"), false, "the secret is nowhere");
  await writeFile(passwordFile, "correct-horse");
  await chmod(passwordFile, 0o600);
  await until("all settled", () => journal.unsettled().length === 0, Boolean, minute);
});
