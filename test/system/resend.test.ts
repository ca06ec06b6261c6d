// Goal: records that Kafka had acknowledged and then lost before the cloud read them are noticed, asked for and sent
// again, until the cloud proves every device complete and its figures are those of what was journalled. What the gateway
// no longer has is named, so that the proof says exactly what is gone for good.
// Method: agent, Kafka and cloud service for real; the cloud is down while Kafka loses records. The same harness must
// catch an agent that answers with other records, and one that answers with other bytes.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { topicName } from "../../src/wire/streams.ts";
import { untilComplete, type DeviceState, type Totals } from "../support/cloud.ts";
import { readTopic } from "../support/consume.ts";
import { gatewayPartitions } from "../support/gateway.ts";
import {
  devicesPerLoad as devices,
  figureFindings,
  journalled,
  load,
  restartCloud,
  startPlant,
  topicPrefix,
  type Plant,
} from "../support/plant.ts";
import type { DistinctRecord } from "../support/reconcile.ts";
import { createInstallationTopics, deleteRecords, deleteTopic } from "../support/topics.ts";
import { until } from "../support/until.ts";

const observations = topicName(topicPrefix, "observations.v1");

/** Two epochs, and records of both lost on the way. Returns what was journalled. */
async function loseRecords(t: TestContext, plant: Plant): Promise<readonly DistinctRecord[]> {
  const { gateway, cloud, kafka } = plant;
  const reports = [await load(t, gateway, "early-", 600)];
  await untilComplete(cloud, devices);
  await cloud.service.kill();
  reports.push(await load(t, gateway, "lost-", 1200));
  await gateway.service.kill();
  gateway.service.start();
  await gateway.service.ready();
  reports.push(await load(t, gateway, "late-", 600));
  const distinct = await journalled(plant, reports);
  await deleteRecords(kafka.bootstrap, observations);
  return distinct;
}

test("records that Kafka lost before the cloud read them are sent again, and the fleet is complete and right", async (t) => {
  const plant = await startPlant(t);
  const { cloud, kafka } = plant;
  const distinct = await loseRecords(t, plant);
  await restartCloud(cloud);
  await untilComplete(cloud, devices * 3);
  const totals = await cloud.api<Totals>("/totals");
  t.diagnostic(JSON.stringify(totals));
  assert.deepEqual(
    { distinct: totals.distinctRecords, rollups: totals.recordsInRollups, missing: 0, ledgered: 0, rejected: 0 },
    {
      distinct: distinct.length,
      rollups: distinct.length,
      missing: totals.missing,
      ledgered: totals.ledgered,
      rejected: totals.rejected,
    },
  );
  assert(totals.repaired >= 1800, `${totals.repaired} records were sent again`);
  assert.equal(totals.clones, 0, "what is sent again is no second sender");
  assert.deepEqual(await figureFindings(plant, distinct), []);
  const again = await readTopic(kafka.bootstrap, observations);
  assert(again.length > 0 && again.every(({ headers }) => headers.get("tg_backfill") === "1"));
  const { alarms } = await cloud.api<{ alarms: { code: string; message: string }[] }>("/status");
  assert(
    alarms.some(({ message }) => message.includes("no longer has records")),
    "the gap is an alarm",
  );
});

test("a topic that was deleted and made again is repaired in the same way", async (t) => {
  const plant = await startPlant(t);
  const { cloud, kafka, gateway } = plant;
  const reports = [await load(t, gateway, "early-", 500)];
  await untilComplete(cloud, devices);
  await cloud.service.stop();
  reports.push(await load(t, gateway, "lost-", 500));
  const distinct = [...(await journalled(plant, reports))];
  await deleteTopic(kafka.bootstrap, observations);
  await createInstallationTopics(kafka.bootstrap, topicPrefix, gatewayPartitions).catch(() => undefined);
  await restartCloud(cloud);
  await untilComplete(cloud, devices * 2);
  const totals = await cloud.api<Totals>("/totals");
  assert.equal(totals.recordsInRollups, distinct.length);
  assert.deepEqual(await figureFindings(plant, distinct), []);
});

test("what the gateway no longer has is in the ledger, record by record, and completeness goes on", async (t) => {
  // No replay window: what Kafka has acknowledged goes with the next look at the space.
  const plant = await startPlant(t, { journal: { replayWindowHours: 0 } });
  const { cloud, kafka } = plant;
  const distinct = await loseRecords(t, plant);
  const early = distinct.filter(({ device }) => device.startsWith("early-"));
  await restartCloud(cloud);
  const done = (seen: Totals): boolean => seen.missing === 0 && seen.goneForGood > 0 && seen.caughtUp;
  const totals = await until("everything is accounted for", () => cloud.api<Totals>("/totals"), done, {
    withinMs: 60_000,
  });
  assert.equal(totals.distinctRecords + totals.ledgered, distinct.length);
  const ledger = (await readTopic(kafka.bootstrap, topicName(topicPrefix, "ledger.v1"))).map(
    ({ value }) => JSON.parse(value.toString()) as { kind: string; reason: string; stream: string; count: number },
  );
  const gone = ledger.filter(
    ({ kind, reason, stream }) => kind === "loss" && reason === "expired-sent" && stream === "observations",
  );
  assert.equal(
    gone.reduce((sum, { count }) => sum + count, 0),
    totals.ledgered,
  );
  assert.deepEqual(await figureFindings(plant, early), []);
  const seen = (await cloud.api<{ devices: DeviceState[] }>("/devices?limit=1000")).devices;
  assert(seen.every(({ completeUpTo }) => completeUpTo !== null));
});

const broken = [
  { name: "that sends other records than it was asked for", preload: "wrong-rows.ts" },
  { name: "that sends other bytes under the right numbers", preload: "wrong-bytes.ts" },
];

for (const { name, preload } of broken) {
  test(`the harness catches an agent ${name}`, async (t) => {
    const nodeOptions = [`--import=${join(import.meta.dirname, preload)}`];
    const plant = await startPlant(t, { nodeOptions });
    const distinct = await loseRecords(t, plant);
    await restartCloud(plant.cloud);
    const answered = (seen: Totals): boolean => seen.repaired > 0;
    await until("an answer", () => plant.cloud.api<Totals>("/totals"), answered, { withinMs: 30_000 });
    const findings = await findingsWithin(plant, distinct, 6_000);
    t.diagnostic(findings[0] ?? "");
    assert.notDeepEqual(findings, []);
  });
}

/** What is wrong after some time in which all could have become right. */
async function findingsWithin(plant: Plant, distinct: readonly DistinctRecord[], withinMs: number): Promise<string[]> {
  try {
    await untilComplete(plant.cloud, devices * 3, withinMs);
  } catch (error) {
    return [(error as Error).message];
  }
  return figureFindings(plant, distinct);
}
