// Goal: records are numbered as an idempotent producer has to, or Kafka takes new ones for repetitions and stores nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Sequences } from "../../../../edge/sinks/kafka/sequences.ts";

test("sends follow each other, a repeated one keeps its number, and each topic-partition counts for itself", () => {
  const sequences = new Sequences();
  assert.equal(sequences.baseOf("t:0", "7/0", 1, 10), 0);
  assert.equal(sequences.baseOf("t:1", "7/0", 2, 3), 0);
  assert.equal(sequences.baseOf("t:0", "7/0", 3, 5), 10);
  assert.equal(sequences.baseOf("t:0", "7/0", 3, 5), 10);
  assert.equal(sequences.baseOf("t:0", "7/0", 4, 1), 15);
  assert.equal(sequences.baseOf("t:1", "7/0", 5, 1), 3);
});

test("a new producer id or epoch begins at 0, also for a send that is repeated under it", () => {
  const sequences = new Sequences();
  sequences.baseOf("t:0", "7/0", 1, 10);
  assert.equal(sequences.baseOf("t:0", "7/0", 2, 10), 10);
  assert.equal(sequences.baseOf("t:0", "8/0", 2, 10), 0);
  assert.equal(sequences.baseOf("t:0", "8/0", 3, 1), 10);
  assert.equal(sequences.baseOf("t:0", "8/1", 4, 1), 0);
});

test("after 2^31 - 1 comes 0", () => {
  const sequences = new Sequences();
  assert.equal(sequences.baseOf("t:0", "7/0", 1, 2 ** 31 - 4), 0);
  assert.equal(sequences.baseOf("t:0", "7/0", 2, 10), 2 ** 31 - 4);
  assert.equal(sequences.baseOf("t:0", "7/0", 3, 1), 6);
});
