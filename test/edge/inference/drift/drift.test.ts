// Goal: a metric whose data no longer is what its model learned is named, one that is well is not, and memory is bounded.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Adwin } from "../../../../edge/inference/drift/adwin.ts";
import { Drift } from "../../../../edge/inference/drift/drift.ts";
import { discoveryLimit } from "../../../../edge/inference/drift/false-discovery.ts";
import { Kswin } from "../../../../edge/inference/drift/kswin.ts";
import { chiSquareAbove, Psi } from "../../../../edge/inference/drift/psi.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const minute = 60_000_000;
const day = 1440;

interface Kept {
  save(to: StateWriter): void;
  load(from: StateReader): void;
}

function saved(of: Kept): Uint8Array {
  const to = new StateWriter();
  of.save(to);
  return to.done();
}

function copyOf<T extends Kept>(of: T, made: T): T {
  made.load(StateReader.open(saved(of))!);
  return made;
}

test("χ² has the tails of its tables", () => {
  for (const [x, degrees, above] of [
    [14.067, 7, 0.05],
    [24.322, 7, 0.001],
    [3.841, 1, 0.05],
    [16.266, 3, 0.001],
  ] as const) {
    assert(Math.abs(chiSquareAbove(x, degrees) / above - 1) < 0.05, `${chiSquareAbove(x, degrees)}, ${above}`);
  }
});

test("ADWIN: a mean that has grown is sure, one that fell or stayed is not; what is old is forgotten", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const random = seededRandom(seed);
    const window = new Adwin();
    for (let i = 0; i < 1000; i++) window.add(0.1 * random());
    assert(window.test() > 0.05, `seed ${seed}`);
    for (let i = 0; i < 600; i++) window.add(0.1 + 0.1 * random());
    assert(window.test() < 1e-6);
    window.forgetOld();
    assert(window.test() > 0.001);
    const falling = new Adwin();
    for (let i = 0; i < 2000; i++) falling.add((i < 1000 ? 0.1 : 0) + 0.1 * random());
    assert(falling.test() > 0.05);
  }
});

test("KSWIN: newest samples that are larger are seen, and equal ones are no difference", () => {
  const random = seededRandom(3);
  const window = new Kswin();
  for (let i = 0; i < 119; i++) window.add(random());
  assert.equal(window.test(), 1, "until it is full");
  for (let i = 0; i < 500; i++) window.add(random());
  assert(window.test() > 0.01);
  for (let i = 0; i < 30; i++) window.add(0.7 + 0.3 * random());
  assert(window.test() < 1e-5);
  const still = new Kswin();
  for (let i = 0; i < 500; i++) still.add(0);
  assert.equal(still.test(), 1);
});

test("PSI: near 0 for the same distribution, above 0.25 for one moved by a deviation, and unit-free", () => {
  const random = seededRandom(4);
  const [same, moved, scaled] = [new Psi(day), new Psi(day), new Psi(day)];
  for (let i = 0; i < 3 * day; i++) {
    const value = gaussian(random);
    same.add(value);
    moved.add(value + (i < day ? 0 : 1));
    scaled.add((value + (i < day ? 0 : 1)) * 2 ** 20);
  }
  assert(same.index() < 0.1 && same.test(same.index(), 72) > 0.05, `${same.index()}`);
  assert(moved.index() > 0.25 && moved.test(moved.index(), 72) < 1e-4, `${moved.index()}`);
  assert.equal(scaled.index(), moved.index());
});

test("of 1,000 tests without an effect hardly any is a discovery, and clear ones are found among them", () => {
  let falseOnes = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), (seed) => {
      const random = seededRandom(seed);
      const pValues = Float64Array.from({ length: 1000 }, () => random());
      if (discoveryLimit(pValues, 0.05) >= 0) falseOnes++;
      for (let i = 0; i < 50; i++) pValues[i] = 1e-6 * random();
      const limit = discoveryLimit(pValues, 0.05);
      const found = pValues.map((p) => (p <= limit ? 1 : 0));
      const wrong = found.subarray(50).reduce((sum, one) => sum + one);
      assert(found.subarray(0, 50).every((one) => one === 1) && wrong < 15, `${wrong}`);
    }),
    { numRuns: 100, seed: 1 },
  );
  assert(falseOnes < 15, `${falseOnes} of 100`);
  assert.equal(discoveryLimit(new Float64Array(0), 0.05), -1);
});

/** A metric for so many minutes, with what a model would say; tested every 15 minutes. */
function run(drift: Drift, minutes: number, seed: number, value: (z: number) => number, score: (u: number) => number) {
  const random = seededRandom(seed);
  for (let i = 0; i < minutes; i++) {
    drift.observe(value(gaussian(random)), score(random()), (seed * 10_000 + i) * minute);
    if (i % 15 === 14) drift.decide(1e-4, (seed * 10_000 + i) * minute);
  }
}

const calm = (u: number): number => (u > 0.9 ? 0.2 * u : 0);
const cases = [
  { name: "the same data is well", value: (z: number) => z, score: calm, state: "ok", channel: undefined },
  {
    name: "inputs that moved degrade",
    value: (z: number) => z + 1.5,
    score: calm,
    state: "degraded",
    channel: "input",
  },
  {
    name: "scores that grew warn",
    value: (z: number) => z,
    score: (u: number) => 0.1 + calm(u),
    state: "warn",
    channel: "score",
  },
];
for (const { name, value, score, state, channel } of cases) {
  test(`a day to learn, then: ${name}`, () => {
    const drift = new Drift();
    run(drift, 2 * day - 1, 1, (z) => z, calm);
    assert.equal(drift.state, "ok");
    run(drift, day - 1, 2, value, score);
    assert.equal(drift.state, state);
    if (channel !== undefined) assert(drift.channel.startsWith(channel), drift.channel);
  });
}

test("after a day without a discovery all is well again", () => {
  const drift = new Drift();
  run(drift, 2 * day, 1, (z) => z, calm);
  run(
    drift,
    200,
    2,
    (z) => z,
    (u) => 0.1 + calm(u),
  );
  assert.equal(drift.state, "warn");
  run(
    drift,
    2 * day,
    3,
    (z) => z,
    (u) => 0.1 + calm(u),
  );
  assert.equal(drift.state, "ok");
});

test("a restart anywhere continues bit for bit, and the state is as large as at the beginning", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 * day - 1 }), fc.nat(), (cut, seed) => {
      const random = seededRandom(seed);
      const [whole, early] = [new Drift(), new Drift()];
      let late = early;
      for (let i = 0; i < 4 * day; i++) {
        if (i === cut) late = copyOf(early, new Drift());
        const value = gaussian(random) + i / day;
        const score = random() / 10;
        for (const drift of new Set([whole, i < cut ? early : late])) {
          drift.observe(value, score, i * minute);
          if (i % 15 === 0) drift.decide(1e-3, i * minute);
        }
      }
      assert.deepEqual(saved(late), saved(whole));
      assert.equal(late.state, whole.state);
      assert.equal(saved(whole).length, saved(new Drift()).length);
      assert(saved(whole).length < 4000, `${saved(whole).length}`);
    }),
    { numRuns: 8 },
  );
});
