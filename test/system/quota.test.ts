// Goal: everything that a full buffer dropped is named, number by number, and the cloud's account is the same, number by
// number: what arrived, what is lost, and nothing else. What was dropped while it was being sent and had arrived after
// all counts as arrived.
// Method: a small quota, Kafka first without answers and then away, more load than fits; then three accounts are compared:
// the numbers that manifests claim, what lies in Kafka, and what stands in the cloud's store.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { headerNames } from "../../src/wire/headers.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import type { LedgerRecord, LossReason, ManifestRecord } from "../../src/wire/records.ts";
import { topicName } from "../../src/wire/streams.ts";
import { untilComplete, type DeviceState, type Totals } from "../support/cloud.ts";
import { readTopic } from "../support/consume.ts";
import { untilDrained } from "../support/drained.ts";
import { publish as publishFigures } from "../support/figures.ts";
import { metricsOf } from "../support/gateway.ts";
import type { GeneratorReport } from "../support/generator/generator.ts";
import { startLoad } from "../support/load.ts";
import { ackedOf, devicesPerLoad, publish, startLinkedPlant, topicPrefix, type Plant } from "../support/plant.ts";
import { until } from "../support/until.ts";

/** Of each (epoch, device). */
interface Account {
  readonly claimed: number;
  readonly received: Ranges;
  readonly ledgered: Ranges;
  /** Of these: dropped before the forwarder had them, so nobody can have sent them. */
  readonly neverSent: Ranges;
  /** Of these: dropped while they were being sent, or about to be. */
  readonly maybeDelivered: Ranges;
}

test("what the quota dropped is named record by record, and the cloud agrees", async (t) => {
  const journal = { quotaBytes: 16_777_216, ballastBytes: 10_000_000, replayWindowHours: 0 };
  // Blocks that were just committed and wait in memory may be sent without the journal knowing it before it drops them.
  const forward = { liveBytesMax: 0 };
  const plant = await startLinkedPlant(t, { journal, forward });
  const { gateway, cloud, kafka, link } = plant;
  const reports = [await publish(t, gateway, "d-", 1000)];
  // Kafka takes it, and nobody hears of it: from the gateway's view it may or may not be there.
  link.fault("down", { kind: "drop" });
  reports.push(await publish(t, gateway, "e-", 2000));
  link.fault("down", { kind: "none" });
  link.refuse(true);
  link.cut();
  reports.push(await overflow(t, plant));
  link.refuse(false);
  await untilDrained(gateway, 90_000);
  await untilComplete(cloud, devicesPerLoad * 3, 90_000);

  const accounts = await accountsInKafka(kafka.bootstrap);
  const sums = { claimed: 0, received: 0, ledgered: 0, both: 0, maybeDelivered: 0, arrivedOfThese: 0 };
  for (const [name, { claimed, received, ledgered, neverSent, maybeDelivered }] of accounts) {
    assert.deepEqual(
      common(neverSent, received).pairs(),
      [],
      `${name}: what is named as dropped unsent has not arrived`,
    );
    const all = new Ranges(received.toJSON());
    for (const [first, last] of ledgered.pairs()) all.add(first, last);
    assert.deepEqual(all.pairs(), [[1, claimed]], `${name}: every number has arrived or is named, and no other`);
    sums.claimed += claimed;
    sums.received += received.count;
    sums.ledgered += ledgered.count;
    sums.both += received.count + ledgered.count - all.count;
    sums.maybeDelivered += maybeDelivered.count;
    sums.arrivedOfThese += common(maybeDelivered, received).count;
  }
  assert.equal(sums.claimed, ackedOf(reports), "what was acknowledged has a number");
  assert(sums.arrivedOfThese > 0, "some of what was dropped while it was being sent had arrived");

  const totals = await cloud.api<Totals>("/totals");
  assert.deepEqual(
    [totals.distinctRecords, totals.ledgered, totals.missing],
    [sums.received, sums.ledgered - sums.both, 0],
    "received beats ledgered",
  );
  const devices = (await cloud.api<{ devices: DeviceState[] }>("/devices?limit=1000")).devices;
  assert.equal(
    devices.reduce((sum, { ledgered }) => sum + ledgered, 0),
    totals.ledgered,
  );
  await cloud.service.stop();
  assert.deepEqual(accountsInStore(join(dirname(cloud.file), "cloud-data")), shown(accounts));
  publishFigures(t, {
    proof: "all of what the quota dropped is named by ledger ranges, and the cloud agrees record by record",
    figures: { ...sums, accounts: accounts.size },
  });
});

/** More than fits, as fast as it goes. */
async function overflow(t: Parameters<typeof publish>[0], { gateway }: Plant): Promise<GeneratorReport> {
  const topic = "plant/{line}/{device}/data";
  const options = { port: gateway.port, connections: 8, devices: devicesPerLoad, devicePrefix: "f-", topic };
  const running = startLoad(t, { ...options, fast: { allowed: 5_000_000 } });
  const dropped = async (): Promise<number> => (await metricsOf(gateway)).get("tidegate_journal_ledgered_records") ?? 0;
  await until("the quota drops", dropped, (count) => count > 20_000, { withinMs: 90_000, everyMs: 250 });
  const report = await running.finish();
  assert.equal(report.inFlight, 0);
  return report;
}

async function accountsInKafka(bootstrap: string): Promise<Map<string, Account>> {
  const claimed = new Map<string, number>();
  const ledgered = new Map<string, Ranges>();
  const named = new Map<LossReason, Map<string, Ranges>>();
  for (const { value } of await readTopic(bootstrap, topicName(topicPrefix, "ledger.v1"))) {
    const record = JSON.parse(value.toString("utf8")) as LedgerRecord | ManifestRecord;
    if (record.kind === "manifest") {
      for (const [device, highest] of Object.entries(record.highest["observations"] ?? {})) {
        const name = `${record.epoch} ${device}`;
        claimed.set(name, Math.max(highest, claimed.get(name) ?? 0));
      }
    } else if (record.stream === "observations") {
      const name = `${record.epoch} ${record.device}`;
      rangesOf(ledgered, name).add(record.first!, record.last);
      rangesOf(namedAs(named, record.reason), name).add(record.first!, record.last);
    }
  }
  const received = new Map<string, Ranges>();
  for (const { key, headers } of await readTopic(bootstrap, topicName(topicPrefix, "observations.v1"))) {
    rangesOf(received, `${headers.get(headerNames.epoch)} ${key}`).add(Number(headers.get(headerNames.seq)));
  }
  const names = new Set([...claimed.keys(), ...ledgered.keys(), ...received.keys()]);
  return new Map(
    [...names].toSorted().map((name) => [
      name,
      {
        claimed: claimed.get(name) ?? 0,
        received: rangesOf(received, name),
        ledgered: rangesOf(ledgered, name),
        neverSent: rangesOf(namedAs(named, "quota"), name),
        maybeDelivered: rangesOf(namedAs(named, "maybe-delivered"), name),
      },
    ]),
  );
}

function common(a: Ranges, b: Ranges): Ranges {
  return new Ranges(a.pairs().flatMap(([first, last]) => b.overlapping(first, last).flat()));
}

function namedAs(map: Map<LossReason, Map<string, Ranges>>, reason: LossReason): Map<string, Ranges> {
  let ranges = map.get(reason);
  if (ranges === undefined) map.set(reason, (ranges = new Map<string, Ranges>()));
  return ranges;
}

function rangesOf(map: Map<string, Ranges>, name: string): Ranges {
  let ranges = map.get(name);
  if (ranges === undefined) map.set(name, (ranges = new Ranges()));
  return ranges;
}

type Shown = Record<string, { readonly received: number[]; readonly ledgered: number[] }>;

function shown(accounts: ReadonlyMap<string, Account>): Shown {
  return Object.fromEntries(
    [...accounts].map(([name, { received, ledgered }]) => [
      name,
      { received: received.toJSON(), ledgered: ledgered.toJSON() },
    ]),
  );
}

function accountsInStore(folder: string): Shown {
  const db = new DatabaseSync(join(folder, "cloud.db"), { readOnly: true });
  try {
    const rows = db
      .prepare(
        `SELECT e.epoch || ' ' || s.device AS name, s.received, s.ledgered FROM sequences s JOIN epochs e ON e.no = s.epoch_no
         WHERE s.stream = 'observations' ORDER BY name`,
      )
      .all();
    return Object.fromEntries(
      rows.map(({ name, received, ledgered }) => [
        String(name),
        { received: JSON.parse(String(received)) as number[], ledgered: JSON.parse(String(ledgered)) as number[] },
      ]),
    );
  } finally {
    db.close();
  }
}
