// Goal: shared memory is bounded, and what only a burst needed is given up afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SlabPool, type Slab } from "../../../edge/pipeline/slabs.ts";

const count = 5;

/** Takes all there are; those that were taken before have a mark. */
function takeAll(pool: SlabPool): Slab[] {
  const slabs: Slab[] = [];
  for (let slab = pool.take(); slab !== undefined; slab = pool.take()) slabs.push(slab);
  return slabs;
}

function burst(pool: SlabPool): void {
  const slabs = takeAll(pool);
  assert.equal(slabs.length, count);
  assert.equal(pool.available, 0);
  for (const slab of slabs) {
    slab.buffer[0] = 1;
    slab.release();
  }
}

test("a slab comes back when its last holder is done, and never are there more than the pool may have", () => {
  const pool = new SlabPool(64, count);
  const slab = pool.take()!;
  slab.hold();
  slab.release();
  assert.equal(pool.available, count - 1);
  slab.release();
  assert.equal(pool.available, count);
  assert.equal(pool.take(), slab);
});

test("slabs that a burst needed and nobody after it are given up, and made again when they are needed", () => {
  const pool = new SlabPool(64, count);
  burst(pool);
  for (let take = 0; take < 40; take++) {
    const [one, another] = [pool.take()!, pool.take()!];
    one.release();
    another.release();
  }
  assert.equal(pool.available, count);
  const slabs = takeAll(pool);
  assert.equal(slabs.length, count);
  assert.equal(slabs.filter(({ buffer }) => buffer[0] === 1).length, 2);
});
