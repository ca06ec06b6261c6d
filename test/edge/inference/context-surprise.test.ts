// Goal: the default detector judges shape, not scale; a restart is invisible; its state never grows.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ContextSurprise } from "../../../edge/inference/context-surprise.ts";
import { StateReader, StateWriter } from "../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";

const minute = 60_000_000;

/** A day's rhythm with noise, a jump and an outlier: everything that moves the detector's state. */
function series(seed: number, count: number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: count }, (_, i) => {
    const shift = i > count * 0.7 && i < count * 0.8 ? 6 : 0;
    const outlier = i === count >> 1 ? 40 : 0;
    return 10 * Math.sin((i * 2 * Math.PI) / 1440) + gaussian(random) + shift + outlier;
  });
}

function scores(detector: ContextSurprise, values: Float64Array, first = 0): Float64Array {
  return values.map((value, i) => detector.observe(value, (first + i) * minute, true));
}

function saved(detector: ContextSurprise): Uint8Array {
  const to = new StateWriter();
  detector.save(to);
  return to.done();
}

const ranges = [undefined, [-64, 64]] as const;

test("a change of unit changes no score", () => {
  const scale = fc.constantFrom(2 ** -20, 2 ** -3, 1, 8, 2 ** 30);
  fc.assert(
    fc.property(fc.nat(), scale, fc.constantFrom(...ranges), (seed, factor, range) => {
      const values = series(seed, 1500);
      const scaledRange = range && ([range[0] * factor, range[1] * factor] as const);
      // A power of two is exact, so the scores have to be equal bit for bit.
      const scaled = scores(
        new ContextSurprise(scaledRange),
        values.map((value) => value * factor),
      );
      assert.deepEqual(scaled, scores(new ContextSurprise(range), values));
    }),
    { numRuns: 20 },
  );
});

test("a restart anywhere continues bit for bit", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 1499 }), fc.constantFrom(...ranges), (seed, cut, range) => {
      const values = series(seed, 1500);
      const whole = scores(new ContextSurprise(range), values);
      const before = new ContextSurprise(range);
      scores(before, values.subarray(0, cut));
      const after = new ContextSurprise(range);
      after.load(StateReader.open(saved(before))!);
      assert.deepEqual(scores(after, values.subarray(cut), cut), whole.subarray(cut));
    }),
    { numRuns: 20 },
  );
});

test("its state is as large after a million values as after a hundred", () => {
  const detector = new ContextSurprise([-64, 64]);
  const values = series(1, 100_000);
  scores(detector, values.subarray(0, 100));
  const small = saved(detector).length;
  for (let round = 0; round < 10; round++) scores(detector, values, round * values.length);
  assert.equal(saved(detector).length, small);
  assert(small < 2500);
});

test("one outlier is one high score: the usual values after it are usual", () => {
  for (const range of ranges) {
    const random = seededRandom(7);
    const values = Float64Array.from({ length: 600 }, (_, i) => (i === 500 ? 50 : 2 + 0.1 * gaussian(random)));
    const result = scores(new ContextSurprise(range), values);
    assert.equal(result[500], 1);
    // The way back is a step that was never seen; then it is over.
    assert(
      result.subarray(502).every((score) => score < 0.5),
      `range ${range?.join(" to ")}`,
    );
  }
});

test("learns nothing while an alert is open: the same fault stays as surprising", () => {
  const detector = new ContextSurprise([-64, 64]);
  scores(detector, series(3, 2000));
  const first = detector.observe(60, 0, false);
  for (let i = 1; i < 5000; i++) detector.observe(60, i * 1000, false);
  assert.equal(detector.observe(60, 5_000_000, false), first);
});
