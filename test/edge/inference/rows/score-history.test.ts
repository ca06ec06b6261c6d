// Goal: what a model said lately is there for people, bounded, right at any order of times, and also after a restart.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { ModelTally } from "../../../../edge/inference/rows/model-tally.ts";
import { RowWatch } from "../../../../edge/inference/rows/row-watch.ts";
import { ScoreHistory } from "../../../../edge/inference/rows/score-history.ts";
import { servedModel } from "../../../../edge/inference/rows/served-model.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import { crc32c } from "../../../../src/wire/crc32c.ts";
import { pumpPackage } from "../../../support/model-package.ts";

const minute = 60_000_000;
const stretch = 5 * minute;
const start = Date.UTC(2026, 10, 21, 9) * 1000;

function make(explain?: (into: Float64Array) => void): ScoreHistory {
  return new ScoreHistory(1000, 3, explain);
}

function reopened(history: ScoreHistory): ScoreHistory {
  const to = new StateWriter();
  history.save(to);
  const next = make(() => undefined);
  const from = StateReader.open(to.done())!;
  next.load(from);
  assert.ok(from.isAtEnd);
  return next;
}

test("a stretch has the lowest, the highest and the last; a silence is a gap", () => {
  const history = make();
  for (const [at, output] of [
    [0, 0.5],
    [1, 0.25],
    [2, 2],
    [3, 1],
    [11, 4],
  ] as const) {
    history.add(output, start + at * minute);
  }
  const { timesMs, low, high, last, stretchMs } = history.columns();
  assert.equal(stretchMs, 300_000);
  assert.deepEqual(
    timesMs.map((ms) => ms - start / 1000),
    [0, 300_000, 600_000],
  );
  assert.deepEqual(
    [low, high, last],
    [
      [0.25, null, 4],
      [2, null, 4],
      [1, null, 4],
    ],
  );
  assert.equal(history.newest, 4);
});

test("nothing, one row, and rows slower than a stretch", () => {
  assert.deepEqual(make().columns().timesMs, []);
  assert.ok(Number.isNaN(reopened(make()).newest));
  const slow = new ScoreHistory(3_600_000, 3, undefined);
  slow.add(1, start);
  slow.add(2, start + 60 * minute);
  assert.deepEqual([slow.columns().stretchMs, slow.columns().last], [3_600_000, [1, 2]]);
});

test("any times: at most 96 stretches, ending with the newest, as a plain computation gives them; a restart changes nothing", () => {
  const row = fc.record({
    at: fc.oneof(fc.integer({ min: 0, max: 120 }), fc.integer({ min: -3000, max: 3000 })),
    output: fc.integer({ min: 0, max: 1000 }),
    restart: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
      let history = make();
      let newest = Number.NaN;
      let kept = new Map<number, number[]>();
      for (const { at, output, restart } of rows) {
        // A clock that was set back by more than is kept begins anew.
        if (!(at > newest - 96)) kept = new Map();
        newest = kept.size === 0 ? at : Math.max(newest, at);
        kept.set(at, [...(kept.get(at) ?? []), output]);
        for (const old of kept.keys()) if (old <= newest - 96) kept.delete(old);
        history.add(output, start + at * stretch);
        if (restart) history = reopened(history);
      }
      const { timesMs, low, high, last } = history.columns();
      assert.ok(timesMs.length <= 96);
      const got = timesMs.map((ms, i) => [(ms * 1000 - start) / stretch, low[i], high[i], last[i]]);
      const oldest = Math.min(...kept.keys());
      const wanted = Array.from({ length: kept.size === 0 ? 0 : newest - oldest + 1 }, (_, i) => {
        const all = kept.get(oldest + i);
        if (all === undefined) return [oldest + i, null, null, null];
        return [oldest + i, Math.min(...all), Math.max(...all), all.at(-1)!];
      });
      assert.deepEqual(got, wanted);
    }),
    { numRuns: 200 },
  );
});

test("of one of the highest scores of a stretch it is known what made it up, and a restart keeps it", () => {
  let asked = 0;
  let shares = [0.2, 0.7, 0.1];
  const history = make((into) => {
    asked++;
    into.set(shares);
  });
  history.add(1, start);
  shares = [0.9, 0.1, 0];
  for (let i = 0; i < 1000; i++) history.add(1.04, start + 1000 * i);
  assert.equal(asked, 1, "a score that is hardly higher is explained as the one before");
  const told = (of: ScoreHistory): unknown =>
    of.columns().explained.map((one) => [one?.score, one?.shares.map(([input, share]) => [input, share.toFixed(2)])]);
  const first = [
    1,
    [
      [1, "0.70"],
      [0, "0.20"],
      [2, "0.10"],
    ],
  ];
  assert.deepEqual(told(history), [first]);
  history.add(3, start + stretch);
  const second = [
    3,
    [
      [0, "0.90"],
      [1, "0.10"],
    ],
  ];
  assert.deepEqual(told(history), [first, second]);
  assert.deepEqual(told(reopened(history)), [first, second]);
});

test("a state of another layout is refused", () => {
  const to = new StateWriter();
  to.number(5);
  to.number(5);
  to.bytes(new Uint8Array(7));
  assert.throws(() => make().load(StateReader.open(to.done())!), RangeError);
});

test("the state of a device from before there was a history still fits, and its history begins", () => {
  const model = servedModel(openPackage(pumpPackage()));
  const makeWatch = (): RowWatch => new RowWatch(model, new ModelTally(model), {});
  const to = new StateWriter();
  makeWatch().save(to);
  // An empty history is two numbers at the end, before the checksum.
  const old = Buffer.from(to.done().slice(0, -4 - 16));
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32c(old) >>> 0);
  const watch = makeWatch();
  watch.load(StateReader.open(Buffer.concat([old, checksum]))!);
  assert.deepEqual(watch.history.columns().timesMs, []);
});
