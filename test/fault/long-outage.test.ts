// Goal: 72 hours without Kafka, the journal full to its quota, then live data beside the backlog: what had to go is named
// number by number, the rest arrives, in order, while live data stays quick and memory flat.
// Method: 72 hours of plant data written into a journal on a clock that is moved by hand, by the product's own store;
// then an agent starts on that folder, with a real Kafka and live load.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { Store } from "../../edge/journal/store.ts";
import { ManualClock } from "../../src/clock.ts";
import { encodeObservation, observationPrefix } from "../../src/observation/observation.ts";
import { topicName } from "../../src/wire/streams.ts";
import { endOffsets } from "../support/consume.ts";
import { reconcileKafka, unsentRecords, untilDrained } from "../support/drained.ts";
import { publish } from "../support/figures.ts";
import { gatewayId, gatewayPartitions, startGateway } from "../support/gateway.ts";
import type { GeneratorReport } from "../support/generator/generator.ts";
import { startTestKafka } from "../support/kafka.ts";
import { startLoad } from "../support/load.ts";
import { temporaryFolder } from "../support/processes.ts";
import { rssMbOf } from "../support/rss.ts";
import { reconcile } from "../support/reconcile.ts";
import { GroupMaker, storeOptions, type TestRecord } from "../support/records.ts";
import { createInstallationTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const outageHours = 72;
/** One commit stands for this much of the outage. */
const stepSeconds = scaled(300, 40);
const perCommit = scaled(90, 240);
const devices = 40;
/** Of each record, incompressible: so that the outage fills the quota. */
const noiseBytes = 200;
/** A good part of what is simulated does not fit. */
const quotaBytes = scaled(16_777_216, 134_217_728);
const livePerSecond = 200;
/** A backlog must drain at ten times the live load at least. */
const drainFactor = 10;
const rssMbMax = 400;

test("FAULTS 39: 72 hours without Kafka: what had to go is named, the rest drains beside live data", async (t) => {
  const dataFolder = join(await temporaryFolder(t), "data");
  const simulated = simulate(dataFolder);
  const kafka = await startTestKafka(t);
  const topics = { bootstrap: kafka.bootstrap, topicPrefix: "long" };
  await createInstallationTopics(kafka.bootstrap, "long", gatewayPartitions);
  const gateway = await startGateway(t, { dataFolder, kafka: topics, journal: { quotaBytes, ballastBytes: 0 } });
  const load = startLoad(t, { port: gateway.port, connections: 4, devices: 20, rate: livePerSecond });
  let rssMb = 0;
  const arrived = async (): Promise<number> =>
    (await endOffsets(kafka.bootstrap, topicName("long", "observations.v1"))).reduce((sum, end) => sum + end, 0);
  await until("records arrive", arrived);
  const [startMs, before] = [performance.now(), await arrived()];
  await until(
    "the backlog is drained",
    async () => {
      rssMb = Math.max(rssMb, rssMbOf(gateway.service.pid));
      return unsentRecords(gateway);
    },
    (unsent) => unsent < livePerSecond,
    { withinMs: scaled(120_000, 600_000), everyMs: 100 },
  );
  const seconds = (performance.now() - startMs) / 1000;
  const perSecond = Math.round(((await arrived()) - before) / seconds);
  const live = await load.finish(30_000);
  await untilDrained(gateway);
  const reports = [simulated.report, live];
  const { acked, delivered, ledgered, duplicates, findings } = await reconcileKafka(topics, reports);
  publish(t, {
    proof: `${outageHours} hours without Kafka, compressed; the journal at its quota of ${quotaBytes} bytes`,
    figures: {
      "simulated records": simulated.records,
      acked,
      delivered,
      "named in the ledger": ledgered,
      lost: acked - delivered - ledgered,
      duplicates,
      "drained per s": perSecond,
      "PUBACK p99 of live data in ms": Math.round(live.latencyMs.p99),
      "most MB": rssMb,
    },
  });
  assert.deepEqual(findings, []);
  assert.equal(acked - delivered - ledgered, 0);
  assert(ledgered > 0, "the quota was reached");
  assert(perSecond >= drainFactor * livePerSecond, `${perSecond}/s`);
  assert(live.latencyMs.p99 <= 2_000, `live data waited ${live.latencyMs.p99} ms`);
  assert(rssMb <= rssMbMax, `${rssMb} MB`);
});

test("the harness catches a loss that the ledger does not name", () => {
  const sent = { "press-1": { sent: 2, acked: [1, 2] } };
  const { findings } = reconcile({ sent, observations: [], ledger: [], quarantined: {} });
  assert.match(findings.join("\n"), /acknowledged but lost/);
});

/** Writes the outage; returns what a generator would have been acknowledged. */
function simulate(folder: string): { report: Pick<GeneratorReport, "devices">; records: number } {
  const nowMicros = Date.now() * 1000;
  const clock = new ManualClock(nowMicros - outageHours * 3600e6);
  const store = Store.open(
    storeOptions(folder, { gateway: gatewayId, partitions: gatewayPartitions, quotaBytes }),
    clock,
  );
  const groups = new GroupMaker(gatewayPartitions, 1_048_576);
  let n = 0;
  const commits = Math.floor((outageHours * 3600) / stepSeconds);
  for (let commit = 1; commit <= commits; commit++) {
    clock.advanceMs(stepSeconds * 1000);
    const records: TestRecord[] = [];
    for (let i = 0; i < perCommit; i++) records.push(observationOf(n + i, clock.nowMicros()));
    n += perCommit;
    assert.equal(store.commit(groups.group(records)).kind, "stored");
    groups.forget();
    if (commit % 50 === 0) while (store.reclaim().more);
    if (commit % 20 === 0) store.writeManifest();
  }
  while (store.reclaim().more);
  store.close();
  const each = n / devices;
  const report: Pick<GeneratorReport, "devices"> = {
    devices: Object.fromEntries(
      Array.from({ length: devices }, (_, device) => [`long-${device}`, { sent: each, acked: [1, each] }] as const),
    ),
  };
  return { report, records: n };
}

function observationOf(index: number, timeMicros: number): TestRecord {
  const device = `long-${index % devices}`;
  const path = "acme/berlin/press-shop/line-1";
  const n = Math.floor(index / devices) + 1;
  const values = { n, temperature: 20 + ((n * 7) % 4000) / 100, noise: randomBytes(noiseBytes).toString("base64") };
  const prefix = observationPrefix(device, path);
  const observation = { device, path, timeMicros, receivedMicros: timeMicros, clock: "synced" as const, values };
  return {
    stream: "observations",
    device,
    value: encodeObservation(
      { ...observation, timeSource: "device", quality: {}, exact: {}, implausibleTime: false },
      prefix,
    ),
    timeMicros,
    timeAt: Buffer.byteLength(prefix),
  };
}
