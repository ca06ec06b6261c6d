// Goal: a network in another thread says what it would say in this one, whenever it answers; where it fails, it is out of
// service and everybody else goes on. Method: a thread that answers with the mean of the row, so that the error of
// reconstruction is the spread of the scaled metrics, which wear drives apart; and that misbehaves at the row that says so.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { NetworkModel } from "../../../../edge/inference/formats/network.ts";
import { GatewayModels } from "../../../../edge/inference/gateway-models.ts";
import { networkLimits } from "../../../../edge/inference/networks/network-thread.ts";
import { RemoteNetwork } from "../../../../edge/inference/networks/remote-network.ts";
import type { ModelRule } from "../../../../edge/inference/options.ts";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { PackageScorer } from "../../../../edge/inference/rows/package-scorer.ts";
import { servedModel, type ServedModel } from "../../../../edge/inference/rows/served-model.ts";
import { Scorer } from "../../../../edge/inference/scorer.ts";
import { ProfileLibrary } from "../../../../edge/profile-library.ts";
import type { Observation } from "../../../../src/observation/observation.ts";
import type { AlertRecord } from "../../../../src/wire/records.ts";
import type { InsightRecord } from "../../../../src/wire/predictions.ts";
import { alertsAmong } from "../../../support/insights.ts";
import { observationOf, pumpPackage, pumpReadings } from "../../../support/model-package.ts";
import { fakeProgram, faults } from "../../../support/networks/fake-network.ts";
import { runSeed } from "../../../support/seed.ts";
import { until } from "../../../support/until.ts";

const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
const rule: ModelRule = { model: "pump", profile: "acme/pump", priority: "high" };
const wear = { startSeconds: 300, seconds: 200 };
const sound = servedModel(openPackage(pumpPackage()));
/** Flow and its deviation are such that a reading of `flowOf(code)` comes to the thread as the code. */
const means = [57, 5, 29, 2.2, 48];
const deviations = [2, 0.2, 1.2, 0.3, 2];
const flowOf = (code: number): number => means[0]! + code * deviations[0]!;

async function networkOf(t: TestContext, version = "2.0.0"): Promise<ServedModel> {
  const network = { format: "onnx", files: {}, inputShape: [5], outputs: 5 } as const;
  const answer = { kind: "reconstruction", limit: 4 } as const;
  const model = new NetworkModel(
    network,
    { input: [5], means, deviations, answer },
    { kind: "score", low: 0, high: Infinity },
    0,
  );
  model.remote = await RemoteNetwork.open(
    network,
    { ...networkLimits, batchMsMax: 500, pauseMs: 1, faultsMax: 3 },
    fakeProgram,
  );
  t.after(() => model.remote?.close());
  return { ...sound, version, id: `pump ${version}`, recipe: { ...sound.recipe, model } };
}

function site(live: ServedModel | undefined, shadow?: ServedModel) {
  const faults: string[] = [];
  const packages = new PackageScorer([rule], {
    fault: ({ version }, stage, reason) => faults.push(`${stage} ${version}: ${reason}`),
    setback: ({ version }, stage, reason) => faults.push(`${stage} ${version} begins anew: ${reason}`),
    nowMs: () => 0,
  });
  packages.deploy("pump", "live", live);
  packages.deploy("pump", "shadow", shadow);
  return { models: new GatewayModels(new Scorer(), packages), faults };
}

function observationsOf(device: string, count: number, worn = true): Observation[] {
  return pumpReadings(device, 1, count, worn ? wear : undefined).map((reading) => observationOf(reading));
}

/** Or is out of service. */
async function answersAgain({ recipe }: ServedModel): Promise<void> {
  const remote = recipe.model.remote!;
  await until("it answers", async () => remote.fault !== undefined || (await remote.answer([new Float32Array(5)])));
}

const isOurs = ({ model }: AlertRecord): boolean => model === "pump";

/** Scores observations and settles after as many as `size` says; the alerts of the packaged model. */
async function scored(
  models: GatewayModels,
  given: readonly Observation[],
  size: () => number,
): Promise<AlertRecord[]> {
  const alerts: AlertRecord[] = [];
  const answers: (readonly InsightRecord[] | Promise<readonly InsightRecord[]>)[] = [];
  let left = size();
  for (const [i, observation] of given.entries()) {
    answers.push(models.score(observation, profile));
    if (--left > 0 && i < given.length - 1) continue;
    answers.push(models.settle() ?? []);
    left = size();
  }
  for (const answer of answers) alerts.push(...alertsAmong(await answer));
  return alerts.filter(isOurs);
}

const both = ["pump-01", "pump-02"]
  .flatMap((device) => observationsOf(device, 700))
  .sort((a, b) => a.timeMicros - b.timeMicros);

test("a worn bearing is one episode per pump, the same however rows are batched", async (t) => {
  const model = await networkOf(t);
  const { models, faults } = site(model);
  const alerts = await scored(models, both, () => 1);
  const raised = alerts.filter(({ kind }) => kind === "raise");
  assert.deepEqual(raised.map(({ device, version }) => `${device} ${version}`).sort(), [
    "pump-01 2.0.0",
    "pump-02 2.0.0",
  ]);
  assert.equal(raised[0]!.contributions[0]!.metric, raised[0]!.metric);
  assert.match(raised[0]!.explanation, /does not belong to the rest of 5 metrics/);
  const random = runSeed((line) => t.diagnostic(line));
  for (const longest of [5, 50, 1400]) {
    const again = site(await networkOf(t)).models;
    assert.deepEqual(await scored(again, both, () => 1 + Math.floor(random.next() * longest)), alerts);
  }
  assert.deepEqual(faults, []);
});

test("a restart in between gives the same alerts, and the statistics of a shadow too", async (t) => {
  const straight = site(sound, await networkOf(t)).models;
  const alerts = await scored(straight, both, () => 9);
  const before = site(sound, await networkOf(t)).models;
  const first = await scored(before, both.slice(0, 800), () => 31);
  const after = site(sound, await networkOf(t)).models;
  assert.ok(after.restore(before.snapshot()));
  const second = await scored(after, both.slice(800), () => 7);
  assert.deepEqual([...first, ...second], alerts);
  const [live, shadow] = straight.packages.status();
  assert.ok(shadow!.compared > 1000 && shadow!.episodes === 2 && live!.episodes === 2, JSON.stringify(shadow));
  assert.deepEqual(after.packages.status()[1], shadow);
});

test("while it hangs, everybody else is scored at once; its rows are dropped, and it goes on", async (t) => {
  const model = await networkOf(t);
  const { models, faults: said } = site(model);
  const given = observationsOf("pump-01", 900);
  const stuck = given.map((row, i) =>
    i === 100 ? { ...row, values: { ...row.values, flow: flowOf(faults.hang) } } : row,
  );
  const startMs = performance.now();
  const atOnce = stuck.slice(0, 450).flatMap((row) => alertsAmong(models.score(row, profile)));
  const answer = models.settle();
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs < 400, `nobody waited for it: ${tookMs} ms`);
  assert.ok(
    atOnce.some(({ metric }) => metric === "vibration"),
    "the detectors of the profile have told of the wear",
  );
  assert.deepEqual(await answer, []);
  assert.match(said[0]!, /^live 2.0.0 begins anew: a batch of \d+ rows took more than 500 ms/);
  const status = (): number => models.packages.status()[0]!.rows;
  assert.equal(status(), 0);
  const alerts: AlertRecord[] = [];
  await answersAgain(model);
  for (const row of stuck.slice(450)) {
    models.score(row, profile);
    alerts.push(...alertsAmong((await models.settle()) ?? []));
  }
  assert.ok(status() > 0 && alerts.some(({ kind }) => kind === "raise"), "it came back and found the wear");
});

test("no number: out of service with a reason, and its open alert is cleared", async (t) => {
  const { models, faults: said } = site(await networkOf(t));
  const given = observationsOf("pump-01", 700);
  const before = await scored(models, given.slice(0, 600), () => 10);
  assert.equal(before[0]!.kind, "raise");
  const broken = given.slice(600).map((row) => ({ ...row, values: { ...row.values, flow: flowOf(faults.nan) } }));
  const after = await scored(models, broken, () => 10);
  assert.deepEqual(
    after.map(({ kind, episode }) => [kind, episode]),
    [["clear", before[0]!.episode]],
  );
  assert.match(after[0]!.explanation, /no longer watches: it has failed/);
  assert.deepEqual(said, ["live 2.0.0: the score of a row is NaN"]);
  assert.equal(models.packages.status()[0]!.state, "failed");
});

test("a thread that ends again and again: out of service, and the detectors of the profile go on", async (t) => {
  const model = await networkOf(t);
  const { models, faults: said } = site(model);
  for (const row of observationsOf("pump-01", 40)) {
    models.score({ ...row, values: { ...row.values, flow: flowOf(faults.exit) } }, profile);
    await models.settle();
    await answersAgain(model);
  }
  assert.match(said.at(-1)!, /^live 2.0.0: its thread ended; it failed 3 times$/);
  assert.equal(models.packages.status()[0]!.state, "failed");
  assert.equal(models.settle(), undefined, "nobody asks it any more");
});
