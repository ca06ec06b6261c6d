import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { LedgerRecord } from "../../src/wire/records.ts";
import { rollupsOf, untilComplete, type Totals } from "../support/cloud.ts";
import { readTopic } from "../support/consume.ts";
import { compareRollups } from "../support/fleet-reference.ts";
import type { GeneratorReport } from "../support/generator/generator.ts";
import { everyDeviceAcked, startLoad, type Load } from "../support/load.ts";
import { reconcile, type DistinctRecord, type Reconciliation } from "../support/reconcile.ts";
import type { Site } from "../support/site.ts";
import { until } from "../support/until.ts";

/*
 * The conservation of a whole installation: devices know what was acknowledged, Kafka and the cloud's API say what
 * became of it.
 */
const drainWithinMs = 90_000;
const lookMs = 10_000;

/** Direct devices, and others behind mosquitto; both have at least one acknowledged message per device. */
export async function startLoads(t: TestContext, site: Site, perSecond: number): Promise<Load[]> {
  const fleet = { connections: 8, devices: 40, rate: perSecond * 0.75 };
  const direct = startLoad(t, { port: site.links.devices.port, ...fleet });
  const small = { connections: 4, devices: 20, rate: perSecond * 0.25 };
  const behind = { topic: "site/{line}/{device}/data", devicePrefix: "site-", ...small };
  const loads = [direct, startLoad(t, { port: site.mosquitto.port, ...behind })];
  for (const load of loads) await everyDeviceAcked(load);
  return loads;
}

/** Devices stop; the agent must have recovered by itself and acknowledge all that is outstanding. */
export async function finish(loads: readonly Load[]): Promise<GeneratorReport[]> {
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

/** As long as records still come in: the backlog of a long run takes its time, and only one that stands still is a finding. */
async function untilCompleteOrStill(site: Site): Promise<void> {
  let records = -1;
  let sinceMs = performance.now();
  for (;;) {
    try {
      return await untilComplete(site, 0, lookMs);
    } catch (error) {
      const { distinctRecords } = await site.api<Totals>("/totals");
      if (distinctRecords > records) sinceMs = performance.now();
      else if (performance.now() - sinceMs > drainWithinMs) throw error;
      records = distinctRecords;
    }
  }
}

/**
 * Waits until nothing more can come: the cloud service proves every device complete, and of each device the newest
 * acknowledged message is there. Where that never happens, the findings say what is there instead.
 */
export async function settled(site: Site, reports: readonly GeneratorReport[]): Promise<Reconciliation> {
  const newest = newestAcked(reports);
  const all = ({ distinct }: Reconciliation): boolean => {
    const seen = new Map<string, number>();
    for (const { device, n } of distinct) seen.set(device, Math.max(n, seen.get(device) ?? 0));
    return [...newest].every(([device, n]) => (seen.get(device) ?? 0) >= n);
  };
  const look = async (): Promise<Reconciliation> => {
    await untilComplete(site, 0, drainWithinMs);
    return reconciled(site, reports);
  };
  try {
    await untilCompleteOrStill(site);
    return await until("each device's newest message is in Kafka", look, all, {
      withinMs: drainWithinMs,
      everyMs: 1000,
    });
  } catch (error) {
    const result = await reconciled(site, reports);
    const reason = error instanceof Error ? error.message.slice(0, 1000) : String(error);
    return { ...result, findings: [...result.findings, reason] };
  }
}

function newestAcked(reports: readonly GeneratorReport[]): Map<string, number> {
  const devices = reports.flatMap((report) => Object.entries(report.devices));
  return new Map(devices.map(([device, { acked }]) => [device, acked.at(-1) ?? 0]));
}

export async function fleetFindings(site: Site, distinct: readonly DistinctRecord[]): Promise<string[]> {
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

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
