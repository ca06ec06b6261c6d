// Goal: wherever the agent is killed between receive, COMMIT, PUBACK, Kafka's acknowledgement and the cursor, nothing
// that was acknowledged is lost, no redelivery is journalled twice, and what is sent again keeps its number.
// Method: one agent under load, started again and again; each process kills itself at another place in the code, or is
// killed by strace at the nth system call that writes, syncs or talks. One reconciliation at the end.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { publish } from "../support/figures.ts";
import { reconcileKafka, untilDrained } from "../support/drained.ts";
import { gatewayPartitions, makeGateway, type Gateway } from "../support/gateway.ts";
import { startTestKafka } from "../support/kafka.ts";
import { startLoad } from "../support/load.ts";
import { runSeed, type Random } from "../support/seed.ts";
import { killingAt } from "../support/strace.ts";
import { createInstallationTopics } from "../support/topics.ts";
import { places } from "./failpoint.ts";
import { scaled } from "./scale.ts";

/** A process that does not come to its place ends after this. */
const livesAtMostMs = 30_000;
const syscalls = ["pwrite64", "fsync", "write", "writev"] as const;

interface Killing {
  readonly name: string;
  readonly wrapper: readonly string[];
}

test("FAULTS 1, 2, 3: a SIGKILL at any step between receive and cursor loses and doubles nothing", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const kafka = await startTestKafka(t);
  const topics = { bootstrap: kafka.bootstrap, topicPrefix: "kill" };
  await createInstallationTopics(kafka.bootstrap, "kill", gatewayPartitions);
  const killings = shuffled(random, [...atPlaces(random, scaled(1, 20)), ...atSyscalls(random, scaled(1, 60))]);
  const run = await runKilled(t, killings, topics);
  const result = await reconcileKafka(topics, [run.report]);
  const { acked, delivered, duplicates } = result;
  publish(t, {
    proof: "killed at chosen places and system calls, nothing acknowledged is lost or stored twice",
    seed: random.seed,
    figures: { ...run.hits, acked, delivered, duplicates, redelivered: run.report.redelivered },
  });
  assert.deepEqual(result.findings, []);
  for (const place of places) assert((run.hits[place] ?? 0) > 0, `no process was killed ${place}`);
  assert(run.report.redelivered > 0, "devices repeated themselves");
  assert.equal(run.report.inFlight, 0, "everything sent was acknowledged in the end");
});

async function runKilled(
  t: TestContext,
  killings: readonly Killing[],
  kafka: { bootstrap: string; topicPrefix: string },
) {
  let wrapper: readonly string[] = [];
  const gateway = await makeGateway(t, {
    kafka,
    wrapper: () => wrapper,
    nodeOptions: [`--import=${join(import.meta.dirname, "failpoint.ts")}`],
  });
  const load = startLoad(t, { port: gateway.port, connections: 4, devices: 16, rate: 400 });
  const hits: Record<string, number> = {};
  for (const killing of killings) {
    wrapper = killing.wrapper;
    if (await diesByItself(gateway)) hits[killing.name] = (hits[killing.name] ?? 0) + 1;
  }
  wrapper = [];
  gateway.service.start();
  await gateway.service.ready();
  const report = await load.finish(60_000);
  await untilDrained(gateway);
  await gateway.service.stop();
  return { hits, report };
}

async function diesByItself({ service }: Gateway): Promise<boolean> {
  service.start();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), livesAtMostMs)));
  const ended = await Promise.race([service.exited, late]);
  clearTimeout(timer);
  if (ended !== "late") return ended.signal === "SIGKILL";
  await service.kill();
  return false;
}

function atPlaces(random: Random, each: number): Killing[] {
  const nth = {
    "before PUBACK": 400,
    "after Kafka's acknowledgement": 3,
    "before a manifest": 1,
    "before the cursor": 3,
  } as Record<string, number>;
  return places.flatMap((place) =>
    Array.from({ length: each }, () => ({
      name: place,
      wrapper: ["env", `TIDEGATE_FAILPOINT=${place}@${random.between(1, nth[place] ?? 20)}`],
    })),
  );
}

function atSyscalls(random: Random, each: number): Killing[] {
  return syscalls.flatMap((syscall) =>
    Array.from({ length: each }, () => ({
      name: syscall,
      wrapper: killingAt(syscall, random.between(1, syscall === "writev" ? 10 : 150)),
    })),
  );
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
