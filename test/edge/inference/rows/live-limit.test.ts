// Goal: a packaged detector's limit follows the scores of each device by itself, within what the package allows, and
// neither a fault nor a restart moves it. Method: simulated pumps, one of which shakes more than the one that was learned
// from, through all models of a gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import { GatewayModels } from "../../../../edge/inference/gateway-models.ts";
import type { ModelRule } from "../../../../edge/inference/options.ts";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { LiveLimit } from "../../../../edge/inference/rows/live-limit.ts";
import { PackageScorer } from "../../../../edge/inference/rows/package-scorer.ts";
import { servedModel, type ServedModel } from "../../../../edge/inference/rows/served-model.ts";
import { Scorer } from "../../../../edge/inference/scorer.ts";
import { ProfileLibrary } from "../../../../edge/profile-library.ts";
import type { Observation } from "../../../../src/observation/observation.ts";
import { alertsAmong } from "../../../support/insights.ts";
import { observationOf, pumpPackage, pumpReadings } from "../../../support/model-package.ts";

const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
const rule: ModelRule = { model: "pump", profile: "acme/pump", priority: "high" };
const follow = { risk: 1e-3, firstRows: 1000, least: 0.5, most: 3 };
const fixed = servedModel(openPackage(pumpPackage()));
const following = servedModel(openPackage(pumpPackage({ follow })));

function modelsWith(model: ServedModel): GatewayModels {
  const packages = new PackageScorer([rule], { fault: (_, __, reason) => assert.fail(reason), nowMs: () => 0 });
  packages.deploy("pump", "live", model);
  return new GatewayModels(new Scorer(), packages);
}

/** The pump on a softer base: it shakes more around the same mean. */
function soft(count: number): Observation[] {
  return pumpReadings("pump-02", 1, count).map((reading) => {
    const vibration = reading.values["vibration"] as number;
    return observationOf({ ...reading, values: { ...reading.values, vibration: 2.24 + 1.8 * (vibration - 2.24) } });
  });
}

function worn(count: number): Observation[] {
  return pumpReadings("pump-01", 1, count, { startSeconds: 2500, seconds: 200 }).map((reading) =>
    observationOf(reading),
  );
}

const raisesOf = (models: GatewayModels, given: readonly Observation[]): number =>
  given
    .flatMap((observation) => alertsAmong(models.score(observation, profile)))
    .filter(({ model, kind }) => model === "pump" && kind === "raise").length;

test("a device whose normal rows score higher than those of the training gets a limit of its own", () => {
  const given = soft(6000);
  const models = modelsWith(following);
  const before = modelsWith(fixed);
  const [early, late] = [given.slice(0, 3000), given.slice(3000)];
  raisesOf(models, early);
  raisesOf(before, early);
  assert.ok(raisesOf(models, late) < raisesOf(before, late) / 2);
  const [view] = models.packages.status();
  assert.ok(view!.limits!.least > 1.2 && view!.limits!.most <= follow.most, JSON.stringify(view!.limits));
  assert.equal(before.packages.status()[0]!.limits, undefined);
});

test("a worn bearing is found as before, and as long as it is, the limit stands still", () => {
  const given = worn(3500);
  const models = modelsWith(following);
  assert.equal(raisesOf(models, given.slice(0, 2500)), 0);
  let raised = 0;
  let atRaise: unknown;
  for (const observation of given.slice(2500)) {
    raised += raisesOf(models, [observation]);
    if (raised === 0) continue;
    atRaise ??= models.packages.status()[0]!.limits;
    assert.deepEqual(models.packages.status()[0]!.limits, atRaise);
  }
  assert.equal(raised, 1);
});

test("rows of doubted quality move no limit", () => {
  const doubted = soft(3000).map((observation) => ({ ...observation, quality: { vibration: "uncertain" as const } }));
  const models = modelsWith(following);
  raisesOf(models, doubted);
  assert.deepEqual(models.packages.status()[0]!.limits, { least: 1, most: 1 });
});

test("no stream of scores carries it beyond the bounds of the package", () => {
  for (const [score, bound] of [
    [1e-9, 0.5],
    [1e9, 3],
  ] as const) {
    const limit = new LiveLimit(follow);
    for (let i = 0; i < 5000; i++) {
      assert.ok(limit.value >= 0.5 && limit.value <= 3);
      limit.learn(score * (1 + (i % 7)));
    }
    assert.equal(limit.value, bound);
  }
});

test("a restart anywhere gives the same alerts and limits, bit for bit", () => {
  const given = [...soft(2900), ...worn(2900)].sort((a, b) => a.timeMicros - b.timeMicros);
  const straight = modelsWith(following);
  let broken = modelsWith(following);
  for (const [i, observation] of given.entries()) {
    if (i % 487 === 200) {
      const models = modelsWith(following);
      assert.ok(models.restore(broken.snapshot()));
      broken = models;
    }
    assert.deepEqual(broken.score(observation, profile), straight.score(observation, profile), `observation ${i}`);
  }
  assert.deepEqual(broken.snapshot(), straight.snapshot());
  assert.deepEqual(broken.packages.status(), straight.packages.status());
});
