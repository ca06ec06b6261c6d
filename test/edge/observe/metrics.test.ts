// Goal: the metrics that operators build alarms on are the documented ones, and they say what the parts counted.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { alertFigures } from "../../../edge/observe/alert-figures.ts";
import { makeMetrics, type MetricsSources } from "../../../edge/observe/metrics.ts";
import { emptyHead } from "../../../edge/journal/head.ts";
import { perLane } from "../../../edge/journal/per-lane.ts";
import type { LaneUsage } from "../../../edge/journal/protocol.ts";

const file = join(import.meta.dirname, "../../../docs/metrics.md");

const head = emptyHead();
head.lanes.telemetry.unsentRecords = 7;
head.total.ledgered = 3;
head.total.released = 18;
head.losses.quota = 3;

const lane: LaneUsage = {
  quotaBytes: 900,
  oldestUnsentMicros: 3e6,
  bytesPerSecond: 1,
  fullInSeconds: 60,
  isFull: false,
};

const from: MetricsSources = {
  intake: () => ({ received: 11, acknowledged: 10, redeliveries: 1, quarantined: 2, published: 8, history: 4 }),
  usage: () => ({
    head,
    bytes: 1_000,
    quotaBytes: 2_000,
    oldestUnsentMicros: 3e6,
    lanes: perLane(() => lane),
    salvage: [],
  }),
  nowMicros: () => 5e6,
  forward: () => ({
    state: "connected",
    fault: undefined,
    alarms: [],
    oldestUnsentMs: 1_500,
    sentPerSecond: 0,
    streams: { observations: { sent: 6, sentBytes: 600, refused: 1, resent: 2 } },
    lanes: {},
    certificates: [{ name: "client certificate", file: "/c.pem", expiresMs: 1_800_000_000_000 }],
    topicIds: {},
  }),
  commands: () => ({ served: 14, refused: 15, resentRecords: 16, goneRecords: 17, fault: undefined }),
  sources: () => [
    { name: "plant", status: { kind: "broker", state: "listening", address: "", detail: "", sinceMicros: 0 } },
    { name: "site", status: { kind: "mqtt", state: "waiting", address: "", detail: "", sinceMicros: 0 } },
  ],
  openAlerts: () => 5,
  alertFigures: () => alertFigures([], 0, 200),
  feedback: () => [{ model: "guards", verdicts: { "true-alarm": 2, "false-alarm": 3, "maintenance-done": 0 } }],
  suppressions: () => [{ kind: "shelved" }, { kind: "shelved" }],
  devices: () => 9,
  scorerBehind: () => 12,
  drift: () => ({ learning: 20, ok: 21, warn: 22, degraded: 23 }),
  modelDrift: () => ["ok", "warn", "warn"],
  reloads: () => ({ done: 2, refused: 1 }),
  isConfigCurrent: () => false,
  droppedLogLines: () => 13,
};

interface Described {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: string;
}

function describe(text: string): Described[] {
  return [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)\n(.*)$/gm)].map(([, name, help, type, sample]) => ({
    name: name!,
    help: help!,
    type: type!,
    labels: [...sample!.matchAll(/(\w+)="/g)].map(([, label]) => `\`${label}\``).join(", "),
  }));
}

const text = await makeMetrics(from).text();

test("docs/metrics.md lists every metric with its meaning (TIDEGATE_UPDATE=1 writes it)", () => {
  const described = describe(text).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  assert(described.length > 15);
  const rows = described.map(({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels} | ${help} |`);
  const page = `# Metrics

The gateway serves them as Prometheus text on \`/metrics\` of the console, with its access token as a bearer token; with \`metrics\` in the configuration,
on a listener of its own without one. Counters begin at 0 with each start of the process. No metric has a device, topic or user as a label.

| metric | type | labels | meaning |
|---|---|---|---|
${rows.join("\n")}

Worth an alarm: \`tidegate_source_connected\` is 0, \`tidegate_forward_oldest_unsent_seconds\` grows, \`tidegate_journal_bytes\` nears
\`tidegate_journal_quota_bytes\`, \`tidegate_journal_ledgered_records\` or \`tidegate_forward_refused_total\` rises, \`tidegate_config_current\` is 0.
`;
  if (process.env["TIDEGATE_UPDATE"] === "1") writeFileSync(file, page);
  assert.equal(readFileSync(file, "utf8"), page);
});

const samples = [
  "tidegate_messages_received_total 11",
  "tidegate_messages_acknowledged_total 10",
  "tidegate_messages_redelivered_total 1",
  "tidegate_messages_quarantined_total 2",
  "tidegate_observations_published_total 8",
  "tidegate_observations_history_total 4",
  "tidegate_log_lines_dropped_total 13",
  "tidegate_config_reloads_total 2",
  "tidegate_config_reloads_refused_total 1",
  "tidegate_config_current 0",
  "tidegate_devices 9",
  "tidegate_alerts_open 5",
  "tidegate_scorer_commits_behind 12",
  'tidegate_model_drift_metrics{state="warn"} 22',
  'tidegate_model_drift_packages{state="warn"} 2',
  "tidegate_journal_bytes 1000",
  "tidegate_journal_quota_bytes 2000",
  "tidegate_journal_salvage_waiting 0",
  "tidegate_journal_salvage_kept 0",
  "tidegate_journal_ledgered_records 3",
  'tidegate_journal_lost_records{reason="quota"} 3',
  "tidegate_journal_quarantine_released 18",
  'tidegate_journal_unsent_records{lane="telemetry"} 7',
  "tidegate_forward_oldest_unsent_seconds 1.5",
  "tidegate_forward_connected 1",
  'tidegate_forward_sent_total{stream="observations"} 6',
  'tidegate_forward_refused_total{stream="observations"} 1',
  'tidegate_forward_resent_total{stream="observations"} 2',
  'tidegate_source_connected{source="plant",kind="broker"} 1',
  'tidegate_source_connected{source="site",kind="mqtt"} 0',
];

for (const sample of samples) {
  test(`a scrape shows ${sample}`, () => assert(text.split("\n").includes(sample), text));
}

test("a second scrape shows the same totals: nothing is added up twice", async () => {
  const metrics = makeMetrics(from);
  await metrics.text();
  const again = await metrics.text();
  for (const sample of samples) assert(again.split("\n").includes(sample), sample);
});
