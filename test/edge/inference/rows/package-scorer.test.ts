// Goal: a packaged model sees a worn bearing and says so through episodes, restarts exactly, is replaced cleanly, and
// harms nobody when it is broken. Method: simulated pumps, with and without wear, through all models of a gateway.
import assert from "node:assert/strict";
import { test } from "node:test";
import { BuiltinModel } from "../../../../edge/inference/formats/builtin.ts";
import { GatewayModels } from "../../../../edge/inference/gateway-models.ts";
import type { ModelRule } from "../../../../edge/inference/options.ts";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { PackageScorer } from "../../../../edge/inference/rows/package-scorer.ts";
import type { RowRecipe } from "../../../../edge/inference/rows/row-scorer.ts";
import { servedModel, type ServedModel } from "../../../../edge/inference/rows/served-model.ts";
import { Scorer } from "../../../../edge/inference/scorer.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import { ProfileLibrary } from "../../../../edge/profile-library.ts";
import type { Observation } from "../../../../src/observation/observation.ts";
import type { AlertRecord } from "../../../../src/wire/records.ts";
import { alertsAmong } from "../../../support/insights.ts";
import {
  observationOf,
  pumpMetrics,
  pumpPackage,
  pumpReadings,
  type PackageOptions,
} from "../../../support/model-package.ts";

const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
const other = new ProfileLibrary(undefined).get("generic/json-sensor", undefined)!;
const rule: ModelRule = { model: "pump", profile: "acme/pump", priority: "high", action: "Look at it." };
const modelOf = (options?: PackageOptions): ServedModel => servedModel(openPackage(pumpPackage(options)));
const live = modelOf();
const wear = { startSeconds: 300, seconds: 200 };

function observationsOf(device: string, count: number, worn = true): Observation[] {
  return pumpReadings(device, 1, count, worn ? wear : undefined).map((reading) => observationOf(reading));
}

interface Site {
  readonly models: GatewayModels;
  readonly faults: string[];
}

function site(model: ServedModel | undefined = live, rules: readonly ModelRule[] = [rule]): Site {
  const faults: string[] = [];
  const packages = new PackageScorer(rules, {
    fault: ({ version }, stage, reason) => faults.push(`${stage} ${version}: ${reason}`),
    nowMs: () => 0,
  });
  packages.deploy("pump", "live", model);
  return { models: new GatewayModels(new Scorer(), packages), faults };
}

const isOurs = ({ model }: AlertRecord): boolean => model === "pump";

test("a worn bearing is one episode of the packaged model, explained by what wear changes", () => {
  const { models, faults } = site();
  const alerts = observationsOf("pump-01", 900).flatMap((observation) =>
    alertsAmong(models.score(observation, profile)),
  );
  const [first, ...later] = alerts.filter(isOurs);
  assert.deepEqual([first!.kind, first!.version, first!.priority, first!.threshold], ["raise", "1.0.0", "high", 0.7]);
  assert.ok(first!.score >= 0.7 && first!.score <= 1);
  assert.ok(Date.parse(first!.time) - Date.parse("2026-11-20T00:05:00Z") < 60_000, `seen at ${first!.time}`);
  assert.ok(["vibration", "bearingTemperature", "current"].includes(first!.metric), first!.metric);
  assert.match(first!.explanation, /does not belong to the rest of 5 metrics: [\d.]+ times the limit/);
  assert.deepEqual([first!.contributions[0]!.metric, first!.action], [first!.metric, "Look at it."]);
  assert.match(first!.contributions[0]!.normal, /^[\d.]+ to [\d.]+ (mm\/s|°C|A)$/);
  assert.ok(later.every(({ kind, episode }) => kind === "update" && episode === first!.episode));
  assert.ok(
    alerts.some((alert) => !isOurs(alert)),
    "the detectors of single metrics go on beside it",
  );
  assert.deepEqual(faults, []);
});

test("the newest scores of the model that raised an alert are at hand, each model's own", () => {
  const { models } = site();
  const given = observationsOf("pump-01", 900);
  const alerts = given.flatMap((observation) => alertsAmong(models.score(observation, profile)));
  const ours = models.recentScores(alerts.find(isOurs)!, -Infinity);
  assert.equal(ours.length, 64);
  assert.equal(ours.at(-1)!.timeMicros, given.at(-2)!.timeMicros, "the last row is not complete yet");
  assert.ok(ours.every(({ score }) => score >= 0.7));
  const other = alerts.find((alert) => !isOurs(alert))!;
  assert.deepEqual(
    models.recentScores(other, -Infinity),
    models.metrics.recentScores("pump-01", other.metric, -Infinity),
  );
});

test("what a model said of its devices lately is told the worst first, with what made it up, and a restart keeps it", () => {
  const { models } = site();
  models.packages.deploy("pump", "shadow", modelOf({ version: "1.1.0" }));
  assert.equal(models.packages.scores("pump", "canary", undefined), undefined, "there is none");
  const given = [...observationsOf("pump-01", 900, false), ...observationsOf("pump-02", 900)];
  given.sort((a, b) => a.timeMicros - b.timeMicros);
  for (const observation of given) models.score(observation, profile);
  const worst = models.packages.scores("pump", "live", undefined)!;
  assert.deepEqual(
    worst.devices.map(({ device, isOpen }) => [device, isOpen]),
    [
      ["pump-02", true],
      ["pump-01", false],
    ],
  );
  assert.deepEqual(
    [worst.device, worst.normal, worst.predicts, worst.stretchMs],
    ["pump-02", [0, 1], undefined, 300_000],
  );
  assert.equal(worst.last.at(-1), worst.devices[0]!.newest);
  assert.ok(worst.high[0]! < 1 && worst.high.at(-1)! > 1, JSON.stringify(worst.high));
  const { score, shares } = worst.explained.at(-1)!;
  assert.ok(score > worst.high.at(-1)! / 1.06, `${score}`);
  assert.ok(["vibration", "bearingTemperature", "current"].includes(shares[0]!.metric), shares[0]!.metric);
  assert.ok(shares.reduce((sum, { share }) => sum + share, 0) <= 1.01);
  assert.ok(models.packages.scores("pump", "live", "pump-01")!.high.every((high) => high! < 1));
  assert.equal(models.packages.scores("pump", "live", "pump-03"), undefined);
  assert.equal(models.packages.scores("pump", "shadow", undefined)?.device, "pump-02");
  const { models: again } = site();
  assert.ok(again.restore(models.snapshot()));
  assert.deepEqual(again.packages.scores("pump", "live", undefined)?.devices, [], "nothing came since the start");
  for (const observation of given.slice(-2)) again.score(observation, profile);
  assert.deepEqual(again.packages.scores("pump", "live", undefined)?.timesMs, worst.timesMs);
  assert.deepEqual(again.packages.scores("pump", "live", undefined)?.explained, worst.explained);
});

test("a sound pump raises nothing, and metrics that come apart are joined", () => {
  const { models } = site();
  const alerts = observationsOf("pump-01", 900, false).flatMap((observation) =>
    pumpMetrics.flatMap((metric) => [
      ...alertsAmong(models.score({ ...observation, values: { [metric]: observation.values[metric]! } }, profile)),
    ]),
  );
  assert.deepEqual(alerts.filter(isOurs), []);
});

test("missing and doubted inputs make the score uncertain, and the alert says so", () => {
  const { models } = site();
  const alerts = observationsOf("pump-01", 900).flatMap((observation) => {
    const { flow: _flow, ...values } = observation.values;
    return alertsAmong(models.score({ ...observation, values }, profile));
  });
  const [first] = alerts.filter(isOurs);
  assert.equal(first?.quality, "uncertain");
  assert.ok(first.contributions.every(({ metric }) => metric !== "flow"));
});

for (const method of ["mspc", "var"] as const) {
  test(`${method}: a restart anywhere gives the same alerts, bit for bit`, () => {
    const model = modelOf({ method });
    const given = ["pump-01", "pump-02"].map((device) => observationsOf(device, 700)).flat();
    given.sort((a, b) => a.timeMicros - b.timeMicros);
    const shadow = modelOf({ version: "1.1.0", method: method === "var" ? "mspc" : "var" });
    const withShadow = (): GatewayModels => {
      const { models } = site(model);
      models.packages.deploy("pump", "shadow", shadow);
      return models;
    };
    const straight = withShadow();
    let broken = withShadow();
    for (const [i, observation] of given.entries()) {
      if (i % 97 === 50) {
        const models = withShadow();
        assert.ok(models.restore(broken.snapshot()));
        broken = models;
      }
      assert.deepEqual(broken.score(observation, profile), straight.score(observation, profile), `observation ${i}`);
    }
    assert.deepEqual(broken.snapshot(), straight.snapshot());
    assert.deepEqual(broken.packages.status(), straight.packages.status());
  });
}

test("another version closes the open episode and begins anew, at once or after a restart", () => {
  for (const restart of [false, true]) {
    const given = observationsOf("pump-01", 900);
    let { models } = site();
    const before = given.slice(0, 600).flatMap((observation) => alertsAmong(models.score(observation, profile)));
    const next = modelOf({ version: "1.1.0", seed: 1 });
    if (restart) {
      const later = site(next).models;
      assert.ok(later.restore(models.snapshot()));
      models = later;
    } else models.packages.deploy("pump", "live", next);
    const after = given.slice(600).flatMap((observation) => alertsAmong(models.score(observation, profile)));
    const raised = before.find(isOurs)!;
    const [closed, again] = after.filter(isOurs);
    assert.deepEqual([closed!.kind, closed!.version, closed!.episode], ["clear", "1.0.0", raised.episode]);
    assert.deepEqual([again!.kind, again!.version], ["raise", "1.1.0"]);
    assert.notEqual(again!.episode, raised.episode);
  }
});

test("what was counted by a release before this one goes on", () => {
  const to = new StateWriter();
  for (const number of [0, 0, 1]) to.number(number);
  to.text(`live ${live.id}`);
  for (const number of [700, 20, 3, 0, 0, 0]) to.number(number);
  to.number(0);
  const { packages } = site().models;
  packages.load(StateReader.open(to.done())!);
  const [view] = packages.status();
  assert.deepEqual([view!.rows, view!.abnormalRows, view!.episodes, view!.drift.state], [700, 20, 3, "learning"]);
});

test("no version, or no rule any more: the open episode is closed and the device forgotten", () => {
  for (const rules of [[rule], []]) {
    const given = observationsOf("pump-01", 610);
    const { models } = site();
    for (const observation of given.slice(0, 600)) models.score(observation, profile);
    const later = site(undefined, rules).models;
    later.packages.deploy("pump", "live", undefined);
    assert.ok(later.restore(models.snapshot()));
    assert.ok(later.packages.mayWatch("pump-01", profile));
    const alerts = given
      .slice(600)
      .flatMap((observation) => alertsAmong(later.score(observation, profile)))
      .filter(isOurs);
    assert.deepEqual(
      alerts.map(({ kind }) => kind),
      ["clear"],
    );
    assert.match(alerts[0]!.explanation, /not in service/);
    assert.equal(later.packages.devices, 0);
  }
});

/** The live model with other limits. */
function withLimits(limit: number): RowRecipe {
  const { model } = live.recipe;
  assert.ok(model instanceof BuiltinModel);
  const fitted = { ...model.fitted, limits: new Float64Array(4).fill(limit) };
  return { ...live.recipe, model: new BuiltinModel(fitted) };
}

/** The live model, which throws from the beginning or from when it is told to. */
function breakable(isBroken = true): { recipe: RowRecipe; breakNow: () => void } {
  const { model } = live.recipe;
  const start = () => {
    const run = model.start();
    const observe = run.observe.bind(run);
    run.observe = (features) => {
      if (isBroken) throw new Error("a defect");
      return observe(features);
    };
    return run;
  };
  const broken = { base: 0, start, files: () => model.files() };
  return { recipe: { ...live.recipe, model: broken }, breakNow: () => (isBroken = true) };
}

/** Numbers that no package could carry: what if a check had a hole? */
const broken: readonly { name: string; model: ServedModel; says: RegExp }[] = [
  {
    name: "gives NaN",
    model: { ...live, recipe: withLimits(Number.NaN) },
    says: /score of a row is NaN/,
  },
  {
    name: "divides by 0",
    model: { ...live, recipe: withLimits(0) },
    says: /score of a row is Infinity/,
  },
  {
    name: "throws",
    model: { ...live, recipe: breakable().recipe },
    says: /a defect/,
  },
];

for (const { name, model, says } of broken) {
  test(`a model that ${name} is taken out of service, and the other detectors say what they would say without it`, () => {
    const { models, faults } = site(model);
    const alone = new Scorer();
    for (const observation of ["pump-01", "pump-02"].flatMap((device) => observationsOf(device, 600))) {
      assert.deepEqual(models.score(observation, profile), alone.score(observation, profile));
    }
    assert.equal(faults.length, 1);
    assert.match(faults[0]!, says);
    assert.equal(models.packages.status()[0]!.state, "failed");
    assert.equal(models.packages.devices, 0);
  });
}

test("a model that breaks during an episode closes it", () => {
  const { models, faults } = site();
  const given = observationsOf("pump-01", 700);
  const { recipe, breakNow } = breakable(false);
  models.packages.deploy("pump", "live", { ...live, recipe });
  const before = given.slice(0, 600).flatMap((observation) => alertsAmong(models.score(observation, profile)));
  breakNow();
  const after = given
    .slice(600)
    .flatMap((observation) => alertsAmong(models.score(observation, profile)))
    .filter(isOurs);
  assert.deepEqual(
    after.map(({ kind, episode }) => [kind, episode]),
    [["clear", before.find(isOurs)!.episode]],
  );
  assert.equal(faults.length, 1);
});

test("a profile with other units or without a metric is not scored, and said once", () => {
  const wrongUnit = site({ ...live, units: ["l/s", ...live.units.slice(1)] });
  const wrongProfile = site(live, [{ ...rule, profile: other.id }]);
  for (const observation of observationsOf("pump-01", 100)) {
    wrongUnit.models.score(observation, profile);
    wrongProfile.models.score(observation, other);
  }
  assert.deepEqual(wrongUnit.faults, ["live 1.0.0: flow is in m3/h by profile acme/pump, and the model wants l/s"]);
  assert.equal(wrongProfile.faults.length, 1);
});

const rules: readonly { name: string; rule: ModelRule; fits: boolean }[] = [
  { name: "a device", rule: { model: "pump", device: "pump-01", priority: "low" }, fits: true },
  { name: "another device", rule: { model: "pump", device: "pump-02", priority: "low" }, fits: false },
  { name: "its profile", rule, fits: true },
  { name: "its path", rule: { model: "pump", path: "acme/berlin/pumps", priority: "low" }, fits: true },
  { name: "a path above it", rule: { model: "pump", path: "acme/berlin", priority: "low" }, fits: true },
  {
    name: "a path that only begins alike",
    rule: { model: "pump", path: "acme/berlin/pump", priority: "low" },
    fits: false,
  },
];

for (const { name, rule, fits } of rules) {
  test(`a rule for ${name} ${fits ? "fits" : "does not fit"}`, () => {
    const { models } = site(live, [rule]);
    models.score(observationsOf("pump-01", 1)[0]!, profile);
    assert.equal(models.packages.devices, fits ? 1 : 0);
  });
}

test("a snapshot from before there were packages is taken, and a damaged one changes nothing", () => {
  const old = new Scorer();
  const given = observationsOf("pump-01", 400);
  for (const observation of given) old.score(observation, profile);
  const { models } = site();
  assert.ok(models.restore(old.snapshot()));
  assert.equal(models.metrics.status().devices, 1);
  const snapshot = models.snapshot();
  for (const at of [3, snapshot.length - 20]) {
    const damaged = Uint8Array.from(snapshot);
    damaged[at]! ^= 1;
    assert.equal(site().models.restore(damaged), false, `byte ${at}`);
  }
  for (const length of [0, 1, 4, 5, 100]) assert.equal(site().models.restore(snapshot.subarray(0, length)), false);
});

test("devices are bounded: the longest silent one makes room and its episode is closed", () => {
  const { models } = site();
  const worn = observationsOf("pump-01", 600);
  for (const observation of worn) models.score(observation, profile);
  const raisedAt = worn.at(-1)!.timeMicros;
  const at = (device: string, minutes: number): readonly AlertRecord[] => {
    const timeMicros = raisedAt + minutes * 60e6;
    return alertsAmong(models.packages.score({ ...worn[0]!, device, timeMicros, receivedMicros: timeMicros }, profile));
  };
  for (let i = 0; i < 999; i++) at(`other-${i}`, 1);
  assert.deepEqual([models.packages.devices, at("late", 2).length, models.packages.unwatched], [1000, 0, 1]);
  let closed: readonly AlertRecord[] = [];
  for (let i = 0; i < 1001 && closed.length === 0; i++) closed = at("late", 62);
  assert.deepEqual(
    closed.map(({ kind, device }) => [kind, device]),
    [["clear", "pump-01"]],
  );
  assert.equal(models.packages.devices, 1000);
});

/** A version that calls everything normal. */
const deaf: ServedModel = {
  ...live,
  version: "2.0.0",
  id: "deaf",
  recipe: withLimits(1e9),
};

test("a shadow says nothing, changes nothing, and counts where it differs", () => {
  const alone = site().models;
  const { models, faults } = site();
  models.packages.deploy("pump", "shadow", deaf);
  for (const observation of observationsOf("pump-01", 900)) {
    assert.deepEqual(models.score(observation, profile), alone.score(observation, profile));
  }
  const [first, second] = models.packages.status();
  assert.deepEqual([first!.stage, first!.episodes, first!.openEpisodes, first!.compared], ["live", 1, 1, 0]);
  assert.deepEqual([second!.stage, second!.version, second!.episodes, second!.abnormalRows], ["shadow", "2.0.0", 0, 0]);
  assert.equal(second!.rows, first!.rows);
  assert.ok(Math.abs(second!.hours - second!.rows / 3600) < 1e-9);
  assert.ok(second!.compared > 800 && second!.onlyLive > 300 && second!.onlyShadow === 0, JSON.stringify(second));
  assert.deepEqual(faults, []);
});

test("a shadow without a live version is compared with silence", () => {
  const { models } = site(undefined);
  models.packages.deploy("pump", "live", undefined);
  models.packages.deploy("pump", "shadow", live);
  const alerts = observationsOf("pump-01", 900).flatMap((observation) =>
    alertsAmong(models.score(observation, profile)),
  );
  const [shadow] = models.packages.status();
  assert.deepEqual([alerts.filter(isOurs), shadow!.episodes], [[], 1]);
  assert.ok(shadow!.onlyShadow > 300 && shadow!.onlyLive === 0);
});

test("a shadow that fails is out of service, and the live version is not", () => {
  const { models, faults } = site();
  models.packages.deploy("pump", "shadow", { ...deaf, recipe: withLimits(Number.NaN) });
  const alerts = observationsOf("pump-01", 900).flatMap((observation) =>
    alertsAmong(models.score(observation, profile)),
  );
  assert.equal(alerts.filter(isOurs)[0]?.kind, "raise");
  assert.deepEqual([faults.length, faults[0]!.slice(0, 12)], [1, "shadow 2.0.0"]);
  assert.deepEqual(
    models.packages.status().map(({ stage, state }) => [stage, state]),
    [
      ["live", "running"],
      ["shadow", "failed"],
    ],
  );
});

const onFirst = { devices: ["pump-01"], paths: [] };

test("a canary raises the alerts of its devices and the live version those of all others, also over restarts", () => {
  const canary = modelOf({ version: "1.1.0", method: "var" });
  const given = ["pump-01", "pump-02"].map((device) => observationsOf(device, 900)).flat();
  given.sort((a, b) => a.timeMicros - b.timeMicros);
  const withCanary = (): GatewayModels => {
    const { models } = site();
    models.packages.deploy("pump", "canary", canary, onFirst);
    return models;
  };
  const straight = withCanary();
  let broken = withCanary();
  const alerts: AlertRecord[] = [];
  for (const [i, observation] of given.entries()) {
    if (i % 113 === 60) {
      const models = withCanary();
      assert.ok(models.restore(broken.snapshot()));
      broken = models;
    }
    const now = broken.score(observation, profile);
    assert.deepEqual(now, straight.score(observation, profile), `observation ${i}`);
    alerts.push(...alertsAmong(now));
  }
  assert.deepEqual(broken.packages.status(), straight.packages.status());
  const versions = Map.groupBy(alerts.filter(isOurs), ({ device }) => device);
  assert.deepEqual([...new Set(versions.get("pump-01")!.map(({ version }) => version))], ["1.1.0"]);
  assert.deepEqual([...new Set(versions.get("pump-02")!.map(({ version }) => version))], ["1.0.0"]);
  const [onOthers, onTrial] = straight.packages.status();
  assert.deepEqual([onOthers!.stage, onOthers!.devices, onTrial!.stage, onTrial!.devices], ["live", 1, "canary", 1]);
  assert.deepEqual(onTrial!.scope, onFirst);
  assert.ok(onTrial!.episodes >= 1 && onTrial!.rows > 800);
});

test("a canary says what it would say as the live version", () => {
  const canary = modelOf({ version: "1.1.0", method: "var" });
  const asLive = site(canary).models;
  const { models } = site();
  models.packages.deploy("pump", "canary", canary, { devices: [], paths: ["acme/berlin"] });
  for (const observation of observationsOf("pump-01", 900)) {
    assert.deepEqual(models.score(observation, profile), asLive.score(observation, profile));
  }
});

test("a canary that fails, does not fit or ends leaves its devices to the live version", () => {
  const broken = { ...live, version: "1.1.0", id: "broken", recipe: breakable().recipe };
  const unfit = { ...live, version: "1.2.0", id: "unfit", units: ["l/s", ...live.units.slice(1)] };
  for (const [canary, says] of [
    [broken, /canary 1\.1\.0: a defect/],
    [unfit, /canary 1\.2\.0: flow is in m3\/h/],
  ] as const) {
    const { models, faults } = site();
    models.packages.deploy("pump", "canary", canary, onFirst);
    const alerts = observationsOf("pump-01", 900).flatMap((observation) =>
      alertsAmong(models.score(observation, profile)),
    );
    assert.deepEqual([faults.length, says.test(faults[0]!)], [1, true], faults.join());
    assert.equal(alerts.find(isOurs)?.version, "1.0.0");
  }
  const { models } = site();
  const given = observationsOf("pump-01", 900);
  models.packages.deploy("pump", "canary", modelOf({ version: "1.1.0" }), onFirst);
  const before = given.slice(0, 600).flatMap((observation) => alertsAmong(models.score(observation, profile)));
  models.packages.deploy("pump", "canary", undefined);
  const [closed, again] = given
    .slice(600)
    .flatMap((observation) => alertsAmong(models.score(observation, profile)))
    .filter(isOurs);
  const raised = before.find(isOurs)!;
  assert.deepEqual([closed!.kind, closed!.version, closed!.episode], ["clear", "1.1.0", raised.episode]);
  assert.deepEqual([again!.kind, again!.version], ["raise", "1.0.0"]);
});

test("a canary that is promoted goes on where it is: its open episode stays open", () => {
  const { models } = site();
  const given = observationsOf("pump-01", 900);
  models.packages.deploy("pump", "canary", modelOf({ version: "1.1.0" }), onFirst);
  const alone = site(modelOf({ version: "1.1.0" })).models;
  for (const [i, observation] of given.entries()) {
    if (i === 600) {
      models.packages.deploy("pump", "live", modelOf({ version: "1.1.0" }));
      models.packages.deploy("pump", "canary", undefined);
    }
    assert.deepEqual(models.score(observation, profile), alone.score(observation, profile), `observation ${i}`);
  }
});
