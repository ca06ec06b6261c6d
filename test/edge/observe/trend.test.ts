// Goal: a trend shows the extremes of the last hour in bounded memory, however long it runs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Trend } from "../../../edge/observe/trend.ts";

function filled(seconds: number, value: (second: number) => number | null): Trend {
  const trend = new Trend();
  for (let second = 0; second < seconds; second++) trend.sample(second * 1_000, value(second));
  return trend;
}

test("the first two minutes are shown second by second", () => {
  const { bucketMs, timesMs, low, high, last } = filled(120, (second) => second).view;
  assert.equal(bucketMs, 1_000);
  assert.equal(timesMs.length, 120);
  assert.deepEqual(
    [low, high, last],
    [timesMs, timesMs, timesMs].map((times) => times.map((ms) => ms / 1_000)),
  );
});

test("when it is full, neighbours are merged: lowest, highest and last of both, begun at the first", () => {
  const { bucketMs, timesMs, low, high, last } = filled(121, (second) => (second % 2 === 0 ? 10 : 20)).view;
  assert.equal(bucketMs, 2_000);
  assert.deepEqual(timesMs.slice(0, 3), [0, 2_000, 4_000]);
  assert.deepEqual([low[0], high[0], last[0]], [10, 20, 20]);
});

test("silence is a gap, never a zero; one value in a bucket is enough to close it", () => {
  const { low, high, last } = filled(122, (second) => (second < 2 ? null : second === 3 ? 7 : null)).view;
  assert.deepEqual([low[0], high[0], last[0]], [null, null, null]);
  assert.deepEqual([low[1], high[1], last[1]], [7, 7, 7]);
});

test("after hours it covers the last hour, and a peak in it is still there", () => {
  const hours = 3 * 3_600;
  const trend = filled(hours, (second) => (second === hours - 1_800 ? 99 : 1));
  const { bucketMs, timesMs, high } = trend.view;
  assert.equal(bucketMs, 32_000);
  assert(timesMs.length <= Trend.bucketsMax);
  assert(hours * 1_000 - timesMs[0]! >= 3_600_000);
  assert.equal(Math.max(...high.map((value) => value ?? 0)), 99);
});

test("a spark has at most 60 points and ends with the newest", () => {
  for (const seconds of [1, 59, 61, 119, 120, 500]) {
    const trend = filled(seconds, (second) => second);
    assert(trend.spark.length <= 60 && trend.spark.length > 0);
    assert.equal(trend.spark.at(-1), trend.view.last.at(-1));
  }
});
