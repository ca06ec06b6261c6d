// Goal: whatever is killed and whenever, acknowledged = delivered ∪ quarantined ∪ ledgered ∪ still in the journal, no
// redelivery is journalled twice, and the fleet's figures are those of the distinct records.
// Method: a seeded schedule kills the edge agent, the cloud service and Kafka more than 50 times while links break, under
// load into the embedded broker and through mosquitto; one reconciliation at the end. The same harness must catch an
// agent that acknowledges too early, and one that does not recognise redeliveries.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { LedgerRecord } from "../../src/wire/records.ts";
import { runChaos, type Link, type Torment } from "../support/chaos.ts";
import { rollupsOf, untilComplete, type Totals } from "../support/cloud.ts";
import { readTopic } from "../support/consume.ts";
import { compareRollups } from "../support/fleet-reference.ts";
import type { GeneratorReport } from "../support/generator/generator.ts";
import { startLoad, type Load } from "../support/load.ts";
import { reconcile, type DistinctRecord, type Reconciliation } from "../support/reconcile.ts";
import { runSeed } from "../support/seed.ts";
import { startSite, type Site } from "../support/site.ts";
import { until } from "../support/until.ts";

const drainWithinMs = 90_000;

test("nothing acknowledged is lost and everything counts once, over 50 kills and broken links", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const site = await startSite(t);
  const loads = await startLoads(t, site);
  const chaos = await runChaos(random, torments(site), links(site));
  t.diagnostic(JSON.stringify(chaos));
  assert(sum(Object.values(chaos.kills)) >= 50);
  const reports = await finish(loads);
  const result = await settled(site, reports);
  t.diagnostic(summary(result, reports));
  assert.deepEqual([...site.edge.unasked, ...site.cloud.unasked], []);
  assert(sum(reports.map(({ redelivered }) => redelivered)) > 0, "the faults made devices repeat themselves");
  assert.deepEqual(result.findings, []);
  assert.deepEqual(await fleetFindings(site, result.distinct), []);
});

const broken = [
  { name: "an agent that acknowledges before the commit", preload: "early-ack.ts", finds: /acknowledged but lost/ },
  { name: "an agent that does not recognise redeliveries", preload: "forgetful.ts", finds: /journalled twice/ },
];

for (const { name, preload, finds } of broken) {
  test(`the harness catches ${name}`, async (t) => {
    const random = runSeed((line) => t.diagnostic(line));
    const site = await startSite(t, { edgeNodeOptions: [`--import=${join(import.meta.dirname, preload)}`] });
    const loads = await startLoads(t, site);
    const edge: Torment = { victim: site.edge, kills: 5, uptimeMs: [300, 800], earlyShare: 0, startMs: 0 };
    await runChaos(random, [edge], links(site));
    const reports = await finish(loads);
    const result = await settled(site, reports);
    assert.match(result.findings.join("\n"), finds);
  });
}

/** Direct devices, and others behind mosquitto; both have at least one acknowledged message per connection. */
async function startLoads(t: TestContext, site: Site): Promise<Load[]> {
  const direct = startLoad(t, { port: site.links.devices.port, connections: 8, devices: 40, rate: 1500 });
  const behind = { topic: "site/{line}/{device}/data", devicePrefix: "site-", connections: 4, devices: 20, rate: 500 };
  const loads = [direct, startLoad(t, { port: site.mosquitto.port, ...behind })];
  for (const load of loads) {
    await until("every device was acknowledged", () => load.report(), everyDeviceAcked, { withinMs: 20_000 });
  }
  return loads;
}

function everyDeviceAcked({ devices }: GeneratorReport): boolean {
  return Object.values(devices).every(({ acked }) => acked.length > 0);
}

function torments({ edge, cloud, kafka }: Site): Torment[] {
  const broker = { name: "kafka", kill: () => kafka.kill(), start: () => kafka.restart(), ready: async () => {} };
  return [
    { victim: edge, kills: 28, uptimeMs: [200, 2500], earlyShare: 0.2, startMs: 1500 },
    { victim: cloud, kills: 16, uptimeMs: [500, 4000], earlyShare: 0.2, startMs: 1500 },
    { victim: broker, kills: 8, uptimeMs: [2000, 6000], earlyShare: 0, startMs: 0 },
  ];
}

function links({ links }: Site): Link[] {
  return [
    { name: "devices", proxy: links.devices, acks: "down" },
    { name: "mosquitto", proxy: links.mosquitto, acks: "up" },
    { name: "kafka", proxy: links.kafka, acks: "down" },
  ];
}

/** Devices stop; the agent must have recovered by itself and acknowledge all that is outstanding. */
async function finish(loads: readonly Load[]): Promise<GeneratorReport[]> {
  const reports = await Promise.all(loads.map((load) => load.finish(drainWithinMs)));
  for (const report of reports) {
    assert.equal(report.inFlight, 0, "everything sent is acknowledged in the end");
    assert.equal(report.sessionsLost, 0, "sessions survive");
    assert.equal(report.strayAcks, 0, "only what was sent is acknowledged");
  }
  assert.equal(reports[0]!.unorderedAcks, 0, "PUBACKs come in order [MQTT-4.6.0-2]");
  return reports;
}

async function reconciled(site: Site, reports: readonly GeneratorReport[]): Promise<Reconciliation> {
  const topic = (name: string): string => `${site.topicPrefix}.${name}`;
  const observations = await readTopic(site.kafka.bootstrap, topic("observations.v1"));
  const ledger = await readTopic(site.kafka.bootstrap, topic("ledger.v1"));
  const quarantine = await readTopic(site.kafka.bootstrap, topic("quarantine.v1"));
  const losses = ledger
    .map(({ value }) => JSON.parse(value.toString("utf8")) as LedgerRecord)
    .filter(({ kind, stream }) => kind === "loss" && stream === "observations");
  return reconcile({
    sent: Object.assign({}, ...reports.map(({ devices }) => devices)) as GeneratorReport["devices"],
    observations,
    ledger: losses,
    quarantined: quarantine.length === 0 ? {} : { quarantine: quarantine.length },
  });
}

/**
 * Waits until nothing more can come: the cloud service proves every device complete, and of each device the newest
 * acknowledged message is there.
 */
async function settled(site: Site, reports: readonly GeneratorReport[]): Promise<Reconciliation> {
  const look = async (): Promise<Reconciliation> => {
    await untilComplete(site, 0, drainWithinMs);
    return reconciled(site, reports);
  };
  const newest = newestAcked(reports);
  const all = ({ distinct }: Reconciliation): boolean => {
    const seen = new Map<string, number>();
    for (const { device, n } of distinct) seen.set(device, Math.max(n, seen.get(device) ?? 0));
    return [...newest].every(([device, n]) => (seen.get(device) ?? 0) >= n);
  };
  return until("the newest message of each device is in Kafka", look, all, { withinMs: drainWithinMs, everyMs: 1000 });
}

function newestAcked(reports: readonly GeneratorReport[]): Map<string, number> {
  const devices = reports.flatMap((report) => Object.entries(report.devices));
  return new Map(devices.map(([device, { acked }]) => [device, acked.at(-1) ?? 0]));
}

async function fleetFindings(site: Site, distinct: readonly DistinctRecord[]): Promise<string[]> {
  const totals = await until(
    "the cloud has folded every distinct record, and nothing is missing",
    () => site.api<Totals>("/totals"),
    ({ caughtUp, recordsInRollups, missing }) => caughtUp && missing === 0 && recordsInRollups >= distinct.length,
    { withinMs: drainWithinMs, everyMs: 500 },
  );
  assert.equal(totals.distinctRecords, distinct.length);
  assert.equal(totals.rejected, 0);
  const devices = [...new Set(distinct.map(({ device }) => device))];
  const perDevice = await Promise.all(devices.map((device) => rollupsOf(site, "device", device)));
  return [
    ...compareRollups(perDevice.flat(), distinct, ({ device }) => device),
    ...compareRollups(await rollupsOf(site, "fleet", "fleet"), distinct, () => "fleet"),
  ];
}

function summary(result: Reconciliation, reports: readonly GeneratorReport[]): string {
  const { acked, delivered, duplicates, ledgered, quarantined } = result;
  const redelivered = sum(reports.map((report) => report.redelivered));
  return JSON.stringify({ acked, delivered, duplicates, ledgered, quarantined, redelivered });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
