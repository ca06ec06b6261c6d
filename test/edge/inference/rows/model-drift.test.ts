// Goal: a packaged model says when what it is given, or what it says, is no longer what it was in training, and not
// before; it survives a restart; and lives that end tell how wrong its predictions were. Method: days of rows drawn from
// the training's distribution, and from others.
import assert from "node:assert/strict";
import { test } from "node:test";
import { expectedOf, type Expected } from "../../../../edge/inference/drift/histogram.ts";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { ModelDrift } from "../../../../edge/inference/rows/model-drift.ts";
import { servedModel, type ServedModel } from "../../../../edge/inference/rows/served-model.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";
import { pumpPackage } from "../../../support/model-package.ts";

const startMicros = Date.UTC(2026, 10, 20, 7, 13) * 1000;
const minutesADay = 1440;
const detector = servedModel(openPackage(pumpPackage()));
const inputs = detector.shape.inputs.length;

type Draw = (input: number) => number;

function normal(random: () => number): Draw {
  return () => gaussian(random);
}

/** What a training of so many rows, a minute apart, writes. */
function trained(kind: "even" | "beyond", rows = 4000): Expected {
  const random = seededRandom(1);
  const column = (): Float64Array => Float64Array.from({ length: rows }, () => gaussian(random));
  const outputs = column().map((value) => value * value);
  return expectedOf({ inputs: Array.from({ length: inputs }, column), outputs }, 60_000, kind);
}

function served(purpose: ServedModel["purpose"], { inputs, output }: Expected): ServedModel {
  const expected = { inputs: inputs.map((one) => one ?? undefined), output: output ?? undefined };
  return { ...detector, purpose, expected };
}

const detects = served(detector.purpose, trained("even"));
const predicts = served(
  {
    kind: "predicts",
    output: { kind: "quantity", name: "left", unit: "h", range: [0, 500], meaning: "" },
    interval: undefined,
    step: 1,
    testedError: 10,
  },
  trained("beyond"),
);

/** Rows once a minute; the output is the square of a normal number times `gain`. */
function run(
  drift: ModelDrift,
  minutes: number,
  draw: Draw,
  random = seededRandom(7),
  gain = 1,
  from = 0,
  devices = 1,
): void {
  for (let row = from * devices; row < (from + minutes) * devices; row++) {
    const minute = Math.floor(row / devices);
    const values = Float64Array.from({ length: inputs }, (_, input) => draw(input));
    drift.observe(values, gain * gaussian(random) ** 2, startMicros + minute * 60_000_000);
  }
}

const statesOf = (drift: ModelDrift): string =>
  drift
    .view()
    .channels.map(({ state }) => state)
    .join(" ");

test("rows as in training are ok, once a whole day was seen and not before", () => {
  for (const model of [detects, predicts]) {
    const drift = new ModelDrift(model);
    const random = seededRandom(2);
    run(drift, minutesADay - 60, normal(random));
    assert.equal(drift.state, "learning");
    run(drift, 10 * minutesADay, normal(random), random, 1, minutesADay - 60);
    assert.equal(statesOf(drift), "ok ok ok ok ok ok");
    assert.equal(drift.state, "ok");
  }
});

test("of thirty models whose data is as in training, none warns", () => {
  for (let seed = 100; seed < 130; seed++) {
    const drift = new ModelDrift(detects);
    const random = seededRandom(seed);
    run(drift, 2 * minutesADay, normal(random), random);
    assert.equal(drift.state, "ok", `seed ${seed}`);
  }
});

const changes: {
  name: string;
  model: ServedModel;
  draw: (random: () => number) => Draw;
  gain?: number;
  devices?: number;
  is: string;
}[] = [
  {
    name: "in a fleet of ten an input that moved by a little",
    model: detects,
    draw: only(1, 0.4),
    devices: 10,
    is: "ok warn ok ok ok ok",
  },
  { name: "of one device the same is no proof", model: detects, draw: only(1, 0.4), is: "ok ok ok ok ok ok" },
  { name: "an input that moved by two deviations", model: detects, draw: only(3, 2), is: "ok ok ok degraded ok ok" },
  { name: "scores three times as large", model: detects, draw: normal, gain: 3, is: "ok ok ok ok ok degraded" },
  { name: "scores a third as large", model: detects, draw: normal, gain: 0.33, is: "ok ok ok ok ok ok" },
  {
    name: "to a predictor, an input within what it knows",
    model: predicts,
    draw: only(2, 0.5),
    is: "ok ok ok ok ok ok",
  },
  {
    name: "to a predictor, one that it has never seen",
    model: predicts,
    draw: only(2, 4),
    is: "ok ok degraded ok ok ok",
  },
];

function only(moved: number, by: number): (random: () => number) => Draw {
  return (random) => (input) => gaussian(random) + (input === moved ? by : 0);
}

for (const { name, model, draw, gain, devices, is } of changes) {
  test(`${name}: ${is}`, () => {
    const drift = new ModelDrift(model);
    const random = seededRandom(3);
    run(drift, 2 * minutesADay, draw(random), random, gain, 0, devices);
    assert.equal(statesOf(drift), is);
  });
}

test("it is ok again a day after its data is", () => {
  const drift = new ModelDrift(detects);
  const random = seededRandom(4);
  run(drift, 2 * minutesADay, only(0, 2)(random), random);
  assert.equal(drift.state, "degraded");
  run(drift, minutesADay + 60, normal(random), random, 1, 2 * minutesADay);
  assert.equal(drift.state, "ok");
});

test("a package that does not say how its data was distributed is unknown; a short training proves nothing", () => {
  const unknown = new ModelDrift({
    ...detects,
    expected: { inputs: detects.expected.inputs.map(() => undefined), output: undefined },
  });
  const short = new ModelDrift(served(predicts.purpose, trained("beyond", 110)));
  for (const drift of [unknown, short]) run(drift, 2 * minutesADay, only(0, 9)(seededRandom(5)));
  assert.deepEqual([unknown.state, short.state], ["unknown", "ok"]);
});

test("one row a minute counts, of rows of a second too", () => {
  const drift = new ModelDrift({ ...detects, shape: { ...detects.shape, periodMs: 1000 } });
  const random = seededRandom(6);
  for (let second = 0; second < 7200; second++)
    drift.observe(new Float64Array(inputs), gaussian(random) ** 2, startMicros + second * 1_000_000);
  const twin = new ModelDrift(detects);
  run(twin, 120, () => 0);
  assert.deepEqual(drift.view().channels[0], twin.view().channels[0]);
});

test("a restart anywhere goes on with the same state, bit for bit", () => {
  const random = seededRandom(8);
  const rows = Array.from({ length: 2 * minutesADay }, () =>
    Float64Array.from({ length: inputs }, () => gaussian(random) + 0.4),
  );
  const straight = new ModelDrift(detects);
  let broken = new ModelDrift(detects);
  for (const [minute, row] of rows.entries()) {
    if (minute % 331 === 100) {
      const after = new ModelDrift(detects);
      after.load(StateReader.open(saved(broken))!);
      broken = after;
    }
    for (const drift of [straight, broken]) drift.observe(row, row[0]! ** 2, startMicros + minute * 60_000_000);
  }
  assert.deepEqual(saved(broken), saved(straight));
  assert.deepEqual(broken.view(), straight.view());
});

function saved(drift: ModelDrift): Uint8Array {
  const to = new StateWriter();
  drift.save(to);
  return to.done();
}

test("lives that ended tell how wrong predictions were, from the third on", () => {
  const drift = new ModelDrift(predicts);
  run(drift, 2 * minutesADay, normal(seededRandom(9)));
  for (const [errors, state] of [
    [[30, 20], "ok"],
    [[], "ok"],
    [[10, 30], "ok"],
    [[20], "warn"],
    [[50, 60], "degraded"],
  ] as const) {
    drift.lifeEnded(errors);
    assert.equal(drift.state, state, errors.join());
  }
  const { lives, bias, tested } = drift.view().truth!;
  assert.deepEqual([lives, Math.round(bias), tested], [4, 31, 10]);
});
