// Goal: what a peer sends again is recognised as long as its PUBACK can be missing, in memory that has a bound.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RedeliveryLog } from "../../../edge/pipeline/redelivery.ts";

const session = "mqtt:site:gw";
const packetIds = 65_535;

/** As a sender that counts its packet ids up. */
function idOf(n: number): number {
  return (n % packetIds) + 1;
}

function notesOf(log: RedeliveryLog, count: number, name = session): void {
  for (let n = 0; n < count; n++) log.note(name, idOf(n), n);
}

function knownOf(log: RedeliveryLog, count: number, name = session): number[] {
  return Array.from({ length: count }, (_, n) => n).filter((n) => log.has(name, idOf(n), n));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

test("the newest 50,000 of a session are recognised, in this process and in the next", () => {
  const log = new RedeliveryLog();
  notesOf(log, 120_000);
  assert.deepEqual(knownOf(log, 120_000), range(70_000, 120_000));
  const next = new RedeliveryLog();
  next.restore([log.seal()!.data]);
  assert.deepEqual(knownOf(next, 120_000), range(70_000, 120_000));
});

test("a session that has taken what all share leaves each other its own few, until it is forgotten", () => {
  const log = new RedeliveryLog({ sessionsMax: 10, sharedIds: 5_000 });
  notesOf(log, 10_000, "large");
  notesOf(log, 10_000, "small");
  assert.deepEqual(knownOf(log, 10_000, "large"), range(10_000 - 4_096, 10_000));
  assert.deepEqual(knownOf(log, 10_000, "small"), range(10_000 - 1_024, 10_000), "of what was left");
  log.forget("large");
  assert.deepEqual(knownOf(log, 10_000, "large"), []);
  notesOf(log, 10_000, "another");
  assert.deepEqual(knownOf(log, 10_000, "another"), range(10_000 - 4_096, 10_000));
});

test("beyond the number of sessions the oldest is forgotten, and what it had is free", () => {
  const log = new RedeliveryLog({ sessionsMax: 2, sharedIds: 3_840 });
  for (const name of ["a", "b", "c"]) notesOf(log, 4_096, name);
  assert.deepEqual(knownOf(log, 4_096, "a"), []);
  assert.deepEqual(knownOf(log, 4_096, "b"), range(4_096 - 256, 4_096));
  assert.deepEqual(knownOf(log, 4_096, "c"), range(0, 4_096));
});

test("the newest message with a packet id decides, however ids and contents come", () => {
  const message = fc.record({ packetId: fc.integer({ min: 1, max: 3_000 }), hash: fc.integer({ min: 0, max: 3 }) });
  const some = fc.array(message, { maxLength: 6_000, size: "max" });
  fc.assert(
    fc.property(some, (messages) => {
      const log = new RedeliveryLog();
      const newest = new Map<number, number>();
      for (const { packetId, hash } of messages) {
        assert.equal(log.has(session, packetId, hash), newest.get(packetId) === hash);
        log.note(session, packetId, hash);
        newest.set(packetId, hash);
      }
    }),
    { numRuns: 50 },
  );
});
