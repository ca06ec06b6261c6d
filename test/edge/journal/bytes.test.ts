// Goal: what is written is read back, whatever text it is, and a number that does not fit is an error.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reader, Writer } from "../../../edge/journal/bytes.ts";

const texts = fc.oneof(
  fc.string({ maxLength: 300 }),
  fc.string({ unit: "binary", maxLength: 200 }),
  fc.constantFrom("x".repeat(127), "x".repeat(128), `${"x".repeat(126)}é`),
);
const numbers = fc.oneof(fc.maxSafeNat(), fc.nat(200), fc.constant(Number.MAX_SAFE_INTEGER));

test("texts and numbers come back as they were written", () => {
  const fields = fc.array(fc.tuple(texts, numbers), { maxLength: 20 });
  fc.assert(
    fc.property(fields, fc.nat(64), (written, room) => {
      const writer = new Writer(room);
      for (const [text, number] of written) {
        writer.text(text);
        writer.varint(number);
      }
      const bytes = Buffer.from(writer.done());
      const reader = new Reader(bytes);
      for (const [text, number] of written) {
        assert.equal(reader.text(), Buffer.from(text, "utf8").toString("utf8"));
        assert.equal(reader.varint(), number);
      }
    }),
  );
});

test("what is no natural number is not written", () => {
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN])
    assert.throws(() => new Writer(8).varint(value), assert.AssertionError);
});
