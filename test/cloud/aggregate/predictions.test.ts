// Goal: of the predictions of the fleet the newest are kept, whatever the order, the copies and the batches in which
// they come, and wherever the process dies; and the list begins with the machine that needs somebody first.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PredictionState } from "../../../cloud/aggregate/predictions.ts";
import { purge } from "../../../cloud/aggregate/purge.ts";
import { Views, type PredictionCursor } from "../../../cloud/api/views.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { PredictionRecord } from "../../../src/wire/predictions.ts";
import { batches, Bench, foldUntilDeath } from "./bench.ts";
import { epochA, epochB, numbered, Offsets, second, t0, testOptions, type Keyed } from "./support.ts";

const path = "acme/berlin/press-shop/line-1";

function prediction(device: string, timeMicros: number, more: Partial<PredictionRecord> = {}): PredictionRecord {
  return {
    kind: "prediction",
    id: "0",
    device,
    path,
    time: formatWireTime(timeMicros),
    model: "pump-life",
    version: "1.0.0",
    output: "quantity",
    name: "remaining",
    value: 80,
    unit: "h",
    trend: [],
    base: 200,
    contributions: [],
    ...more,
  };
}

interface Sent {
  readonly epoch: string;
  readonly seq: number;
  readonly value: PredictionRecord;
}

const sent = fc
  .array(
    fc.record({
      device: fc.constantFrom("press-1", "pump-1"),
      model: fc.constantFrom("pump-life", "fails-soon"),
      epoch: fc.constantFrom(epochA, epochB),
      // Few times make ties likely.
      time: fc.integer({ min: 0, max: 6 }),
      value: fc.double({ min: 0, max: 500, noNaN: true }),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((all): Sent[] => {
    const next = new Map<string, number>();
    return all.map(({ device, model, epoch, time, value }) => {
      const seq = (next.get(`${epoch}/${device}`) ?? 0) + 1;
      next.set(`${epoch}/${device}`, seq);
      return { epoch, seq, value: prediction(device, t0 + time * second, { model, value }) };
    });
  });

const arrival = sent.chain((all) => {
  const copies = fc.array(fc.integer({ min: 0, max: all.length - 1 }), { maxLength: 15 });
  return fc.record({
    all: fc.constant(all),
    order: copies.chain((extra) => {
      const doubled = [...all, ...extra.map((i) => all[i]!)];
      return fc.shuffledSubarray(doubled, { minLength: doubled.length });
    }),
    cuts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
    deaths: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 6 }),
  });
});

/** The slow and obvious way: sort all, and the last of each device and model holds. */
function newest(all: readonly Sent[]): Map<string, PredictionRecord> {
  const order = (a: Sent, b: Sent): number =>
    a.value.time.localeCompare(b.value.time) || a.epoch.localeCompare(b.epoch) || a.seq - b.seq;
  return new Map(all.toSorted(order).map(({ value }) => [`${value.device} ${value.model}`, value]));
}

function viewsOf(bench: Bench): Views {
  return new Views(bench.store, () => bench.aggregator);
}

test("any order, copies, batches and deaths leave the newest of each device and model", () => {
  fc.assert(
    fc.property(arrival, ({ all, order, cuts, deaths }) => {
      using bench = new Bench();
      const offsets = new Offsets();
      const records = order.map(({ value, epoch, seq }) =>
        offsets.place(numbered("predictions", value.device, { epoch, seq }, value)),
      );
      for (const [i, batch] of batches(records, cuts).entries()) {
        const at = deaths[i];
        if (at !== undefined) {
          foldUntilDeath(bench.failing(at), batch);
          bench.reopen();
        }
        bench.aggregator.fold(batch, t0);
      }
      bench.reopen();
      const { items } = viewsOf(bench).predictions({}, undefined, 100);
      const kept = new Map(items.map((item) => [`${item.device} ${item.model}`, item]));
      const expected = newest(all);
      assert.deepEqual([...kept.keys()].sort(), [...expected.keys()].sort());
      for (const [name, { kind: _kind, ...fields }] of expected) {
        assert.deepEqual(kept.get(name), { ...fields, site: "acme/berlin", line: path }, name);
      }
      const counted = bench.store.sql("SELECT SUM(count) AS n, SUM(missing) AS missing FROM sequences").get();
      assert.deepEqual({ ...counted }, { n: all.length, missing: 0 });
      assert.deepEqual(bench.store.sql("SELECT * FROM rejects").all(), []);
    }),
    { numRuns: 60 },
  );
});

function fold(bench: Bench, records: readonly Keyed[]): void {
  const offsets = new Offsets();
  bench.aggregator.fold(
    records.map((record) => offsets.place(record)),
    t0,
  );
}

function read(bench: Bench, filter: { device?: string; site?: string; line?: string }, limit: number): string[] {
  const views = viewsOf(bench);
  const names: string[] = [];
  let after: PredictionCursor | undefined;
  do {
    const page: { items: readonly PredictionState[]; next: PredictionCursor | undefined } = views.predictions(
      filter,
      after,
      limit,
    );
    names.push(...page.items.map(({ device, model }) => `${device} ${model}`));
    after = page.next;
  } while (after !== undefined);
  return names;
}

test("the list begins with the least that is left, then the likeliest, and pages go through all of it", () => {
  using bench = new Bench();
  const interval = { coverage: 0.9, low: 10, high: 300 };
  const records = [
    prediction("weeks", t0, { value: 2, unit: "wk" }),
    prediction("hours", t0, { value: 80 }),
    prediction("hours-low", t0, { value: 90, interval }),
    prediction("elsewhere", t0, { value: 24, path: "acme/lyon/filling/line-9" }),
    prediction("likely", t0, { model: "fails-soon", output: "probability", unit: "1", value: 0.8 }),
    prediction("unlikely", t0, { model: "fails-soon", output: "probability", unit: "1", value: 0.01 }),
    prediction("huge", t0, { value: 1.7e308, unit: "a" }),
    prediction("likely", t0, { value: 5000 }),
  ];
  fold(
    bench,
    records.map((value, i) => numbered("predictions", value.device, { seq: i + 1 }, value)),
  );
  const all = [
    "hours-low pump-life",
    "elsewhere pump-life",
    "hours pump-life",
    "weeks pump-life",
    "likely pump-life",
    "huge pump-life",
    "likely fails-soon",
    "unlikely fails-soon",
  ];
  for (const limit of [1, 3, 8, 100]) assert.deepEqual(read(bench, {}, limit), all, `${limit} on a page`);
  assert.deepEqual(read(bench, { device: "likely" }, 1), ["likely pump-life", "likely fails-soon"]);
  assert.deepEqual(read(bench, { site: "acme/lyon" }, 10), ["elsewhere pump-life"]);
  assert.deepEqual(read(bench, { line: path }, 100).length, all.length - 1);
});

const damaged: readonly (readonly [string, object | string, string])[] = [
  ["of another device", prediction("pump-2", t0), "wrong-device"],
  ["without a time", { ...prediction("pump-1", t0), time: "now" }, "not-readable"],
  ["with a number that is none", JSON.stringify(prediction("pump-1", t0)).replace(":80,", ":1e999,"), "not-readable"],
  ["with a name that is too long", prediction("pump-1", t0, { model: "x".repeat(200) }), "not-readable"],
  ["with a path that is too long", prediction("pump-1", t0, { path: "x".repeat(600) }), "not-readable"],
  ["larger than any", prediction("pump-1", t0, { path: "x".repeat(20_000) }), "too-large"],
];
for (const [name, value, reason] of damaged) {
  test(`a prediction ${name} is counted, told and not kept`, () => {
    using bench = new Bench();
    fold(bench, [numbered("predictions", "pump-1", { seq: 1 }, value)]);
    const rejects = bench.store.sql("SELECT reason FROM rejects").all();
    assert.deepEqual(
      rejects.map((row) => row["reason"]),
      [reason],
    );
    assert.deepEqual(read(bench, {}, 10), []);
    assert.equal(viewsOf(bench).totals().byStream["predictions"], 1);
  });
}

test("one that was not renewed for longer than results are kept is forgotten", () => {
  using bench = new Bench();
  const day = 86_400 * second;
  fold(bench, [
    numbered("predictions", "gone", { seq: 1 }, prediction("gone", t0)),
    numbered("predictions", "renewed", { seq: 1 }, prediction("renewed", t0 + 30 * day)),
  ]);
  for (const _ of purge(bench.store, bench.aggregator, testOptions, t0 + 36 * day));
  assert.deepEqual(read(bench, {}, 10), ["renewed pump-life"]);
});
