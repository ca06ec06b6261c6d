// Goal: how far the numbers of each epoch went is known for as long as there is room, and the room is bounded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Connection } from "../../../edge/journal/connection.ts";
import { HighestNumbers, type Highest } from "../../../edge/journal/highest-numbers.ts";
import { temporaryFolder } from "../../support/records.ts";

function numbered(devices: number, seq: number): Highest[] {
  return Array.from({ length: devices }, (_, i) => ({ stream: "observations", device: `d${i}`, seq }));
}

test("numbers only grow, and each epoch, stream and device has its own", (t) => {
  const connection = new Connection(temporaryFolder(t), 0);
  t.after(() => connection.close());
  const highest = new HighestNumbers(connection);
  highest.raise(1, numbered(2, 10));
  highest.raise(1, numbered(1, 7));
  highest.raise(2, [{ stream: "alerts", device: "d0", seq: 3 }]);
  assert.equal(highest.of(1, "observations", "d0"), 10);
  assert.equal(highest.of(2, "alerts", "d0"), 3);
  assert.equal(highest.of(2, "observations", "d0"), 0);
  assert.equal(highest.of(1, "observations", "d2"), 0);
});

test("over the limit whole epochs are forgotten, the oldest first", (t) => {
  const connection = new Connection(temporaryFolder(t), 0);
  t.after(() => connection.close());
  const highest = new HighestNumbers(connection);
  for (let epoch = 1; epoch <= 9; epoch++) highest.raise(epoch, numbered(30, epoch));
  // A row per 1,000 bytes of the quota: 100.
  highest.forgetOldest(100_000);
  const known = Array.from({ length: 9 }, (_, i) => highest.of(i + 1, "observations", "d29"));
  assert.deepEqual(known, [0, 0, 0, 0, 0, 0, 7, 8, 9]);
  assert.equal(connection.number("SELECT count(*) AS n FROM highest"), 90);
});
