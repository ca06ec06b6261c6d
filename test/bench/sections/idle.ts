import { setTimeout as sleep } from "node:timers/promises";
import { assertAlive, createBenchTopics, startAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { Scope } from "../scope.ts";
import { usageOf } from "../usage.ts";

/** By then the start is over: modules compiled, Kafka connected, the first manifest and status written. */
const settleMs = 12_000;
const windowMs = 10_000;

/** An agent that nobody sends anything, connected to Kafka: what it costs to have it. */
export async function measureIdle(bench: Bench): Promise<void> {
  const kafka = await bench.kafka();
  await using scope = new Scope();
  await createBenchTopics(kafka.bootstrap, "idle");
  const agent = await startAgent(bench, scope, { bootstrap: kafka.bootstrap, topicPrefix: "idle" });
  await sleep(settleMs);
  const before = usageOf(agent.service.pid);
  await sleep(windowMs);
  const after = usageOf(agent.service.pid);
  assertAlive(agent);
  await agent.service.kill();
  bench.results.add({
    "idle.cpu": ((after.cpuSeconds - before.cpuSeconds) / windowMs) * 1000 * 100,
    "idle.rss": after.rssBytes / 1e6,
  });
}
