// Goal: a set of ranges behaves like a set of numbers, whatever the order of additions.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Ranges } from "../../../src/wire/ranges.ts";

const pair = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 12 }))
  .map(([first, more]) => [first, first + more] as const);

test("add returns how many numbers are new, and the pairs are the set", () => {
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 40 }), (pairs) => {
      const ranges = new Ranges();
      const model = new Set<number>();
      for (const [first, last] of pairs) {
        const before = model.size;
        for (let n = first; n <= last; n++) model.add(n);
        assert.equal(ranges.add(first, last), model.size - before);
      }
      assert.equal(ranges.count, model.size);
      assert.deepEqual(new Set(ranges.pairs().flatMap(([a, b]) => numbers(a, b))), model);
      const sorted = ranges.pairs();
      for (let i = 1; i < sorted.length; i++) assert(sorted[i]![0] > sorted[i - 1]![1] + 1, "disjoint, not adjacent");
    }),
  );
});

test("has, covers and missing agree with the set", () => {
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 20 }), pair, (pairs, [first, last]) => {
      const ranges = Ranges.of(...pairs);
      const model = new Set(pairs.flatMap(([a, b]) => numbers(a, b)));
      const wanted = numbers(first, last);
      assert.equal(ranges.has(first), model.has(first));
      assert.equal(
        ranges.covers(first, last),
        wanted.every((n) => model.has(n)),
      );
      assert.deepEqual(
        ranges.missing(first, last).flatMap(([a, b]) => numbers(a, b)),
        wanted.filter((n) => !model.has(n)),
      );
    }),
  );
});

test("the nearest numbers of the set are found on both sides", () => {
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 10 }), fc.integer({ min: 0, max: 80 }), (pairs, value) => {
      const model = pairs.flatMap(([a, b]) => numbers(a, b));
      const ranges = Ranges.of(...pairs);
      const below = model.filter((n) => n <= value);
      const above = model.filter((n) => n >= value);
      assert.equal(ranges.atOrBelow(value), below.length === 0 ? undefined : Math.max(...below));
      assert.equal(ranges.atOrAbove(value), above.length === 0 ? undefined : Math.min(...above));
    }),
  );
});

test("the flat form restores the same set", () => {
  const ranges = Ranges.of([1, 4], [9, 9], [5, 5]);
  assert.deepEqual(ranges.toJSON(), [1, 5, 9, 9]);
  assert.deepEqual(new Ranges(ranges.toJSON()).pairs(), ranges.pairs());
});

function numbers(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

test("removing takes out exactly the numbers named, and the rest keeps its shape", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 60 }), fc.nat(8)), { maxLength: 30 }),
      (steps) => {
        const ranges = new Ranges();
        const model = new Set<number>();
        for (const [add, first, more] of steps) {
          if (add) ranges.add(first, first + more);
          else ranges.remove(first, first + more);
          for (let n = first; n <= first + more; n++)
            if (add) model.add(n);
            else model.delete(n);
        }
        assert.equal(ranges.count, model.size);
        assert.equal(ranges.first, model.size === 0 ? undefined : Math.min(...model));
        for (const n of model) assert.equal(model.has(ranges.endOf(n)! + 1), false);
        for (let n = 1; n <= 70; n++) assert.equal(ranges.endOf(n) !== undefined, model.has(n));
      },
    ),
  );
});
