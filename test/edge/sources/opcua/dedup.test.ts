import assert from "node:assert/strict";
import { test } from "node:test";
import { Repeats } from "../../../../edge/sources/opcua/dedup.ts";
import type { Point } from "../../../../src/profile/body.ts";

const point = (value: number, timeMicros: number | undefined): Point => ({
  item: "a",
  value,
  quality: "good",
  timeMicros,
  status: undefined,
});

test("the initial value of a new subscription is dropped where node and source time were delivered before", () => {
  const repeats = new Repeats(2);
  repeats.expectInitialValues();
  assert(!repeats.isRepeat(0, point(1, 100)), "the very first value");
  repeats.expectInitialValues();
  assert(repeats.isRepeat(0, point(1, 100)));
  assert(!repeats.isRepeat(1, point(1, 100)), "another node");
});

test("a value that is newer, or has no source time, is delivered", () => {
  const repeats = new Repeats(1);
  repeats.isRepeat(0, point(1, 100));
  repeats.expectInitialValues();
  assert(!repeats.isRepeat(0, point(1, 101)));
  repeats.isRepeat(0, point(2, undefined));
  repeats.expectInitialValues();
  assert(!repeats.isRepeat(0, point(2, undefined)));
});

test("within a subscription nothing is a repeat: a server may report one time twice", () => {
  const repeats = new Repeats(1);
  repeats.expectInitialValues();
  assert(!repeats.isRepeat(0, point(1, 100)));
  assert(!repeats.isRepeat(0, point(1, 100)));
});

test("the same time with another value or quality is not a repeat", () => {
  const repeats = new Repeats(1);
  repeats.isRepeat(0, point(1, 100));
  repeats.expectInitialValues();
  assert(!repeats.isRepeat(0, point(2, 100)));
  repeats.expectInitialValues();
  assert(!repeats.isRepeat(0, { ...point(2, 100), quality: "bad" }));
});
