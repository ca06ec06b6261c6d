// Goal: a person hears of what is abnormal, once, with an explanation; nothing else ever leaves the scorer.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import Schema from "typebox/schema";
import { Scorer } from "../../../edge/inference/scorer.ts";
import { AirSensor, Pump } from "../../../edge/simulate/plant.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";
import type { Observation, Value } from "../../../src/observation/observation.ts";
import { guardDefaults } from "../../../src/profile/metric.ts";
import type { GuardRule } from "../../../src/profile/profile.ts";
import { alertSchema, type AlertRecord } from "../../../src/wire/records.ts";
import { metricOf, observe, profileOf, startMicros } from "./observations.ts";

const pumpProfile = profileOf(
  metricOf("vibration", [0, 20], { consequence: "bearing wear likely", action: "plan to replace the bearing" }),
  metricOf("bearingTemperature", [-10, 120], { consequence: "Lubrication may have failed." }),
  metricOf("pressure", [0, 16]),
);
const airProfile = profileOf(metricOf("temperature", [-40, 85]), metricOf("humidity", [0, 100]));

/** Everything that a pump says of `series`, 5 values a second. */
function run(scorer: Scorer, series: Iterable<number>, profile = profileOf(metricOf("vibration", [0, 20]))) {
  const alerts: AlertRecord[] = [];
  let seconds = 0;
  for (const vibration of series)
    alerts.push(...scorer.score(observe("pump-1", (seconds += 0.2), { vibration }), profile));
  return alerts;
}

function* around(value: number, count: number, seed = 1): Generator<number> {
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) yield value + 0.1 * gaussian(random);
}

test("a wearing bearing raises an alert with what is normal, soon after it begins and not before", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const scorer = new Scorer();
    const pump = new Pump(seed, { startSeconds: 45, seconds: 90 });
    const alerts: AlertRecord[] = [];
    for (let i = 1; i <= 600; i++) {
      alerts.push(...scorer.score(observe("pump-3", i * 0.2, { ...pump.step(0.2) }), pumpProfile));
    }
    const first = alerts[0]!;
    const seconds = (Date.parse(first.time) * 1000 - startMicros) / 1e6;
    assert(seconds > 45 && seconds < 75, `seed ${seed}: first alert after ${seconds} s`);
    assert.equal(first.kind, "raise");
    assert.equal(first.metric, "vibration");
    assert.equal(first.priority, "high");
    assert.equal(first.action, "plan to replace the bearing");
    assert.match(
      first.explanation,
      /^vibration [\d.]+ mm\/s, normal [\d.]+ to [\d.]+ over the last \d+ s; bearing wear likely$/,
    );
    const hot = alerts.find(({ metric }) => metric === "bearingTemperature")!;
    assert.match(hot.explanation, / over the last \d+ s\. Lubrication may have failed\.$/);
    const episodes = new Set(alerts.filter(({ metric }) => metric === "vibration").map(({ episode }) => episode));
    assert.equal(episodes.size, 1, "the bearing's vibration is one episode");
    for (const alert of alerts) assert(Schema.Check(alertSchema, alert), JSON.stringify(alert));
  }
});

test("a sound plant is quiet for an hour", () => {
  for (let seed = 1; seed <= 3; seed++) {
    const scorer = new Scorer();
    const pump = new Pump(seed);
    const air = new AirSensor(seed + 100);
    for (let i = 1; i <= 3600 * 5; i++) {
      const alerts = [...scorer.score(observe("pump-1", i * 0.2, { ...pump.step(0.2) }), pumpProfile)];
      if (i % 5 === 0) alerts.push(...scorer.score(observe("air-1", i * 0.2, { ...air.step(1) }), airProfile));
      assert.deepEqual(alerts, [], `seed ${seed}, ${i * 0.2} s`);
    }
  }
});

test("an episode is raised, updated while it worsens, and cleared when the value is back", () => {
  const alerts = run(
    new Scorer(),
    [...around(2.2, 300), ...around(5, 100), ...around(9, 100), ...around(2.2, 60)],
    pumpProfile,
  );
  assert.deepEqual(
    alerts.map(({ kind }) => kind),
    ["raise", "update", "clear"],
  );
  assert.equal(new Set(alerts.map(({ episode }) => episode)).size, 1);
  assert.match(alerts.at(-1)!.explanation, /back to normal$/);
});

test("a fault does not become normal by lasting, but after a day it is learned anew", () => {
  const scorer = new Scorer();
  assert.equal(
    run(scorer, [...around(2.2, 300), ...around(9, 20_000)]).filter(({ kind }) => kind === "clear").length,
    0,
  );
  const profile = profileOf(metricOf("vibration", [0, 20]));
  const [later] = scorer.score(observe("pump-1", 26 * 3600, { vibration: 9 }), profile);
  assert.equal(later?.kind, "clear");
  assert.match(later.explanation, /taken as the new normal/);
  assert.equal(scorer.status().learning, 1);
});

test("a value that was rare is abnormal when it stays, for as long as it does", () => {
  const usual = Array.from({ length: 1000 }, (_, i) => (i % 50 === 49 ? 15 : 3));
  const alerts = run(
    new Scorer(),
    [...usual, ...Array<number>(5000).fill(15)],
    profileOf(metricOf("vibration", [0, 20])),
  );
  assert.deepEqual(
    alerts.slice(0, 1).map(({ kind, model }) => [kind, model]),
    [["raise", "context-surprise"]],
  );
  assert(alerts.every(({ kind }) => kind !== "clear"));
  assert.match(alerts[0]!.explanation, /^vibration 15 mm\/s changes in an unusual way, normal 3 to 15 over/);
});

test("a single outlier is no alert", () => {
  assert.deepEqual(run(new Scorer(), [...around(2.2, 300), 15, ...around(2.2, 100, 2)]), []);
});

test("nothing is said while a metric is learned", () => {
  assert.deepEqual(run(new Scorer(), [...around(2.2, 70), ...around(12, 70)]), []);
});

const noGuards = guardsOf();
function guardsOf(...on: (keyof GuardRule)[]): GuardRule {
  const none = { rate: false, stuck: false, gap: false, hampel: false, ewma: false, cusum: false, variance: false };
  return { ...none, ...Object.fromEntries(on.map((name) => [name, true])) };
}

const guards: { name: string; guards: GuardRule; series: number[]; says: RegExp }[] = [
  {
    name: "a value beyond the sensor's range",
    guards: noGuards,
    series: [...around(2.2, 300), 21, 21.5, 22],
    says: /outside of the sensor's range 0 to 20$/,
  },
  {
    name: "a sensor that stands still",
    guards: guardsOf("stuck"),
    series: [...around(2.2, 300), ...Array<number>(60).fill(2.2)],
    says: /has stood at exactly 2.2 mm\/s for \d+ values$/,
  },
  {
    name: "a jump",
    guards: guardDefaults("guards"),
    series: [...around(2.2, 300), 9.5],
    says: /after a jump of 7/,
  },
  {
    name: "a loose contact",
    guards: guardsOf("hampel"),
    series: Array.from(around(2.2, 600), (value, i) => (i > 450 && i % 9 === 0 ? value + 2 : value)),
    says: /^vibration [.\d]+ mm\/s with single values that leap out and back, the last 4[.\d]* beside 2[.\d]*$/,
  },
  {
    name: "a mean that creeps away",
    guards: guardsOf("ewma", "cusum"),
    series: [...around(2.2, 3000), ...around(2.4, 200)],
    says: /^vibration [.\d]+ mm\/s, its mean has moved from 2.2 to 2.[34]\d*$/,
  },
  {
    name: "noise that grows",
    guards: guardsOf("variance"),
    series: [...around(2.2, 12_000), ...Array.from(around(0, 400), (value) => 2.2 + 3 * value)],
    says: /^vibration [.\d]+ mm\/s varies [123][.\d]* times as much as usual$/,
  },
];
for (const { name, guards: rule, series, says } of guards) {
  test(`the guards see ${name}`, () => {
    const watched = profileOf(metricOf("vibration", [0, 20], { model: "guards", guards: rule }));
    const alerts = run(new Scorer(), series, watched).filter(({ kind }) => kind === "raise");
    assert.equal(alerts.length, 1);
    assert.equal(alerts[0]!.model, "guards");
    assert.match(alerts[0]!.explanation, says);
  });
}

test("values that come again after a silence are told where the profile asks for it", () => {
  for (const gap of [true, false]) {
    const scorer = new Scorer();
    const profile = profileOf(metricOf("vibration", [0, 20], { guards: gap ? guardsOf("gap") : noGuards }));
    run(scorer, around(2.2, 300), profile);
    const said = scorer.score(observe("pump-1", 400, { vibration: 2.2 }), profile).map((alert) => alert.explanation);
    assert.deepEqual(said, gap ? ["vibration 2.2 mm/s after 6 min without a value, usually 0.2 s"] : []);
  }
});

test("values that the device marks as bad change nothing that was learned, and many of them are an alert", () => {
  const scorer = new Scorer();
  const profile = profileOf(metricOf("vibration", [0, 20]));
  run(scorer, around(2.2, 300), profile);
  const bad = Array.from({ length: 12 }, (_, i) =>
    scorer.score(observe("pump-1", 60 + i, { vibration: 19 }, { vibration: "bad" }), profile),
  ).flat();
  assert.deepEqual(
    bad.map(({ kind, model }) => [kind, model]),
    [["raise", "guards"]],
  );
  assert.match(bad[0]!.explanation, /marks its values as bad, 10 in a row/);
  const after = Array.from({ length: 40 }, (_, i) =>
    scorer.score(observe("pump-1", 72 + i * 0.2, { vibration: 2.2 }), profile),
  );
  assert.deepEqual(
    after.flat().map(({ kind }) => kind),
    ["clear"],
  );
});

// One stream of several devices, with everything that may happen to them.
const step = fc.record({
  device: fc.constantFrom("pump-1", "pump-2", "air-1"),
  values: fc.array(fc.double({ min: -5, max: 25, noNaN: true }), { minLength: 1, maxLength: 40 }),
  bad: fc.boolean(),
  gapSeconds: fc.constantFrom(0.2, 0.2, 0.2, 1, 400, 90_000),
});

function* observations(
  steps: { device: string; values: number[]; bad: boolean; gapSeconds: number }[],
): Generator<Observation> {
  let seconds = 0;
  for (const device of ["pump-1", "pump-2", "air-1"]) {
    for (const vibration of around(2.2, 200, device.length)) yield observe(device, (seconds += 0.1), { vibration });
  }
  for (const { device, values, bad, gapSeconds } of steps) {
    seconds += gapSeconds;
    for (const vibration of values) {
      yield observe(device, (seconds += 0.2), { vibration }, bad ? { vibration: "bad" } : undefined);
    }
  }
}

test("a restart from a snapshot anywhere gives the same alerts and the same state, bit for bit", () => {
  const profiles = [
    profileOf(metricOf("vibration", [0, 20])),
    profileOf(metricOf("vibration")),
    profileOf(metricOf("vibration", [0, 20], { model: "guards" })),
    profileOf(
      metricOf("vibration", undefined, {
        model: "guards",
        guards: guardsOf("rate", "stuck", "gap", "hampel", "ewma", "cusum", "variance"),
      }),
    ),
  ];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.nat(), fc.constantFrom(...profiles), (steps, cut, profile) => {
      const series = [...observations(steps)];
      const at = cut % series.length;
      const whole = new Scorer();
      const expected = series.map((observation) => whole.score(observation, profile));
      const before = new Scorer();
      for (const observation of series.slice(0, at)) before.score(observation, profile);
      const after = new Scorer();
      assert(after.restore(before.snapshot()));
      // A new process compiles its profile anew.
      const recompiled = profileOf(...profile.metrics.values());
      const replayed = series.slice(at).map((observation) => after.score(observation, recompiled));
      assert.deepEqual(replayed, expected.slice(at));
      assert.deepEqual(after.snapshot(), whole.snapshot());
      assert.deepEqual(after.status(), whole.status());
    }),
    { numRuns: 60 },
  );
});

test("no observation makes it throw, and every alert fits its schema", () => {
  const oddNumber = fc.constantFrom(Number.NaN, Infinity, -Infinity, -0, 1e308, -1e308, 5e-324, 1);
  const value: fc.Arbitrary<Value> = fc.oneof(fc.double(), oddNumber, fc.string(), fc.boolean());
  const micros = fc.oneof(fc.double(), fc.constantFrom(0, -1, Number.NaN, Infinity, 2 ** 53, startMicros));
  const observation = fc.record({
    device: fc.constantFrom("pump-1", "__proto__", "constructor"),
    timeMicros: micros,
    receivedMicros: micros,
    implausibleTime: fc.boolean(),
    values: fc.dictionary(fc.constantFrom("vibration", "__proto__", "x"), value),
    quality: fc.option(fc.constant({ vibration: "bad" as const }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 400, size: "max" }), (observations) => {
      const scorer = new Scorer();
      for (const profile of [profileOf(metricOf("vibration")), profileOf(metricOf("vibration", [0, 20]))]) {
        for (const odd of observations) {
          for (const alert of scorer.score({ ...observe("", 0, {}), ...odd }, profile)) {
            assert(Schema.Check(alertSchema, JSON.parse(JSON.stringify(alert))), JSON.stringify(alert));
          }
        }
      }
    }),
    { numRuns: 30 },
  );
});

test("damaged or foreign snapshots are refused and change nothing", () => {
  const scorer = new Scorer();
  run(scorer, around(2.2, 20));
  const snapshot = scorer.snapshot();
  for (const at of [0, 5, snapshot.length >> 1, snapshot.length - 1]) {
    const damaged = Uint8Array.from(snapshot);
    damaged[at]! ^= 4;
    assert.equal(scorer.restore(damaged), false);
  }
  assert.equal(scorer.restore(snapshot.subarray(0, 40)), false);
  assert.equal(scorer.restore(new Uint8Array(0)), false);
  assert.deepEqual(scorer.snapshot(), snapshot);
});

test("the number of metrics is bounded: the longest silent device makes room, a busy one does not", () => {
  const profile = profileOf(metricOf("vibration", [0, 20]));
  const scorer = new Scorer({ metricsMax: 2 });
  for (const [i, vibration] of [...around(2.2, 300), 9, 9, 9].entries()) {
    scorer.score(observe("silent", i * 0.2, { vibration }), profile);
  }
  assert.equal(scorer.status().openEpisodes, 1);
  scorer.score(observe("busy", 70, { vibration: 2 }), profile);
  scorer.score(observe("new", 71, { vibration: 2 }), profile);
  const drift = { learning: 2, ok: 0, warn: 0, degraded: 0 };
  assert.deepEqual(scorer.status(), { devices: 2, metrics: 2, learning: 1, openEpisodes: 1, unwatched: 1, drift });
  scorer.score(observe("busy", 3700, { vibration: 2 }), profile);
  const alerts = Array.from({ length: 1001 }, (_, i) =>
    scorer.score(observe("new", 3700 + i, { vibration: 2 }), profile),
  );
  assert.deepEqual(
    alerts.flat().map(({ device, kind, explanation }) => [device, kind, explanation]),
    [["silent", "clear", "vibration is no longer watched: the device is silent and its place was needed"]],
  );
  assert.equal(scorer.status().devices, 2);
});

test("metrics whose data is no longer what was learned are named, and the others of the plant are not", () => {
  const scorer = new Scorer();
  const profile = profileOf(metricOf("vibration", [0, 20], { model: "guards", guards: noGuards }));
  const random = seededRandom(9);
  const minutes = (from: number, to: number, moved: number): void => {
    for (let minute = from; minute < to; minute++) {
      for (let pump = 0; pump < 20; pump++) {
        const vibration = 5 + gaussian(random) + (pump === 7 ? moved : 0);
        scorer.score(observe(`pump-${pump}`, minute * 60, { vibration }), profile);
      }
    }
  };
  minutes(0, 2 * 1440 + 150, 0);
  const restored = new Scorer();
  assert(restored.restore(scorer.snapshot()));
  assert.deepEqual(restored.status().drift, { learning: 0, ok: 20, warn: 0, degraded: 0 });
  minutes(2 * 1440 + 150, 4 * 1440, 2);
  assert.deepEqual(scorer.drifting(10), [
    { device: "pump-7", metric: "vibration", state: "degraded", channel: "input" },
  ]);
  assert.deepEqual(scorer.status().drift, { learning: 0, ok: 19, warn: 0, degraded: 1 });
  assert.equal(scorer.driftOf("pump-7", "vibration"), "degraded");
  assert.equal(scorer.driftOf("pump-8", "vibration"), "ok");
  assert.equal(scorer.driftOf("pump-8", "energy"), undefined);
});

test("a profile that wants nothing watched any more closes what stands open", () => {
  const watched = profileOf(metricOf("vibration", [0, 20]));
  const scorer = new Scorer();
  assert.equal(run(scorer, [...around(2.2, 300), ...around(9, 100)], watched).at(-1)?.kind, "raise");
  const alerts = run(scorer, around(9, 2), profileOf({ ...metricOf("vibration"), detect: undefined }));
  assert.deepEqual(
    alerts.map(({ kind, explanation }) => [kind, explanation]),
    [["clear", "vibration is no longer watched: its profile names nothing to watch"]],
  );
  assert.equal(scorer.knows("pump-1"), false);
});

test("a profile that wants nothing watched costs nothing and keeps nothing", () => {
  const { detect, ...plain } = metricOf("vibration");
  const profile = profileOf({ ...plain, detect: undefined });
  const scorer = new Scorer();
  assert.equal(scorer.plan(profile), undefined);
  assert.deepEqual(run(scorer, around(2.2, 10), profile), []);
  assert.equal(scorer.status().devices, 0);
  assert(detect !== undefined);
});
