import assert from "node:assert/strict";
import { test } from "node:test";
import { following, missingCount, missingNumbers } from "../../../../edge/sources/opcua/sequence.ts";

const highest = 2 ** 32 - 1;

test("numbers run from 1 to 2^32 - 1 and start again at 1, never 0", () => {
  assert.equal(following(1), 2);
  assert.equal(following(highest), 1);
});

const cases = [
  { name: "the expected one", expected: 5, got: 5, missing: 0 },
  { name: "one was lost", expected: 5, got: 6, missing: 1 },
  { name: "a gap over the wrap", expected: highest, got: 2, missing: 2 },
  { name: "an old one", expected: 5, got: 4, missing: 0 },
  { name: "a restart of the numbering", expected: 500_000, got: 1, missing: 0 },
  { name: "a 0 that some servers send in their first keep-alive", expected: 1, got: 0, missing: 0 },
];
for (const { name, expected, got, missing } of cases) {
  test(`${name}: ${missing} missing`, () => assert.equal(missingCount(expected, got), missing));
}

test("missing numbers are listed over the wrap, bounded", () => {
  assert.deepEqual(missingNumbers(highest - 1, 4, 10), [highest - 1, highest, 1, 2]);
  assert.deepEqual(missingNumbers(1, 1000, 3), [1, 2, 3]);
});
