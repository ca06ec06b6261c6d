// Goal: three brokers that restart in turn, in order or killed, cost nothing: what was acknowledged arrives, first copies
// are in order, and records flow while two of the three are up.
// Method: a real cluster, topics with three replicas and min.insync.replicas=2, a real agent under load. A broker is killed
// while the others are frozen, so that it takes with it what only it had; at the end two are gone at once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import { topicName } from "../../src/wire/streams.ts";
import { endOffsets } from "../support/consume.ts";
import { reconcileKafka, untilDrained } from "../support/drained.ts";
import { publish } from "../support/figures.ts";
import { gatewayPartitions, startGateway } from "../support/gateway.ts";
import { startTestCluster } from "../support/kafka-cluster.ts";
import { startLoad } from "../support/load.ts";
import { runSeed, type Random } from "../support/seed.ts";
import { createInstallationTopics, partitionsOf } from "../support/topics.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const restarts = scaled(2, 30);
const topicPrefix = "rolling";
const topic = topicName(topicPrefix, "observations.v1");
/** Records that must arrive while a broker is down: the others lead its partitions within this time. */
const goesOn = { withinMs: 30_000, everyMs: 200 };

test("FAULTS 29: three brokers that restart in turn lose nothing, and order stays", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const cluster = await startTestCluster(t);
  const brokers = cluster.map(({ bootstrap }) => bootstrap);
  await createInstallationTopics(brokers[0]!, topicPrefix, gatewayPartitions);
  const gateway = await startGateway(t, { kafka: { bootstrap: brokers[0]!, brokers, topicPrefix } });
  const load = startLoad(t, { port: gateway.port, connections: 4, devices: 40, rate: 300 });
  await until(
    "messages are acknowledged",
    () => load.report(),
    ({ acked }) => acked > 300,
  );
  let moved = 0;
  let slowestMs = 0;
  const firstOf = random.between(0, 5);
  for (let restart = 0; restart < restarts; restart++) {
    const broker = cluster[(firstOf + restart) % cluster.length]!;
    const up = cluster.find((other) => other !== broker)!;
    await untilReplicated(up);
    const before = await leadersOf(up);
    await ((firstOf + restart) % 2 === 0 ? broker.stop() : killAhead(random, broker, cluster));
    const wentMs = performance.now();
    await untilWritten(up);
    slowestMs = Math.max(slowestMs, performance.now() - wentMs);
    const after = await leadersOf(up);
    moved += after.filter((leader, partition) => leader !== before[partition]).length;
    await pause(random.between(0, 1_000));
    await broker.restart();
  }
  await untilReplicated(cluster[0]!);
  const two = cluster.filter((_, i) => i !== firstOf % cluster.length);
  await Promise.all(two.map((broker) => broker.kill()));
  // Longer than the client tries by itself, so that our own repetition is needed.
  await pause(15_000);
  await Promise.all(two.map((broker) => broker.restart()));
  await untilReplicated(cluster[0]!);
  const report = await load.finish(30_000);
  await untilDrained(gateway);
  const { acked, delivered, duplicates, findings } = await reconcileKafka({ bootstrap: brokers[0]!, topicPrefix }, [
    report,
  ]);
  publish(t, {
    proof: "three brokers restart in turn, every other one killed; two at once",
    seed: random.seed,
    figures: {
      restarts,
      "leaders moved": moved,
      acked,
      delivered,
      lost: acked - delivered,
      duplicates,
      "every partition written again after s": (slowestMs / 1000).toFixed(1),
    },
  });
  assert.deepEqual(findings, []);
  assert.equal(delivered, acked);
  assert(moved >= restarts, "every restart moves a leader");
  assert.deepEqual([...gateway.service.unasked], []);
});

/** SIGKILL to a broker that has what the others do not have yet: they are frozen, for less than makes them lose their sessions. */
async function killAhead(random: Random, broker: KafkaBroker, cluster: readonly KafkaBroker[]): Promise<void> {
  const others = cluster.filter((other) => other !== broker);
  for (const { pid } of others) process.kill(pid, "SIGSTOP");
  await pause(random.between(500, 1_000));
  await broker.kill();
  for (const { pid } of others) process.kill(pid, "SIGCONT");
}

/** Every replica has everything, so that the next broker may go. */
async function untilReplicated({ bootstrap }: KafkaBroker): Promise<void> {
  await until(
    "all replicas are in sync",
    () => partitionsOf(bootstrap, topic),
    (partitions) => partitions.every(({ isr }) => isr.length === 3),
    { withinMs: 60_000, everyMs: 200 },
  );
}

async function leadersOf({ bootstrap }: KafkaBroker): Promise<number[]> {
  return (await partitionsOf(bootstrap, topic)).map(({ leader }) => leader);
}

/** Every partition takes records: also those whose leader has gone. */
async function untilWritten({ bootstrap }: KafkaBroker): Promise<void> {
  await until(
    "every partition has a leader that runs",
    () => partitionsOf(bootstrap, topic),
    (partitions) => partitions.every(({ leader, isr }) => isr.includes(leader) && isr.length === 2),
    goesOn,
  );
  const before = await endOffsets(bootstrap, topic);
  await until(
    "every partition takes records",
    () => endOffsets(bootstrap, topic),
    (ends) => ends.every((end, partition) => end > before[partition]!),
    goesOn,
  );
}
