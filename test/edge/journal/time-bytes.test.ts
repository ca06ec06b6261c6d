// Goal: a merged block gives back each record byte for byte, so a time is cut out only where it can be written again.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readTime, writeTime } from "../../../edge/journal/time-bytes.ts";
import { formatWireTime, maxWireMicros, minWireMicros, wireTimeLength } from "../../../src/observation/time.ts";

const micros = fc.oneof(
  fc.integer({ min: minWireMicros, max: maxWireMicros }),
  // Neighbours, so that kept seconds are met again.
  fc.integer({ min: 1_795_000_000_000_000, max: 1_795_000_120_000_000 }),
);

test("what is written is the wire time, and reads back", () => {
  fc.assert(
    fc.property(fc.array(micros, { minLength: 1, maxLength: 50 }), (times) => {
      for (const time of times) {
        const bytes = Buffer.alloc(40, 0x20);
        assert.equal(writeTime(bytes, 5, time), 5 + wireTimeLength);
        assert.equal(bytes.toString("latin1", 5, 32), formatWireTime(time));
        assert.equal(readTime(bytes, 5, bytes.length), time);
        assert.ok(Number.isNaN(readTime(bytes, 5, 31)), "it ends before its end");
      }
    }),
  );
});

test("a text is a time only where it is what would be written", () => {
  const change = fc.tuple(fc.nat(wireTimeLength - 1), fc.constantFrom(...Array.from("0123456789 :.-TZtz+/\0\xff")));
  fc.assert(
    fc.property(micros, fc.array(change, { minLength: 1, maxLength: 3 }), (time, changes) => {
      const bytes = Buffer.from(formatWireTime(time), "latin1");
      for (const [at, letter] of changes) bytes.write(letter, at, "latin1");
      const read = readTime(bytes, 0, bytes.length);
      if (!Number.isNaN(read)) assert.equal(formatWireTime(read), bytes.toString("latin1"));
    }),
  );
});
