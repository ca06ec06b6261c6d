// Goal: whatever is killed and whenever, acknowledged = delivered ∪ quarantined ∪ ledgered ∪ still in the journal, no
// redelivery is journalled twice, and the fleet's figures are those of the distinct records.
// Method: a seeded schedule kills the edge agent, the cloud service and Kafka 200 times (1,000 with --full) while links
// break, under load into the embedded broker and through mosquitto; one reconciliation at the end. The same harness must
// catch an agent that acknowledges too early, and one that does not recognise redeliveries.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { scaled } from "../fault/scale.ts";
import { runChaos, type Link, type Torment } from "../support/chaos.ts";
import { publish } from "../support/figures.ts";
import { runSeed } from "../support/seed.ts";
import { startSite, type Site } from "../support/site.ts";
import { finish, fleetFindings, settled, startLoads, sum } from "./conservation.ts";

const perSecond = scaled(1_500, 600);
/** Many come while the victim still starts: recovering is when there is most to break. */
const kills = { edge: scaled(98, 500), cloud: scaled(92, 420), kafka: scaled(10, 80) };

test("nothing acknowledged is lost and everything counts once, over 200 kills and broken links", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const site = await startSite(t);
  const loads = await startLoads(t, site, perSecond);
  const start = performance.now();
  const chaos = await runChaos(random, torments(site), links(site));
  const seconds = Math.round((performance.now() - start) / 1000);
  const reports = await finish(loads);
  const result = await settled(site, reports);
  const { acked, delivered, duplicates, ledgered, findings } = result;
  const redelivered = sum(reports.map((report) => report.redelivered));
  const figures = {
    ...Object.fromEntries(Object.entries(chaos.kills).map(([name, count]) => [`kills of ${name}`, count])),
    "links broken": sum(Object.values(chaos.cuts)),
    seconds,
    acked,
    delivered,
    ledgered,
    "redelivered to us": redelivered,
    "sent twice to Kafka": duplicates,
    "broken promises": findings.length,
  };
  const proof = "agent, cloud service and Kafka killed under load while links break, reconciled once at the end";
  publish(t, { proof, seed: random.seed, figures });
  assert(sum(Object.values(chaos.kills)) >= 200);
  assert.deepEqual([...site.edge.unasked, ...site.cloud.unasked], []);
  assert(redelivered > 0, "the faults made devices repeat themselves");
  assert.deepEqual(findings, []);
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
    const loads = await startLoads(t, site, 2_000);
    const edge: Torment = { victim: site.edge, kills: 5, uptimeMs: [300, 800], earlyShare: 0, startMs: 0 };
    await runChaos(random, [edge], links(site));
    const reports = await finish(loads);
    const { findings } = await settled(site, reports);
    assert.match(findings.join("\n"), finds);
  });
}

function torments({ edge, cloud, kafka }: Site): Torment[] {
  const broker = { name: "kafka", kill: () => kafka.kill(), start: () => kafka.restart(), ready: async () => {} };
  return [
    { victim: edge, kills: kills.edge, uptimeMs: [100, 800], earlyShare: 0.75, startMs: 300 },
    { victim: cloud, kills: kills.cloud, uptimeMs: [100, 800], earlyShare: 0.75, startMs: 300 },
    { victim: broker, kills: kills.kafka, uptimeMs: [1000, 4000], earlyShare: 0, startMs: 0 },
  ];
}

function links({ links }: Site): Link[] {
  return [
    { name: "devices", proxy: links.devices, acks: "down" },
    { name: "mosquitto", proxy: links.mosquitto, acks: "up" },
    { name: "kafka", proxy: links.kafka, acks: "down" },
  ];
}
