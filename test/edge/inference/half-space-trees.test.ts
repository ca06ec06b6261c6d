// Goal: what lies where hardly anything was is odd, in any unit, and memory, restart and seed are as promised.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { halfSpaceDefaults, HalfSpaceTrees } from "../../../edge/inference/half-space-trees.ts";
import { SelfLimited } from "../../../edge/inference/self-limited.ts";
import { StateReader, StateWriter } from "../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";

/** A ring: each input alone is usual in the middle, where no row ever is. */
function* ring(seed: number, count: number): Generator<Float64Array> {
  const random = seededRandom(seed);
  for (let i = 0; i < count; i++) {
    const angle = 2 * Math.PI * random();
    const radius = 1 + 0.05 * gaussian(random);
    yield Float64Array.of(radius * Math.cos(angle), radius * Math.sin(angle));
  }
}

function scoresOf(by: HalfSpaceTrees, rows: Iterable<Float64Array>, learn = true): number[] {
  return Array.from(rows, (row) => by.observe(row, 0, learn));
}

function saved(of: HalfSpaceTrees): Uint8Array {
  const to = new StateWriter();
  of.save(to);
  return to.done();
}

test("the empty middle of a ring is odder than all but a few rows of it, and far outside too", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const trees = new HalfSpaceTrees(2, { ...halfSpaceDefaults, seed });
    scoresOf(trees, ring(seed, 1000));
    const sorted = scoresOf(trees, ring(seed + 50, 1000), false).toSorted((a, b) => a - b);
    assert(trees.observe(Float64Array.of(0, 0), 0, false) > sorted[980]!, `seed ${seed}`);
    assert(trees.observe(Float64Array.of(3, -3), 0, false) > sorted[999]!);
    const shares = new Float64Array(2);
    trees.observe(Float64Array.of(1, 9), 0, false);
    trees.contributions(shares);
    assert(shares[1]! > 0.5 && Math.abs(shares[0]! + shares[1]! - 1) < 1e-12, shares.join(" "));
  }
});

test("says nothing for two windows; a new normal is taken over within two more, but not while it must not learn", () => {
  const trees = new HalfSpaceTrees(2);
  assert(scoresOf(trees, ring(1, 500)).every((score) => score === 0));
  assert(!trees.learning);
  const moved = (count: number): Float64Array[] => Array.from(ring(2, count), (row) => row.map((x) => 0.2 * x));
  const mean = (scores: number[]): number => scores.reduce((a, b) => a + b) / scores.length;
  const odd = mean(scoresOf(trees, moved(100), false));
  assert.equal(mean(scoresOf(trees, moved(100), false)), odd);
  scoresOf(trees, moved(500));
  assert(mean(scoresOf(trees, moved(100), false)) < odd - 2);
});

test("the same data has the same scores however long it goes on", () => {
  const scores = scoresOf(new HalfSpaceTrees(2), ring(6, 20_000));
  const meanOf = (from: number): number => scores.slice(from, from + 1000).reduce((a, b) => a + b) / 1000;
  assert(Math.abs(meanOf(19_000) - meanOf(500)) < 0.2, `${meanOf(500)}, ${meanOf(19_000)}`);
});

test("a change of unit changes no score", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(2 ** -20, 8, 2 ** 30), (seed, factor) => {
      const scaled = Array.from(ring(seed, 1000), (row) => row.map((x) => x * factor));
      assert.deepEqual(scoresOf(new HalfSpaceTrees(2), scaled), scoresOf(new HalfSpaceTrees(2), ring(seed, 1000)));
    }),
    { numRuns: 5 },
  );
});

test("a restart anywhere continues bit for bit, missing inputs or not, and the state never grows", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 1199 }), (seed, cut) => {
      const rows = Array.from(ring(seed, 1200), (row, i) => (i % 9 === 8 ? Float64Array.of(row[0]!, Number.NaN) : row));
      const whole = new HalfSpaceTrees(2);
      const expected = scoresOf(whole, rows);
      const before = new HalfSpaceTrees(2);
      scoresOf(before, rows.slice(0, cut));
      const after = new HalfSpaceTrees(2);
      after.load(StateReader.open(saved(before))!);
      assert.deepEqual(scoresOf(after, rows.slice(cut)), expected.slice(cut));
      assert.deepEqual(saved(after), saved(whole));
      assert.equal(saved(whole).length, saved(new HalfSpaceTrees(2)).length);
    }),
    { numRuns: 10 },
  );
});

test("a missing input lowers the quality, and too many give no score", () => {
  const trees = new HalfSpaceTrees(3);
  const random = seededRandom(1);
  for (let i = 0; i < 600; i++) trees.observe(Float64Array.of(random(), random(), random()), 0, true);
  assert(trees.observe(Float64Array.of(0.5, Number.NaN, 0.5), 0, true) > 0);
  assert.equal(trees.quality, "uncertain");
  assert.equal(trees.observe(Float64Array.of(0.5, Number.NaN, Number.NaN), 0, true), 0);
  assert.equal(trees.quality, "bad");
  assert.throws(() => new HalfSpaceTrees(0), RangeError);
  assert.throws(() => new HalfSpaceTrees(3, { ...halfSpaceDefaults, depth: 20 }), RangeError);
});

test("with the shared threshold, rows of the ring are rarely above 1 and its outside always", () => {
  const limited = new SelfLimited(new HalfSpaceTrees(2));
  const scores = Array.from(ring(3, 20_000), (row) => limited.observe(row, 0, true));
  const alarms = scores.filter((score) => score > 1).length;
  assert(alarms < 40, `${alarms}`);
  assert(limited.observe(Float64Array.of(4, 4), 0, true) > 1);
});
