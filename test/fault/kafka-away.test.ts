// Goal: Kafka goes away under load and the agent is killed in the middle. Nothing is lost, everything is in order, the
// broker in front holds no more than a second of load, and the backlog drains while the load goes on.
// Method: generator → mosquitto → agent → Kafka, all real; the agent with strict order (live data waits for the backlog).
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { topicName } from "../../src/wire/streams.ts";
import { endOffsets } from "../support/consume.ts";
import { reconcileKafka, unsentRecords, untilDrained } from "../support/drained.ts";
import { publish } from "../support/figures.ts";
import { gatewayPartitions, makeGateway, metricsOf, type Gateway } from "../support/gateway.ts";
import { startTestKafka } from "../support/kafka.ts";
import { startLoad } from "../support/load.ts";
import { watchHeld } from "../support/mosquitto-held.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { createInstallationTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const perSecond = scaled(3_000, 5_000);
const awaySeconds = scaled(12, 90);
const drainedWithinMs = 30_000;
/**
 * In the journal, per message of 120 bytes; the write-ahead log, of constant size, apart. The newest blocks are small,
 * which weighs more in a short run.
 */
const bytesPerMessage = scaled(100, 60);
/** Checkpoints keep up with commits and reads, FAULTS 20. */
const walBytesMax = 33_554_432;
const strictOrder = { liveFirstAfterMs: 86_400_000 };

test("FAULTS 23, 30: Kafka away and a SIGKILL in the middle: nothing lost, in order, drained while the load goes on", async (t) => {
  const rig = await startRig(t, []);
  const { gateway, kafka, load, held } = rig;
  const bytesBefore = databaseBytes(gateway);
  const unsentBefore = await unsentRecords(gateway);
  await kafka.kill();
  await pause((awaySeconds / 2) * 1000);
  const heldBefore = held.max();
  await gateway.service.kill();
  gateway.service.start();
  await untilConnected(gateway);
  await until(
    "mosquitto is empty again",
    () => held.now(),
    (messages) => messages < perSecond / 10,
    {
      withinMs: 20_000,
    },
  );
  held.restart();
  await pause((awaySeconds / 2) * 1000);
  const heldAfter = held.max();
  const buffered = (await unsentRecords(gateway)) - unsentBefore;
  const walBytes = statSync(join(gateway.dataFolder, "journal.db-wal")).size;
  const diskBytesPerMessage = Math.round((databaseBytes(gateway) - bytesBefore) / buffered);
  await kafka.restart();
  const back = performance.now();
  await until(
    "no more than a second of load is left",
    () => unsentRecords(gateway),
    (unsent) => unsent < perSecond,
    {
      withinMs: drainedWithinMs,
      everyMs: 100,
    },
  );
  const drainSeconds = (performance.now() - back) / 1000;
  const report = await load.finish(60_000);
  await untilDrained(gateway);
  const { acked, delivered, duplicates, findings } = await reconcileKafka(rig.topics, [report]);
  publish(t, {
    proof: `Kafka away for ${awaySeconds} s under ${perSecond} messages/s, with a SIGKILL in the middle, strict order`,
    figures: {
      acked,
      delivered,
      lost: acked - delivered,
      duplicates,
      "out of order": findings.filter((finding) => finding.includes("came after")).length,
      buffered,
      "drained in s": drainSeconds.toFixed(1),
      "bytes on disk per message": diskBytesPerMessage,
      "write-ahead log in bytes": walBytes,
      "most messages in mosquitto": Math.max(heldBefore, heldAfter),
    },
  });
  assert.deepEqual(findings, []);
  assert.equal(report.inFlight, 0);
  assert(Math.max(heldBefore, heldAfter) <= perSecond, "mosquitto holds at most a second of load");
  assert(walBytes <= walBytesMax, `the write-ahead log has ${walBytes} bytes`);
  assert(diskBytesPerMessage <= bytesPerMessage, `${diskBytesPerMessage} bytes`);
});

test("the harness catches an agent that moves the cursor before Kafka has the records", async (t) => {
  const rig = await startRig(t, [`--import=${join(import.meta.dirname, "early-settle.ts")}`]);
  const { gateway, kafka, load } = rig;
  await kafka.kill();
  await pause(2_000);
  await gateway.service.kill();
  gateway.service.start();
  await kafka.restart();
  await untilConnected(gateway);
  const report = await load.finish(60_000);
  await untilQuiet(rig.topics);
  const { findings } = await reconcileKafka(rig.topics, [report]);
  assert.match(findings.join("\n"), /acknowledged but lost/);
});

async function startRig(t: TestContext, nodeOptions: readonly string[]) {
  const kafka = await startTestKafka(t);
  const topics = { bootstrap: kafka.bootstrap, topicPrefix: "away" };
  await createInstallationTopics(kafka.bootstrap, "away", gatewayPartitions);
  const mosquitto = await startMosquitto(t, { lines: ["sys_interval 1"] });
  const source = {
    name: "site",
    type: "mqtt",
    url: mosquitto.url,
    clientId: "gw-fault",
    topics: ["plant/#"],
    reconnectMaxMs: 500,
  };
  const gateway = await makeGateway(t, {
    kafka: topics,
    nodeOptions,
    forward: strictOrder,
    journal: { ballastBytes: 0 },
    sources: [source],
  });
  gateway.service.start();
  await untilConnected(gateway);
  const load = startLoad(t, { port: mosquitto.port, connections: 20, devices: 200, rate: perSecond });
  await until(
    "Kafka takes records",
    () => metricsOf(gateway),
    (m) => m.get("tidegate_forward_connected") === 1,
  );
  await until(
    "records were acknowledged",
    () => load.report(),
    ({ acked }) => acked > perSecond,
  );
  return { kafka, topics, gateway, load, held: await watchHeld(t, mosquitto) };
}

/** The agent has subscribed at mosquitto. */
async function untilConnected(gateway: Gateway): Promise<void> {
  const name = 'tidegate_source_connected{source="site",kind="mqtt"}';
  await until(
    "the agent has subscribed",
    () => metricsOf(gateway),
    (metrics) => metrics.get(name) === 1,
    {
      withinMs: 30_000,
    },
  );
}

/** Nothing more comes: what the agent takes for settled it will not send, so it cannot be asked. */
async function untilQuiet({ bootstrap, topicPrefix }: { bootstrap: string; topicPrefix: string }): Promise<void> {
  let before = -1;
  let since = performance.now();
  const isQuiet = (records: number): boolean => {
    if (records !== before) since = performance.now();
    before = records;
    return performance.now() - since > 2_000;
  };
  const records = async (): Promise<number> =>
    (await endOffsets(bootstrap, topicName(topicPrefix, "observations.v1"))).reduce((sum, end) => sum + end, 0);
  await until("no more records come", records, isQuiet, { withinMs: 60_000, everyMs: 200 });
}

function databaseBytes({ dataFolder }: Gateway): number {
  return statSync(join(dataFolder, "journal.db")).size;
}
