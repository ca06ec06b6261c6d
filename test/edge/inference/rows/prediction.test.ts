// Goal: a packaged predictor says how long a machine will last when it has something new to say, restarts exactly, keeps
// what it knows of a machine's life across versions, and raises an alert where a rule wants one.
import assert from "node:assert/strict";
import { test } from "node:test";
import Schema from "typebox/schema";
import { GatewayModels } from "../../../../edge/inference/gateway-models.ts";
import type { ModelRule } from "../../../../edge/inference/options.ts";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { PackageScorer } from "../../../../edge/inference/rows/package-scorer.ts";
import { RowScorer } from "../../../../edge/inference/rows/row-scorer.ts";
import { servedModel, type ServedModel } from "../../../../edge/inference/rows/served-model.ts";
import { Scorer } from "../../../../edge/inference/scorer.ts";
import { ProfileLibrary } from "../../../../edge/profile-library.ts";
import type { Observation } from "../../../../src/observation/observation.ts";
import { parseWireTime } from "../../../../src/observation/time.ts";
import { predictionSchema, trendMax, type PredictionRecord } from "../../../../src/wire/predictions.ts";
import { alertSchema } from "../../../../src/wire/records.ts";
import { observationOf } from "../../../support/model-package.ts";
import { alertsAmong, predictionsAmong } from "../../../support/insights.ts";
import { lifeMetrics, lifeOf, lifePackage } from "../../../support/machine-lives.ts";

const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
const life = servedModel(openPackage(lifePackage()));
const failure = servedModel(openPackage(lifePackage("failsSoon")));
const pace = { pauseSeconds: 5, heartbeatSeconds: 30 };
const rule: ModelRule = { model: "life", profile: "acme/pump", priority: "high", prediction: pace };

function observationsOf(device: string, seed = 555): Observation[] {
  return lifeOf(device, seed).map(({ values, ...reading }) =>
    observationOf({ ...reading, values: Object.fromEntries(lifeMetrics.map((metric) => [metric, values[metric]!])) }),
  );
}

function modelsWith(
  model: ServedModel | undefined,
  given: ModelRule = rule,
  maintainedMicros: (device: string) => number | undefined = () => undefined,
): GatewayModels {
  const packages = new PackageScorer([given], {
    maintainedMicros,
    fault: (_model, _stage, reason) => assert.fail(reason),
    nowMs: () => 0,
  });
  packages.deploy("life", "live", model);
  return new GatewayModels(new Scorer(), packages);
}

const micros = ({ time }: PredictionRecord): number => parseWireTime(time)!;

test("predictions come when they have changed, not more often than the pause and not less than the heartbeat", () => {
  const models = modelsWith(life);
  const given = observationsOf("pump-01");
  const records = given.flatMap((observation) => predictionsAmong(models.score(observation, profile)));
  assert.ok(records.length > 8 && records.length < given.length / 4, `${records.length} of ${given.length} rows`);
  for (const [i, record] of records.entries()) {
    assert.ok(Schema.Check(predictionSchema, JSON.parse(JSON.stringify(record))), JSON.stringify(record));
    const before = records[i - 1];
    if (before === undefined) continue;
    const seconds = (micros(record) - micros(before)) / 1e6;
    assert.ok(seconds >= 5 && seconds <= 30, `${seconds} s`);
    if (seconds < 30) assert.ok(Math.abs(record.value - before.value) >= 1);
    assert.deepEqual(record.trend.at(-1), { time: before.time, value: before.value });
    assert.ok(record.trend.length <= trendMax);
  }
  assert.equal(new Set(records.map(({ id }) => id)).size, records.length);
  const last = records.at(-1)!;
  assert.deepEqual([last.name, last.unit, last.output, last.model], ["remaining", "s", "quantity", "life"]);
  const left = (given.at(-1)!.timeMicros - micros(last)) / 1e6;
  assert.ok(Math.abs(last.value - left) < 10, `${last.value} are told, ${left} are left`);
  const { coverage, low = 0, high } = last.interval!;
  assert.ok(coverage === 0.9 && low <= last.value && high! >= last.value && high! - low < 40);
  assert.deepEqual(models.packages.predictions(), [last]);
  assert.deepEqual(models.packages.predictions("pump-02"), []);
});

test("what the metrics and the age add is the prediction less the base", () => {
  const models = modelsWith(life);
  const given = observationsOf("pump-01");
  const scorer = new RowScorer(life.recipe);
  const outputs = given.map(({ values }) =>
    scorer.observe(Float64Array.from(lifeMetrics, (metric) => Number(values[metric]))),
  );
  for (const record of given.flatMap((observation) => predictionsAmong(models.score(observation, profile)))) {
    const row = given.findIndex(({ timeMicros }) => timeMicros === micros(record));
    assert.equal(record.value, outputs[row]);
    const sum = record.contributions.reduce((total, { effect }) => total + effect, record.base);
    // Cut to the range, and what is too small for a line is left out.
    const isCut = record.value === 0 || record.value === 60;
    if (!isCut) assert.ok(Math.abs(sum - record.value) < 3, `${sum} and ${record.value}`);
    for (const { metric, value } of record.contributions) {
      assert.equal(value, metric === "age" ? undefined : given[row]!.values[metric]);
    }
  }
});

test("what is predicted is told with its unit and the limit of the rule, the device with the least first", () => {
  const limits = [
    [undefined, undefined, "value"],
    [{ below: 20, of: "low" }, [20, 60], "low"],
    [{ above: 55 }, [0, 55], "value"],
  ] as const;
  for (const [alert, normal, compared] of limits) {
    const models = modelsWith(life, { ...rule, prediction: { ...pace, ...(alert === undefined ? {} : { alert }) } });
    for (const observation of observationsOf("pump-01")) models.score(observation, profile);
    for (const observation of observationsOf("pump-02").slice(0, 60)) models.score(observation, profile);
    const told = models.packages.scores("life", "live", undefined)!;
    assert.deepEqual([told.predicts, told.normal, told.compared], [{ name: "remaining", unit: "s" }, normal, compared]);
    assert.equal(told.device, compared === "value" && alert !== undefined ? "pump-02" : "pump-01");
    assert.ok(
      told.explained.every((one) => one === null),
      "its records say what adds to it",
    );
  }
});

test("a restart anywhere gives the same records, bit for bit", () => {
  const given = ["pump-01", "pump-02"].flatMap((device, i) => observationsOf(device, 900 + i));
  given.sort((a, b) => a.timeMicros - b.timeMicros);
  const limited = { ...rule, prediction: { ...pace, alert: { below: 20 } } };
  const straight = modelsWith(life, limited);
  let broken = modelsWith(life, limited);
  for (const [i, observation] of given.entries()) {
    if (i % 41 === 20) {
      const next = modelsWith(life, limited);
      assert.ok(next.restore(broken.snapshot()));
      broken = next;
      assert.deepEqual(broken.packages.predictions("pump-09"), []);
    }
    assert.deepEqual(broken.score(observation, profile), straight.score(observation, profile), `observation ${i}`);
  }
  assert.deepEqual(broken.snapshot(), straight.snapshot());
  assert.deepEqual(broken.packages.predictions(), straight.packages.predictions());
});

for (const how of ["at once", "after a restart", "by way of the shadow"] as const) {
  test(`another version knows the machine's life from the one before it: ${how}`, () => {
    const next = servedModel(openPackage(lifePackage("remaining", "1.1.0")));
    const given = observationsOf("pump-01");
    let models = modelsWith(life);
    for (const observation of given.slice(0, 60)) models.score(observation, profile);
    if (how === "by way of the shadow") {
      models.packages.deploy("life", "shadow", next);
      models.score(given[60]!, profile);
      models.packages.deploy("life", "shadow", undefined);
      models.packages.deploy("life", "live", undefined);
      models.packages.deploy("life", "live", next);
    } else if (how === "at once") models.packages.deploy("life", "live", next);
    else {
      const later = modelsWith(next);
      assert.ok(later.restore(models.snapshot()));
      models = later;
    }
    const first = how === "by way of the shadow" ? 61 : 60;
    const [record] = given.slice(first).flatMap((observation) => predictionsAmong(models.score(observation, profile)));
    const always = modelsWith(next);
    const scorer = new RowScorer(next.recipe);
    for (const observation of given) {
      const value = scorer.observe(Float64Array.from(lifeMetrics, (metric) => Number(observation.values[metric])));
      if (observation.timeMicros === micros(record!)) assert.equal(record!.value, value);
    }
    assert.equal(record!.version, "1.1.0");
    assert.deepEqual(always.packages.predictions(), []);
  });
}

/** The same machine after a repair that is told right after its last reading: its second life. */
function afterRepair(first: readonly Observation[]): { repair: number; second: Observation[] } {
  const repair = first.at(-1)!.receivedMicros + 1000;
  const offset = first.at(-1)!.timeMicros + 2_000_000 - first[0]!.timeMicros;
  const second = observationsOf("pump-01", 777).map((observation) => ({
    ...observation,
    timeMicros: observation.timeMicros + offset,
    receivedMicros: observation.receivedMicros + offset,
  }));
  return { repair, second };
}

test("a repair begins another life: what is predicted then is what a new machine would be told", () => {
  const first = observationsOf("pump-01");
  const { repair, second } = afterRepair(first);
  const models = modelsWith(life, rule, () => repair);
  for (const observation of first) models.score(observation, profile);
  const fresh = modelsWith(life);
  const told = (of: GatewayModels): unknown[] =>
    second
      .flatMap((observation) => predictionsAmong(of.score(observation, profile)))
      .map(({ value, time }) => [time, value]);
  const [again, asNew] = [told(models), told(fresh)];
  // When there is a record depends on the one before; what it says does not.
  const values = new Map(asNew as [string, number][]);
  const common = (again as [string, number][]).filter(([time]) => values.has(time));
  assert.ok(common.length >= 5, `${common.length}`);
  for (const [time, value] of common) assert.equal(value, values.get(time));
});

test("a life that ended says how far off its predictions were; others are not judged by it", () => {
  const first = observationsOf("pump-01");
  const { repair, second } = afterRepair(first);
  const models = modelsWith(life, rule, (device) => (device === "pump-01" ? repair : undefined));
  const own = first.flatMap((observation) => predictionsAmong(models.score(observation, profile)));
  for (const observation of observationsOf("pump-02", 556)) models.score(observation, profile);
  const before = models.packages.status()[0]!.drift;
  assert.equal(before.truth, undefined);
  models.score(second[0]!, profile);
  const { lives, bias, error, tested } = models.packages.status()[0]!.drift.truth!;
  const judged = own.slice(-(trendMax + 1));
  const errors = judged.map((record) => record.value - Math.min((repair - micros(record)) / 1e6, 60));
  const mean = errors.reduce((sum, one) => sum + one, 0) / errors.length;
  assert.equal(lives, 1);
  assert.ok(Math.abs(bias - mean) < 1e-9 && error < 20 && tested! > 0, `${bias} ${mean} ${error} ${tested}`);
  models.score(second[1]!, profile);
  assert.equal(models.packages.status()[0]!.drift.truth!.lives, 1, "one life is judged once");
});

test("a restart between a repair and the next snapshot scores as without one, bit for bit", () => {
  const first = observationsOf("pump-01");
  const { repair, second } = afterRepair(first);
  let known: number | undefined;
  const straight = modelsWith(life, rule, () => known);
  for (const observation of first.slice(0, -20)) straight.score(observation, profile);
  const snapshot = straight.snapshot();
  const last = first.slice(-20).map((observation) => straight.score(observation, profile));
  known = repair;
  const next = second.map((observation) => straight.score(observation, profile));
  // The replay begins before the repair, with what is known after it.
  const replayed = modelsWith(life, rule, () => repair);
  assert.ok(replayed.restore(snapshot));
  assert.deepEqual(
    [...first.slice(-20), ...second].map((observation) => replayed.score(observation, profile)),
    [...last, ...next],
  );
  assert.deepEqual(replayed.snapshot(), straight.snapshot());
  // A restart after the repair begins no third life.
  const later = modelsWith(life, rule, () => repair);
  assert.ok(later.restore(straight.snapshot()));
  const more = { ...second.at(-1)!, timeMicros: second.at(-1)!.timeMicros + 1_000_000 };
  assert.deepEqual(later.score(more, profile), straight.score(more, profile));
  assert.deepEqual(later.snapshot(), straight.snapshot());
});

test("missing and doubted inputs make a prediction uncertain, most of them missing none at all", () => {
  const given = observationsOf("pump-01");
  const doubted = modelsWith(life);
  const records = given.flatMap((observation) =>
    predictionsAmong(doubted.score({ ...observation, quality: { vibration: "uncertain" } }, profile)),
  );
  assert.ok(records.length > 0 && records.every(({ quality }) => quality === "uncertain"));
  const blind = modelsWith(life);
  for (const observation of given) {
    const { vibration } = observation.values;
    assert.deepEqual(
      predictionsAmong(
        blind.score({ ...observation, values: { vibration: vibration! }, quality: { vibration: "bad" } }, profile),
      ),
      [],
    );
  }
});

const limits: readonly {
  name: string;
  model: ServedModel;
  prediction: NonNullable<ModelRule["prediction"]>;
  says: RegExp;
}[] = [
  {
    name: "the prediction is below a limit",
    model: life,
    prediction: { ...pace, alert: { below: 20 } },
    says: /^remaining [\d.]+ s, [\d.]+ to [\d.]+: below 20 s; mostly .+, usually .+\. It will stop\.$/,
  },
  {
    name: "the lower end of the interval is",
    model: life,
    prediction: { ...pace, alert: { below: 20, of: "low" } },
    says: /: its lower bound is below 20 s; mostly/,
  },
  {
    name: "the probability is above a limit",
    model: failure,
    prediction: { ...pace, alert: { above: 0.5, margin: 0.2 } },
    says: /^failsSoon \d+ %: above 50 %; mostly/,
  },
];

for (const { name, model, prediction, says } of limits) {
  test(`an alert is raised once where ${name}`, () => {
    const models = modelsWith(model, { ...rule, prediction, consequence: "It will stop." });
    const given = observationsOf("pump-01");
    const alerts = given.flatMap((observation) => alertsAmong(models.score(observation, profile)));
    const ours = alerts.filter(({ model }) => model === "life");
    assert.deepEqual(
      ours.map(({ kind }) => kind).filter((kind) => kind !== "update"),
      ["raise"],
    );
    assert.ok(ours.length <= 4, `${ours.length} records of one episode`);
    const raise = ours[0]!;
    assert.ok(Schema.Check(alertSchema, raise));
    assert.match(raise.explanation, says);
    assert.ok(lifeMetrics.includes(raise.metric) && raise.metric === raise.contributions[0]!.metric);
    const left = (given.at(-1)!.timeMicros - parseWireTime(raise.time)!) / 1e6;
    assert.ok(left > 5 && left < 40, `${left} s before the end`);
    assert.equal(models.packages.status()[0]!.openEpisodes, 1);
    assert.ok(models.recentScores(raise, -Infinity).length > 0);
  });
}

test("after the repair the alert is cleared, and what it says is what is true then", () => {
  const models = modelsWith(life, { ...rule, prediction: { ...pace, alert: { below: 20 } } });
  const worn = observationsOf("pump-01");
  const end = worn.at(-1)!.timeMicros;
  const again = worn.slice(0, 60).map((observation, i) => ({ ...observation, timeMicros: end + (i + 1) * 1e6 }));
  const alerts = [...worn, ...again]
    .flatMap((observation) => alertsAmong(models.score(observation, profile)))
    .filter(({ model }) => model === "life");
  assert.deepEqual([alerts[0]!.kind, alerts.at(-1)!.kind], ["raise", "clear"]);
  assert.match(
    alerts.at(-1)!.explanation,
    /^remaining [\d.]+ s is beyond its limit again|remaining is [\d.]+ s, beyond/,
  );
});

test("without a limit no prediction is an alert, and a detector makes no predictions", () => {
  const models = modelsWith(life);
  const records = observationsOf("pump-01").flatMap((observation) => [...models.packages.score(observation, profile)]);
  assert.deepEqual(alertsAmong(records), []);
});

test("a rule that is read anew holds from the next observation on, and nothing that was known is lost", () => {
  const models = modelsWith(life);
  const straight = modelsWith(life, { ...rule, prediction: { ...pace, alert: { below: 20 } } });
  const given = observationsOf("pump-01");
  for (const [i, observation] of given.entries()) {
    if (i === 50) models.packages.useRules([{ ...rule, prediction: { ...pace, alert: { below: 20 } } }]);
    assert.deepEqual(models.score(observation, profile), straight.score(observation, profile), `observation ${i}`);
  }
  assert.equal(models.packages.status()[0]!.openEpisodes, 1);
});
