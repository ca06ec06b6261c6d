// Goal: the partition count of a gateway changes only when everything that was laid out for the old one is in Kafka.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Journal } from "../../edge/journal/journal.ts";
import { topicSpecs } from "../../src/wire/streams.ts";
import { run } from "../edge/cli/run-cli.ts";
import { readTopic } from "../support/consume.ts";
import { startTestKafka } from "../support/kafka.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder } from "../support/records.ts";
import { createTopics } from "../support/topics.ts";

const before = 4;
const after = 6;
const devices = ["a", "b", "c", "d", "e", "f"];

test("topics drain sends what is buffered with the old count, and only then another count is taken", async (t) => {
  const folder = temporaryFolder(t);
  const broker = await startTestKafka(t);
  const config = join(folder, "tidegate.yaml");
  const configure = (address: string, partitions: number): Promise<void> =>
    writeFile(
      config,
      `gateway: { id: gw-test, path: acme/berlin, dataFolder: data }\nkafka: { brokers: ["${address}"], partitions: ${partitions} }\n`,
    );
  const options = storeOptions(join(folder, "data"), { partitions: before });
  const journal = await Journal.open(options);
  const maker = new GroupMaker(before);
  for (let n = 0; n < 20; n++) await journal.commit(maker.group(devices.flatMap((device) => observations(device, 5))));
  await journal.close();
  await configure(broker.bootstrap, after);
  await assert.rejects(Journal.open({ ...options, partitions: after }), { code: "CONFIG_INVALID" });

  // The topics are missing at first: it says so, loses nothing, and can be run again.
  const tooEarly = await run("topics", "drain", "-c", config, "--within", "10", "--json");
  assert.equal(tooEarly.code, 1);
  assert.ok((JSON.parse(tooEarly.out) as { unsent: number }).unsent > 600);
  assert.match(tooEarly.err, /Topic tidegate\.observations\.v1 does not exist/);
  const topics = topicSpecs("tidegate").map(({ name }) => name);
  await createTopics(broker.bootstrap, topics, after);
  const drained = await run("topics", "drain", "-c", config, "--within", "60", "--json");
  assert.equal(drained.code, 0, drained.err);
  assert.deepEqual(JSON.parse(drained.out), { ok: true, unsent: 0, partitions: before });

  const arrived = await readTopic(broker.bootstrap, "tidegate.observations.v1");
  assert.equal(arrived.length, 600);
  assert.ok(arrived.every(({ partition }) => partition < before));
  const ledger = await readTopic(broker.bootstrap, "tidegate.ledger.v1");
  const finals = ledger.map(({ value }) => JSON.parse(value.toString("utf8")) as { kind: string; final?: boolean });
  assert.ok(finals.filter(({ kind, final }) => kind === "manifest" && final === true).length >= 2 * before);

  await using changed = await Journal.open({ ...options, partitions: after });
  assert.equal(changed.partitions, after);
});
