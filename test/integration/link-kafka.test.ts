// Goal: whatever the line to a real broker does (it flaps, drops connections at random, is slow, goes silent without a
// word, loses answers), nothing is lost, first copies stay in order, and records flow again by themselves.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import { freePort } from "../../demo/ports.ts";
import { Forwarder } from "../../edge/forward/forwarder.ts";
import { forwardOptions, type ForwardOptions } from "../../edge/forward/options.ts";
import { KafkaSink } from "../../edge/sinks/kafka/sink.ts";
import { systemClock } from "../../src/clock.ts";
import { topicSpecs } from "../../src/wire/streams.ts";
import { readTopic } from "../support/consume.ts";
import { FakeForwardJournal } from "../support/fake-forward-journal.ts";
import { startTestKafka } from "../support/kafka.ts";
import { flap, startProxy, type FaultProxy } from "../support/proxy.ts";
import { runSeed } from "../support/seed.ts";
import { createTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";

const partitions = 4;
const rowsPerCommit = 20;
const commitEveryMs = 20;
const patient = { withinMs: 60_000, everyMs: 100 };

interface Bench {
  readonly link: FaultProxy;
  readonly journal: FakeForwardJournal;
  readonly forwarder: Forwarder;
  readonly bootstrap: string;
  /** Everything so far is in Kafka. */
  settled(): Promise<void>;
  stopLoad(): void;
}

/** A forwarder behind a line that can break, under constant load. */
async function start(t: TestContext): Promise<Bench> {
  const port = await freePort();
  const link = await startProxy(t, { port });
  const broker = await startTestKafka(t, { port, advertisedPort: link.port });
  const topics = topicSpecs("t").map(({ name }) => name);
  await createTopics(broker.bootstrap, topics, partitions);
  const brokers = [`127.0.0.1:${link.port}`];
  const sink = new KafkaSink("gw-1", { brokers, topicPrefix: "t", partitions, valueBytesMax: 900_000 });
  const journal = new FakeForwardJournal();
  const options = { ...(Value.Default(forwardOptions, {}) as ForwardOptions), retryMaxMs: 2000 };
  const forwarder = new Forwarder({ sink, journal, clock: systemClock, options, topicPrefix: "t", partitions });
  await forwarder.start();
  const load = setInterval(() => {
    const records = Array.from({ length: rowsPerCommit }, (_, i) => {
      return { stream: "observations" as const, device: `d${i % 8}`, partition: i % partitions };
    });
    for (const block of journal.append(records)) forwarder.accept(block);
  }, commitEveryMs);
  t.after(async () => {
    clearInterval(load);
    await forwarder.stop(0);
    await sink[Symbol.asyncDispose]();
  });
  const settled = async (): Promise<void> => {
    const newest = journal.blocks.at(-1)!.id;
    const isSettled = (): boolean => journal.settled.get("telemetry")?.covers(1, newest) === true;
    await until("everything so far is settled", isSettled, Boolean, patient);
  };
  await until("connected", () => forwarder.report().state === "connected", Boolean, patient);
  return { link, journal, forwarder, bootstrap: broker.bootstrap, settled, stopLoad: () => clearInterval(load) };
}

const troubles: readonly { name: string; trouble: (bench: Bench, t: TestContext) => Promise<void> }[] = [
  { name: "a line that flaps", trouble: ({ link }) => flap(link, { cycles: 40, upMs: 60, downMs: 60 }) },
  {
    name: "a line that resets one portion in ten and is slow",
    trouble: async ({ link }, t) => {
      link.fault("up", { kind: "reset", share: 0.1, random: runSeed((line) => t.diagnostic(line)) });
      link.fault("down", { kind: "delay", ms: 100 });
      await pause(6000);
    },
  },
  {
    name: "answers that are lost",
    trouble: async ({ link }) => {
      for (let n = 0; n < 10; n++) {
        link.fault("down", { kind: "drop" });
        await pause(200);
        link.cut();
        link.fault("both", { kind: "none" });
        await pause(200);
      }
    },
  },
  {
    name: "a line that goes silent and closes nothing",
    trouble: async ({ link, forwarder }) => {
      link.fault("both", { kind: "blackhole" });
      const hasFault = (): boolean => forwarder.report().fault?.kind === "connection";
      await until("the silence is noticed", hasFault, Boolean, patient);
    },
  },
];

test("nothing is lost on a bad line, and it goes on by itself", async (t) => {
  const bench = await start(t);
  for (const { name, trouble } of troubles) {
    await trouble(bench, t);
    bench.link.fault("both", { kind: "none" });
    const healedMs = performance.now();
    await bench.settled();
    t.diagnostic(`${name}: all settled ${Math.round(performance.now() - healedMs)} ms after it was over`);
  }
  bench.stopLoad();
  await bench.settled();
  const arrived = await readTopic(bench.bootstrap, "t.observations.v1");
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { key, headers } of arrived) {
    const seq = Number(headers.get("tg_seq"));
    const track = `${key}/${headers.has("tg_backfill")}`;
    if (seen.has(`${key}/${seq}`)) continue;
    seen.add(`${key}/${seq}`);
    assert.ok(seq > (last.get(track) ?? 0), `${track}: ${seq} after ${last.get(track)}`);
    last.set(track, seq);
  }
  const lost = bench.journal.appended.filter(({ device, seq }) => !seen.has(`${device}/${seq}`));
  assert.deepEqual(lost.slice(0, 10), [], `${lost.length} of ${bench.journal.appended.length} are lost`);
  t.diagnostic(`${seen.size} records, ${arrived.length - seen.size} copies`);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
