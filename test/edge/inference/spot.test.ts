// Goal: a stream sets its own threshold; normal values are above it as rarely as was asked for, and it costs nothing to keep.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Spot, spotDefaults } from "../../../edge/inference/spot.ts";
import { StateReader, StateWriter } from "../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";

type Draw = (random: () => number) => number;

const draws: { name: string; draw: Draw; least?: number }[] = [
  { name: "ends at once (uniform)", draw: (random) => random(), least: 0 },
  { name: "exponential", draw: (random) => -Math.log(1 - random()) },
  { name: "squared Gaussian", draw: (random) => gaussian(random) ** 2 },
  { name: "heavy (Pareto)", draw: (random) => (1 - random()) ** -0.25 },
];

function saved(spot: Spot): Uint8Array {
  const to = new StateWriter();
  spot.save(to);
  return to.done();
}

for (const { name, draw, least = 500 } of draws) {
  test(`${name}: of a million values at most about 1,000 are above a threshold for one in a thousand`, () => {
    const random = seededRandom(5);
    const spot = new Spot({ ...spotDefaults, risk: 1e-3 });
    let above = 0;
    for (let i = 0; i < 1_000_000; i++) if (spot.observe(draw(random), true)) above++;
    assert(above >= least && above < 1500, `${above}`);
  });
}

test("an outlier, however large, hardly moves it, and nothing does while it must not learn", () => {
  const random = seededRandom(6);
  const spot = new Spot();
  for (let i = 0; i < 5000; i++) spot.observe(-Math.log(1 - random()), true);
  const before = saved(spot);
  const { threshold } = spot;
  assert(spot.observe(50, false) && !spot.observe(4, false));
  assert.deepEqual(saved(spot), before);
  assert(spot.observe(1e9, true));
  assert(spot.threshold < threshold * 1.3, `${threshold} to ${spot.threshold}`);
});

test("says nothing while it learns; values that are all alike make any other abnormal", () => {
  const spot = new Spot();
  for (let i = 0; i < 1000; i++) assert(!spot.observe(i === 500 ? 1e9 : 0, true));
  const alike = new Spot();
  for (let i = 0; i < 2000; i++) assert(!alike.observe(3, true));
  assert(alike.observe(3.1, true) && !alike.observe(3, true));
});

test("a restart anywhere continues bit for bit", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 2999 }), (seed, cut) => {
      const random = seededRandom(seed);
      const values = Float64Array.from({ length: 3000 }, () => draws[2]!.draw(random));
      const whole = new Spot();
      const expected = values.map((value) => Number(whole.observe(value, true)) + whole.threshold);
      const before = new Spot();
      for (const value of values.subarray(0, cut)) before.observe(value, true);
      const after = new Spot();
      after.load(StateReader.open(saved(before))!);
      const continued = values.subarray(cut).map((value) => Number(after.observe(value, true)) + after.threshold);
      assert.deepEqual(continued, expected.subarray(cut));
      assert.deepEqual(saved(after), saved(whole));
    }),
    { numRuns: 20 },
  );
});

test("ten million values leave no more behind than a thousand", () => {
  setFlagsFromString("--expose-gc");
  const random = seededRandom(8);
  const spot = new Spot();
  const take = (count: number): void => {
    for (let i = 0; i < count; i++) spot.observe(-Math.log(1 - random()), true);
  };
  take(200_000);
  const bytes = saved(spot).length;
  runInNewContext("gc()");
  const before = process.memoryUsage().heapUsed;
  take(10_000_000);
  runInNewContext("gc()");
  const grown = process.memoryUsage().heapUsed - before;
  assert(grown < 200_000, `${grown} bytes`);
  assert.equal(saved(spot).length, bytes);
});
