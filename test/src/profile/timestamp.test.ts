// Goal: a device's time is read to the microsecond or refused; never guessed by hours.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatWireTime, parseWireTime } from "../../../src/observation/time.ts";
import { parseTimestamp, zoneOf, type TimeFormat } from "../../../src/profile/timestamp.ts";

const rows: readonly (readonly [unknown, TimeFormat, string | undefined, string | undefined])[] = [
  ["2026-11-21T09:28:12Z", "auto", undefined, "2026-11-21T09:28:12.000000Z"],
  ["2026-11-21 09:28:12.5z", "rfc3339", undefined, "2026-11-21T09:28:12.500000Z"],
  ["2026-11-21T09:28:12,123456789+01:00", "auto", undefined, "2026-11-21T08:28:12.123456Z"],
  ["2026-11-21T09:28:12-0330", "auto", undefined, "2026-11-21T12:58:12.000000Z"],
  ["2026-11-21T23:59:60Z", "auto", undefined, "2026-11-22T00:00:00.000000Z"],
  ["2024-02-29T00:00:00Z", "auto", undefined, "2024-02-29T00:00:00.000000Z"],
  ["2026-02-29T00:00:00Z", "auto", undefined, undefined],
  ["2026-13-01T00:00:00Z", "auto", undefined, undefined],
  ["2026-11-21T24:00:00Z", "auto", undefined, undefined],
  ["2026-11-21T09:28:12.Z", "auto", undefined, undefined],
  ["2026-11-21T09:28:12Zx", "auto", undefined, undefined],
  ["2026-11-21", "auto", undefined, undefined],
  ["2026-11-21T09:28:12", "auto", undefined, undefined],
  ["2026-11-21T09:28:12", "auto", "+05:30", "2026-11-21T03:58:12.000000Z"],
  ["2026-07-01T12:00:00", "auto", "Europe/Berlin", "2026-07-01T10:00:00.000000Z"],
  ["2026-12-01T12:00:00", "auto", "Europe/Berlin", "2026-12-01T11:00:00.000000Z"],
  // The hour that is repeated: the first pass. The hour that does not exist: as if the clock had not moved yet.
  ["2026-10-25T02:30:00", "auto", "Europe/Berlin", "2026-10-25T00:30:00.000000Z"],
  ["2026-10-25T01:59:59", "auto", "Europe/Berlin", "2026-10-24T23:59:59.000000Z"],
  ["2026-10-25T03:00:00", "auto", "Europe/Berlin", "2026-10-25T02:00:00.000000Z"],
  ["2026-03-29T02:30:00", "auto", "Europe/Berlin", "2026-03-29T01:30:00.000000Z"],
  [1795253292, "auto", undefined, "2026-11-21T09:28:12.000000Z"],
  [1795253292.123456, "auto", undefined, "2026-11-21T09:28:12.123456Z"],
  [1795253292123, "auto", undefined, "2026-11-21T09:28:12.123000Z"],
  [1795253292123456, "auto", undefined, "2026-11-21T09:28:12.123456Z"],
  ["1795253292123456789", "auto", undefined, "2026-11-21T09:28:12.123456Z"],
  ["1795253292123456789", "epoch-ns", undefined, "2026-11-21T09:28:12.123456Z"],
  [60_000, "epoch-ms", undefined, "1970-01-01T00:01:00.000000Z"],
  [-1, "epoch-s", undefined, "1969-12-31T23:59:59.000000Z"],
  ["yesterday", "auto", undefined, undefined],
  [1e300, "auto", undefined, undefined],
  [1795253292, "rfc3339", undefined, undefined],
  ["2026-11-21T09:28:12Z", "epoch-s", undefined, undefined],
  [true, "auto", undefined, undefined],
  [{}, "auto", undefined, undefined],
];

for (const [raw, format, zone, expected] of rows) {
  test(`${JSON.stringify(raw)} as ${format}${zone === undefined ? "" : ` in ${zone}`} is ${expected ?? "no time"}`, () => {
    const micros = parseTimestamp(raw, format, zone === undefined ? undefined : zoneOf(zone));
    assert.equal(micros === undefined ? undefined : formatWireTime(micros), expected);
  });
}

test("every wire time is read as what it says", () => {
  const micros = fc.integer({ min: Date.UTC(1700, 0, 1) * 1000, max: Date.UTC(2250, 0, 1) * 1000 });
  fc.assert(
    fc.property(micros, (value) => {
      const text = formatWireTime(value);
      assert.equal(parseTimestamp(text, "auto", undefined), parseWireTime(text));
    }),
  );
});

test("any text: a number or nothing, never an exception", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      const micros = parseTimestamp(text, "auto", undefined);
      assert.ok(micros === undefined || Number.isSafeInteger(micros), text);
    }),
  );
});

test("a zone that does not exist", () => assert.equal(zoneOf("Mars/Olympus"), undefined));
