// Goal: one generator for training, simulation and tests: the same everywhere, even, and drawing without repetition.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { drawToFront, gaussian, seededRandom } from "../../src/random.ts";

test("a seed gives the same numbers on every machine", () => {
  const random = seededRandom(1);
  assert.deepEqual([random(), random(), random()], [0.5883937727194279, 0.07318899407982826, 0.59031065646559]);
});

test("numbers are even in [0, 1), and normal ones have mean 0 and deviation 1", () => {
  const random = seededRandom(7);
  const slots = new Float64Array(16);
  for (let i = 0; i < 160_000; i++) slots[Math.floor(random() * 16)]!++;
  for (const count of slots) assert(Math.abs(count - 10_000) < 500, `${count} of 10000`);
  const normal = Float64Array.from({ length: 20_000 }, () => gaussian(random));
  const mean = normal.reduce((sum, x) => sum + x) / normal.length;
  const variance = normal.reduce((sum, x) => sum + (x - mean) ** 2, 0) / normal.length;
  assert(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `${mean}, ${variance}`);
});

test("what is drawn to the front is the same set in another order", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 50 }), fc.nat(), (seed, length, drawn) => {
      const members = Int32Array.from({ length }, (_, i) => i);
      drawToFront(seededRandom(seed), members, drawn % (length + 1));
      assert.deepEqual(
        members.toSorted(),
        Int32Array.from({ length }, (_, i) => i),
      );
    }),
  );
});
