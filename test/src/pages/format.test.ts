import assert from "node:assert/strict";
import { describe, test } from "node:test";

interface Format {
  readonly value: (reading: unknown) => string;
  readonly unit: (ucum: string | null) => string;
  readonly duration: (ms: number) => string;
  readonly shortDuration: (ms: number) => string;
  readonly age: (ms: number) => string;
  readonly bytes: (number: number) => string;
  readonly counted: (number: number, one: string) => string;
  readonly rangeText: (range: readonly [number, number], ucum: string) => string;
  time(ms: number, options: { now: number }): string;
}

// The module is a page's, in plain JavaScript: the type says what is used of it here.
const path = "../../../src/pages/format.js";
const format = (await import(path)) as Format;

function table<T>(what: string, rows: readonly (readonly [T, string])[], shown: (input: T) => string): void {
  describe(what, () => {
    for (const [input, expected] of rows)
      test(`${String(input)} is shown as ${expected}`, () => assert.equal(shown(input), expected));
  });
}

table(
  "a reading",
  [
    [63.2, "63.2"],
    [0.012345678, "0.012346"],
    [1234567.89, "1,234,567.9"],
    [-0, "0"],
    [-40.5, "-40.5"],
    [0.00001234, "1.234E-5"],
    [9.9e15, "9.9E15"],
    ["auto", "auto"],
    [true, "true"],
  ],
  format.value,
);

table(
  "a unit",
  [
    ["Cel", "°C"],
    ["1", ""],
    ["m3/h", "m³/h"],
    ["kW.h", "kWh"],
    ["m/s2", "m/s²"],
    ["N.m", "N·m"],
    ["um", "µm"],
    ["{rev}/min", "rev/min"],
    ["%", "%"],
    ["constructor", "constructor"],
    [null, ""],
  ],
  format.unit,
);

table(
  "a length of time",
  [
    [0, "0 seconds"],
    [1000, "1 second"],
    [119_000, "119 seconds"],
    [18 * 60_000, "18 minutes"],
    [3 * 86_400_000 + 1, "3 days"],
  ],
  format.duration,
);

table(
  "an age",
  [
    [0, "now"],
    [2000, "2 s ago"],
    [900_000, "15 min ago"],
    [3 * 3_600_000, "3 h ago"],
    [86_400_000 * 9, "9 d ago"],
  ],
  format.age,
);

table(
  "an amount of bytes",
  [
    [999, "999 B"],
    [1500, "1.5 kB"],
    [412_000_000, "412 MB"],
    [10_000_000_000, "10 GB"],
  ],
  format.bytes,
);

test("one is one, and everything else is many", () => {
  assert.deepEqual(
    [0, 1, 2, 1000].map((number) => format.counted(number, "record")),
    ["0 records", "1 record", "2 records", "1,000 records"],
  );
});

test("a time of another day says which", () => {
  const now = new Date(2026, 10, 21, 9, 30).getTime();
  assert.equal(format.time(new Date(2026, 10, 21, 9, 12).getTime(), { now }), "09:12");
  assert.equal(format.time(new Date(2026, 10, 20, 9, 12).getTime(), { now }), "20 Nov, 09:12");
  assert.equal(format.time(new Date(1970, 0, 1, 9, 12).getTime(), { now }), "1 Jan 1970, 09:12");
});
