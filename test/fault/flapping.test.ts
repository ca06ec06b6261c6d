// Goal: links that break and come back all the time leak nothing: no descriptor, no memory, no data.
// Method: fault proxies between devices and agent and between agent and Kafka flap at the same time, under load.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../demo/ports.ts";
import { reconcileKafka, untilDrained } from "../support/drained.ts";
import { publish } from "../support/figures.ts";
import { gatewayPartitions, startGateway } from "../support/gateway.ts";
import { startTestKafka } from "../support/kafka.ts";
import { startLoad } from "../support/load.ts";
import { flap, startProxy } from "../support/proxy.ts";
import { rssMbOf } from "../support/rss.ts";
import { createInstallationTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const cycles = scaled(60, 1_000);
const upMs = 100;
const downMs = 100;
const descriptorsMoreMax = 4;
/** Room for a heap that has not been collected, and no more. */
const rssShareMax = 1.35;

test("FAULTS 27: links that flap leak neither descriptors nor memory, and lose nothing", async (t) => {
  const port = await freePort();
  const kafkaLink = await startProxy(t, { port });
  const kafka = await startTestKafka(t, { port, advertisedPort: kafkaLink.port });
  const topics = { bootstrap: kafka.bootstrap, topicPrefix: "flap" };
  await createInstallationTopics(kafka.bootstrap, "flap", gatewayPartitions);
  const through = { bootstrap: `127.0.0.1:${kafkaLink.port}`, topicPrefix: "flap" };
  const gateway = await startGateway(t, { kafka: through });
  const devices = await startProxy(t, { port: gateway.port });
  const load = startLoad(t, { port: devices.port, connections: 10, devices: 40, rate: 300 });
  await until(
    "messages are acknowledged",
    () => load.report(),
    ({ acked }) => acked > 300,
  );
  // What is loaded and compiled for the first reconnections is no leak.
  await Promise.all([devices, kafkaLink].map((link) => flap(link, { cycles: 10, upMs, downMs })));
  await pause(1_000);
  const before = usageOf(gateway.service.pid);
  await Promise.all([devices, kafkaLink].map((link) => flap(link, { cycles, upMs, downMs })));
  const report = await load.finish(30_000);
  await untilDrained(gateway);
  const after = usageOf(gateway.service.pid);
  const { acked, delivered, duplicates, findings } = await reconcileKafka(topics, [report]);
  publish(t, {
    proof: `links to devices and to Kafka break ${cycles} times, every ${upMs + downMs} ms`,
    figures: {
      acked,
      delivered,
      duplicates,
      reconnections: report.connects,
      "descriptors before": before.descriptors,
      "descriptors after": after.descriptors,
      "MB before": before.rssMb,
      "MB after": after.rssMb,
    },
  });
  assert.deepEqual(findings, []);
  assert.equal(delivered, acked);
  assert(after.descriptors <= before.descriptors + descriptorsMoreMax);
  assert(after.rssMb <= before.rssMb * rssShareMax, `${before.rssMb} MB became ${after.rssMb} MB`);
});

function usageOf(pid: number): { descriptors: number; rssMb: number } {
  return { descriptors: readdirSync(`/proc/${pid}/fd`).length, rssMb: rssMbOf(pid) };
}
