// Goal: a wall clock that is set, far and often, changes the times in the data and nothing else: nothing is lost, order
// goes by number, Kafka takes what it took before, and no timer storms.
// Method: an agent whose Date.now is moved from outside, under load into a real Kafka.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { reconcileKafka, untilDrained } from "../support/drained.ts";
import { publish } from "../support/figures.ts";
import { gatewayPartitions, startGateway } from "../support/gateway.ts";
import { startTestKafka } from "../support/kafka.ts";
import { startLoad } from "../support/load.ts";
import { temporaryFolder } from "../support/processes.ts";
import { createInstallationTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const hourMs = 3_600_000;
const steps = [
  { name: "an hour back", offsetMs: -hourMs },
  { name: "right again", offsetMs: 0 },
  { name: "ten years ahead", offsetMs: 10 * 365 * 24 * hourMs },
  { name: "1970", offsetMs: -Date.now() },
  { name: "right at last", offsetMs: 0 },
];

test("FAULTS 21: a clock that is set back, ahead and to 1970 costs neither data nor order", async (t) => {
  const kafka = await startTestKafka(t);
  const topics = { bootstrap: kafka.bootstrap, topicPrefix: "clock" };
  await createInstallationTopics(kafka.bootstrap, "clock", gatewayPartitions);
  const clock = join(await temporaryFolder(t), "offset");
  writeFileSync(clock, "0");
  const gateway = await startGateway(t, {
    kafka: topics,
    nodeOptions: [`--import=${join(import.meta.dirname, "wall-clock.ts")}`],
    env: { TIDEGATE_CLOCK_FILE: clock },
  });
  const load = startLoad(t, { port: gateway.port, connections: 4, devices: 20, rate: 300 });
  for (const { name, offsetMs } of steps) {
    writeFileSync(clock, String(offsetMs));
    await pause(scaled(2_500, 20_000));
    const before = (await load.report()).acked;
    await until(
      `acknowledgements go on: ${name}`,
      () => load.report(),
      ({ acked }) => acked > before + 100,
    );
  }
  const report = await load.finish(30_000);
  const drainedMs = await untilDrained(gateway);
  const { acked, delivered, quarantined, findings } = await reconcileKafka(topics, [report]);
  const figures = { acked, delivered, quarantined, "drained after s": (drainedMs / 1000).toFixed(1) };
  publish(t, { proof: "a wall clock that is set back an hour, ahead ten years, to 1970 and right again", figures });
  assert.deepEqual(findings, []);
  assert.equal(delivered, acked);
  assert.deepEqual([...gateway.service.unasked], []);
});
