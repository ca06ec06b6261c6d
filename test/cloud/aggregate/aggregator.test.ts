// Goal: whatever the order, the copies and the batches in which records come, and wherever the process dies, each
// distinct record counts once and every result is what a plain computation over the set of records gives.
import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { rollupOfRow } from "../../../cloud/aggregate/results.ts";
import { Store } from "../../../cloud/store/store.ts";
import { batches, Bench, foldUntilDeath } from "./bench.ts";
import { difference, referenceRollups, type Told } from "./reference.ts";
import {
  epochA,
  epochB,
  numbered,
  observation,
  Offsets,
  prefix,
  second,
  t0,
  testOptions,
  type Keyed,
} from "./support.ts";

const counters = new Set(["energy"]);
const holdSeconds = testOptions.holdSeconds;

const device = fc.constantFrom("press-1", "press-2", "pump-1");
const path = fc.oneof(
  { weight: 8, arbitrary: fc.constant("acme/berlin/press-shop/line-1") },
  { weight: 1, arbitrary: fc.constantFrom("acme/berlin/press-shop/line-2/cell-4", "acme/munich/hall/line-9") },
);
const quality = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom({ temperature: "bad" as const }, { temperature: "uncertain" as const }) },
);
const reading = fc.record({
  device,
  path,
  epoch: fc.constantFrom(epochA, epochB),
  // Coarse steps make ties of time likely.
  timeMicros: fc.integer({ min: 0, max: 80 }).map((n) => t0 + n * 5 * second),
  temperature: fc.option(fc.double({ min: -1000, max: 1000, noNaN: true }), { nil: undefined }),
  energy: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
  quality,
});

/** Numbers readings as a gateway does: dense per epoch and device. */
function numberAll(readings: readonly (typeof reading extends fc.Arbitrary<infer R> ? R : never)[]): Told[] {
  const next = new Map<string, number>();
  return readings.map(({ device, path, epoch, timeMicros, temperature, energy, quality }) => {
    const seq = (next.get(`${epoch}/${device}`) ?? 0) + 1;
    next.set(`${epoch}/${device}`, seq);
    const values = {
      ...(temperature === undefined ? {} : { temperature }),
      ...(energy === undefined ? {} : { energy }),
      mode: "auto",
    };
    return { device, path, epoch, seq, timeMicros, values, quality: temperature === undefined ? undefined : quality };
  });
}

function recordOf(t: Told): Keyed {
  const { device, epoch, seq, timeMicros, values, path, quality } = t;
  return observation(device, { epoch, seq }, timeMicros, values, { path, quality });
}

function metadataOf(device: string): Keyed {
  const metric = { label: "Energy", unit: "kW.h", kind: "counter" };
  const value = {
    device,
    path: "acme/berlin/press-shop/line-1",
    profile: "acme/press",
    gateway: "gw-1",
    time: "2026-11-21T09:00:00.000000Z",
    revision: 1,
    metrics: { energy: metric },
  };
  return { ...numbered("devices", device, { seq: 1 }, value), headers: new Map() };
}

const metadata = ["press-1", "press-2", "pump-1"].map(metadataOf);

const arrival = fc
  .array(reading, { minLength: 1, maxLength: 60 })
  .map(numberAll)
  .chain((told) => {
    const records = [...told.map(recordOf), ...metadata];
    const copies = fc.array(fc.integer({ min: 0, max: records.length - 1 }), { maxLength: 20 });
    return fc.record({
      told: fc.constant(told),
      order: copies.chain((extra) =>
        fc
          .shuffledSubarray([...records.keys(), ...extra.map((_, i) => records.length + i)], {
            minLength: records.length + extra.length,
          })
          .map((order) => order.map((i) => records[i < records.length ? i : extra[i - records.length]!]!)),
      ),
      cuts: fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 1, maxLength: 5 }),
    });
  });

test("any order, copies and batches give the reference's rollups", () => {
  fc.assert(
    fc.property(arrival, ({ told, order, cuts }) => {
      using bench = new Bench();
      const offsets = new Offsets();
      for (const batch of batches(
        order.map((r) => offsets.place(r)),
        cuts,
      ))
        bench.aggregator.fold(batch, t0);
      assert.equal(difference(bench.rollups(), referenceRollups(told, holdSeconds), counters), undefined);
    }),
    { numRuns: 40 },
  );
});

test("a death at any statement loses and doubles nothing", () => {
  const deaths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(arrival, deaths, ({ told, order, cuts }, deaths) => {
      using bench = new Bench();
      const offsets = new Offsets();
      const all = order.map((r) => offsets.place(r));
      let died = 0;
      for (const batch of batches(all, cuts)) {
        const at = deaths[died];
        if (at !== undefined) {
          died += 1;
          foldUntilDeath(bench.failing(at), batch);
          bench.reopen();
        }
        // After a restart the log is read from the stored position; here everything comes again.
        bench.aggregator.fold(batch, t0);
      }
      assert.equal(difference(bench.rollups(), referenceRollups(told, holdSeconds), counters), undefined);
      const distinct = bench.store.sql("SELECT SUM(count) AS n FROM sequences WHERE stream = 'observations'").get();
      assert.equal(distinct?.["n"], told.length);
    }),
    { numRuns: 40 },
  );
});

test("a rebuild from the log gives the same results with higher revisions", () => {
  using first = new Bench();
  using second_ = new Bench();
  const offsets = new Offsets();
  const records = Array.from({ length: 300 }, (_, i) =>
    offsets.place(observation("press-1", { seq: i + 1 }, t0 + i * second, { temperature: Math.sin(i) })),
  );
  for (const batch of batches(records, [7])) first.aggregator.fold(batch, t0);
  const later = Store.open(mkdtempSync(join(second_.folder, "later-")), t0 + 10 * second);
  const rebuilt = new Aggregator(later, prefix, testOptions);
  for (let partition = 0; partition < 4; partition++) {
    rebuilt.positions.start({ topic: `${prefix}.observations.v1`, partition, topicId: "id", position: 0 });
  }
  rebuilt.fold(records, t0);
  const before = first.rollups();
  const after = later.sql("SELECT * FROM rollups").all().map(rollupOfRow);
  later.close();
  assert.equal(after.length, before.length);
  for (const row of before) {
    const same = after.find((r) => r.level === row.level && r.key === row.key && r.window === row.window)!;
    assert(same.revision > row.revision, `${same.revision} > ${row.revision}`);
    assert.deepEqual({ ...same, revision: 0 }, { ...row, revision: 0 });
  }
});
