// Goal: a replay says what a version would have raised on the running gateway, from a journal as merges have left it and
// from files; and it raises and changes nothing. Method: a store of simulated pumps, and the same readings through the
// live scorer in one piece.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ReplayReport } from "../../../edge/inference/replay.ts";
import { openPackage } from "../../../edge/inference/package/model-package.ts";
import { PackageScorer } from "../../../edge/inference/rows/package-scorer.ts";
import { servedModel } from "../../../edge/inference/rows/served-model.ts";
import { ModelStore } from "../../../edge/inference/store/model-store.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ProfileLibrary } from "../../../edge/profile-library.ts";
import { ManualClock } from "../../../src/clock.ts";
import { encodeObservation, observationPrefix, type Observation } from "../../../src/observation/observation.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";
import { alertsAmong } from "../../support/insights.ts";
import {
  observationOf,
  makeSigner,
  pumpMetrics,
  pumpPackage,
  pumpReadings,
  signed,
} from "../../support/model-package.ts";
import { GroupMaker, storeOptions, temporaryFolder } from "../../support/records.ts";
import { runSeed } from "../../support/seed.ts";
import { mergeAll } from "../../support/stored.ts";
import { run } from "./run-cli.ts";

const wear = { startSeconds: 300, seconds: 200 };
const worn = pumpReadings("pump-01", 1, 800, wear);
const given: Observation[] = [...worn, ...pumpReadings("pump-02", 2, 800)]
  .toSorted((a, b) => a.timeMicros - b.timeMicros)
  .map((reading) => observationOf(reading));
const packages = [pumpPackage(), pumpPackage({ version: "1.1.0", method: "var" })] as const;

/** The alerts of the live scorer on the running gateway. */
function liveAlerts(which: 0 | 1): AlertRecord[] {
  const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
  const scorer = new PackageScorer([{ model: "pump", path: "acme/berlin", priority: "high" }], {
    fault: (_model, _stage, reason) => assert.fail(reason),
    nowMs: () => 0,
  });
  scorer.deploy("pump", "live", servedModel(openPackage(packages[which])));
  return given.flatMap((observation) => alertsAmong(scorer.score(observation, profile)));
}

/** A stopped gateway that has both versions, 1.0.0 of them live, and the readings in its journal. */
function site(t: TestContext) {
  const folder = temporaryFolder(t);
  const data = join(folder, "d");
  mkdirSync(data);
  const { privateKey, publicKey, trusted } = makeSigner("lab");
  writeFileSync(join(folder, "lab.pub"), publicKey.export({ type: "spki", format: "pem" }));
  const config = join(folder, "t.yaml");
  writeFileSync(
    config,
    `gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }
models:
  trustedKeys: [{ name: lab, publicKeyFile: lab.pub }]
  use: [{ model: pump, path: acme/berlin, priority: high }]\n`,
  );
  const models = new ModelStore(data);
  for (const bytes of packages) models.import(signed(bytes, privateKey), [trusted]);
  models.promote("pump", "1.0.0", [trusted]);
  return { folder, data, config };
}

/** Commits of random size whose records go to two lanes at random, and are merged then. */
function fillJournal(t: TestContext, data: string): void {
  const random = runSeed((line) => t.diagnostic(line));
  const clock = new ManualClock();
  const store = Store.open(storeOptions(data), clock);
  const maker = new GroupMaker();
  const devices = ["pump-01", "pump-02"].map((id) => [`device:${id}`, "acme/pump"] as [string, string]);
  for (let at = 0; at < given.length;) {
    const next = at + 1 + Math.floor(random.next() * 20);
    const records = given.slice(at, next).map((observation) => ({
      stream: random.next() < 0.5 ? ("observations" as const) : ("history" as const),
      device: observation.device,
      value: encodeObservation(observation, observationPrefix(observation.device, observation.path)),
      timeMicros: observation.timeMicros,
    }));
    assert.equal(store.commit(maker.group(records, { state: at === 0 ? devices : [] })).kind, "stored");
    at = next;
  }
  clock.advanceMs(3_600_000);
  const last = (["observations", "history"] as const).map((stream) => ({ stream, device: "last", value: "{}" }));
  assert.equal(store.commit(maker.group(last)).kind, "stored");
  assert.ok(mergeAll(store) >= 2, "both lanes were merged");
  store.close();
}

async function replay(...args: string[]): Promise<ReplayReport> {
  const { code, out, err } = await run("model", "replay", "pump", ...args, "--json");
  assert.equal(code, 0, err);
  return JSON.parse(out) as ReplayReport;
}

test("a replay of the journal raises what the running gateway raises, with the version beside it", async (t) => {
  const { data, config } = site(t);
  fillJournal(t, data);
  const report = await replay("1.1.0", "--from-buffer", "-c", config);
  for (const [which, version] of [
    [0, report.beside!],
    [1, report.candidate],
  ] as const) {
    const alerts = liveAlerts(which);
    const raised = alerts.filter(({ kind }) => kind === "raise");
    assert.deepEqual(
      version.alerts.map(({ device, raised: time, metric, explanation }) => [device, time, metric, explanation]),
      raised.map(({ device, time, metric, explanation }) => [device, time, metric, explanation]),
    );
    assert.equal(version.episodes, raised.length);
    assert.ok(
      raised.some(({ device }) => device === "pump-01"),
      "the worn pump is seen",
    );
    assert.deepEqual(
      version.alerts.map(({ cleared }) => cleared).filter((time) => time !== undefined),
      alerts.filter(({ kind }) => kind === "clear").map(({ time }) => time),
    );
    for (const { peak } of version.alerts) assert.ok(peak >= Math.max(...raised.map(({ score }) => score)), `${peak}`);
    assert.equal(version.alertsPerMachineDay, (24 * version.episodes) / version.hours);
  }
  assert.deepEqual([report.beside!.version, report.candidate.devices, report.observations], ["1.0.0", 2, 1600]);
  assert.ok(report.compared > 1500 && report.onlyCandidate + report.onlyBeside < 300, JSON.stringify(report));
  const text = await run("model", "replay", "pump", "1.1.0", "--from-buffer", data, "-c", config);
  assert.match(text.out, /^1,600 observations from 2026-11-20 00:00:00Z to 2026-11-20 00:13:19Z\n/);
  assert.match(text.out, /alerts per machine and day +[\d.]+ +[\d.]+\n/);
  assert.match(text.out, /2026-11-20 00:0\d:\d\dZ +still open +pump-01 +\w+ +[01]\.\d+ +1\.1\.0 +too/);
});

test("one device, a part of the time, another version beside it, or none", async (t) => {
  const { data, config } = site(t);
  fillJournal(t, data);
  const part = ["--device", "pump-02", "--from", "2026-11-20T00:05Z", "--to", "2026-11-20T00:10Z"];
  const one = await replay("1.0.0", "--from-buffer", "-c", config, ...part, "--against", "1.1.0");
  assert.deepEqual([one.observations, one.candidate.devices, one.beside!.version], [300, 1, "1.1.0"]);
  assert.deepEqual([one.from, one.to], ["2026-11-20T00:05:00.000000Z", "2026-11-20T00:09:59.000000Z"]);
  assert.ok(one.candidate.alerts.every(({ device }) => device === "pump-02"));
  const alone = await replay("1.0.0", "--from-buffer", "-c", config);
  assert.deepEqual([alone.beside, alone.candidate.version], [undefined, "1.0.0"], "the live one has nothing beside it");
  assert.equal(alone.onlyCandidate > 0, true, "silence differs from an alert");
});

test("a file gives the same alerts as the journal, and nothing on the gateway changes", async (t) => {
  const { folder, data, config } = site(t);
  fillJournal(t, data);
  const live = readFileSync(join(data, "models/pump/live.json"));
  const csv = join(folder, "history.csv");
  const lines = given.map(({ device, timeMicros, values }) =>
    [timeMicros, device, ...pumpMetrics.map((m) => values[m])].join(),
  );
  writeFileSync(csv, [`time,device,${pumpMetrics.join()}`, ...lines].join("\n"));
  const ofFile = await replay("1.1.0", csv, "-c", config, "--profile", "acme/pump");
  const ofJournal = await replay("1.1.0", "--from-buffer", "-c", config);
  const timesOf = ({ candidate }: ReplayReport) =>
    candidate.alerts.map(({ raised, cleared, peak }) => [raised, cleared, peak]);
  assert.deepEqual(timesOf(ofFile), timesOf(ofJournal));
  assert.deepEqual(readFileSync(join(data, "models/pump/live.json")), live);
});

const mistakes: readonly { name: string; args: readonly string[]; code: number; says: RegExp }[] = [
  { name: "no data", args: ["1.1.0"], code: 64, says: /there is no history/ },
  { name: "a file without a profile", args: ["1.1.0", "x.csv"], code: 64, says: /profile of the devices is not known/ },
  { name: "an unknown profile", args: ["1.1.0", "x.csv", "--profile", "a/b"], code: 64, says: /no profile a\/b/ },
  { name: "an unknown version", args: ["9.0.0", "--from-buffer"], code: 66, says: /no pump 9\.0\.0 in the store/ },
  { name: "no journal", args: ["1.1.0", "--from-buffer"], code: 66, says: /no journal/ },
];

for (const { name, args, code, says } of mistakes) {
  test(`refused: ${name}`, async (t) => {
    const { config } = site(t);
    const result = await run("model", "replay", "pump", ...args, "-c", config);
    assert.deepEqual([result.code, says.test(result.err)], [code, true], result.err);
  });
}
