import assert from "node:assert/strict";
import { test } from "node:test";
import { Probe } from "../../../../edge/sources/opcua/probe.ts";
import type { Point } from "../../../../src/profile/body.ts";

const point = (value: number): Point => ({ item: "a", value, quality: "good", timeMicros: 1, status: undefined });

test("items are looked at in turn", () => {
  const probe = new Probe(3);
  const seen = Array.from({ length: 5 }, () => {
    const handle = probe.candidate();
    probe.judge(handle, point(1), point(1));
    return handle;
  });
  assert.deepEqual(seen, [0, 1, 2, 0, 1]);
});

test("a difference that lasts while nothing is delivered means frozen; once per item", () => {
  const probe = new Probe(2);
  const last = point(1);
  assert.equal(probe.judge(0, point(2), last), "suspicious");
  assert.equal(probe.candidate(), 0, "the same item is looked at again");
  assert.equal(probe.judge(0, point(3), last), "frozen");
  assert.equal(probe.judge(0, point(4), last), "fine");
});

test("a value that was delivered meanwhile clears the suspicion, even where it changed again", () => {
  const probe = new Probe(1);
  assert.equal(probe.judge(0, point(2), point(1)), "suspicious");
  assert.equal(probe.judge(0, point(3), point(2)), "suspicious");
  assert.equal(probe.judge(0, point(3), point(3)), "fine");
});

test("an item that was never delivered, or a dismissed suspicion, proves nothing", () => {
  const probe = new Probe(2);
  assert.equal(probe.judge(0, point(2), undefined), "fine");
  const last = point(1);
  assert.equal(probe.judge(1, point(2), last), "suspicious");
  probe.dismiss();
  assert.equal(probe.judge(1, point(2), last), "suspicious");
});
