// Goal: conversions are the exact factor rounded to a double, and only between units of one kind.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { conversionOf, convert, isUnit, nearestUnit } from "../../../src/profile/units.ts";

const rows: readonly (readonly [number, string, string, number])[] = [
  [212, "[degF]", "Cel", 100],
  [-40, "[degF]", "Cel", -40],
  [21.5, "Cel", "[degF]", 70.7],
  [25, "Cel", "K", 298.15],
  [0, "K", "Cel", -273.15],
  [0, "K", "[degF]", -459.67],
  [459.67, "K", "[degF]", 367.736],
  [1000, "W", "kW", 1],
  [0.1, "kW", "W", 100],
  [1, "MW", "W", 1_000_000],
  [3.6, "MJ", "kW.h", 1],
  [1, "kW.h", "J", 3_600_000],
  [11679.5, "W.h", "kW.h", 11.6795],
  [1, "bar", "kPa", 100],
  [1013.25, "mbar", "Pa", 101_325],
  [1, "[psi]", "Pa", 6894.757293168362],
  [1, "m/s", "mm/s", 1000],
  [1, "[g]", "m/s2", 9.80665],
  [50, "L/min", "m3/h", 3],
  [1, "m3/h", "L/min", 16.666666666666668],
  [1480, "{rpm}", "Hz", 24.666666666666668],
  [50, "Hz", "/min", 3000],
  [12, "%", "1", 0.12],
  [90, "min", "h", 1.5],
  [1, "t", "kg", 1000],
  [250, "mA", "A", 0.25],
  [1180.5, "kN", "N", 1_180_500],
];

for (const [value, from, to, expected] of rows) {
  test(`${value} ${from} is ${expected} ${to}`, () => {
    const got = convert(value, conversionOf(from, to)!);
    // Two roundings, so at most one unit in the last place beside the nearest double.
    assert.ok(Math.abs(got - expected) <= Math.abs(expected) * 2 ** -51, `${got}`);
  });
}

test("units of different kinds do not convert, and things that are counted convert to nothing", () => {
  for (const [from, to] of [
    ["Cel", "bar"],
    ["W", "W.h"],
    ["{strokes}", "{pieces}"],
    ["g", "[g]"],
  ] as const) {
    assert.equal(conversionOf(from, to), undefined);
  }
  assert.ok(isUnit("{strokes}") && !isUnit("kWh") && !isUnit("{<b>}") && !isUnit("{a b}"));
});

test("what people write is recognised", () => {
  for (const [text, code] of [
    ["°C", "Cel"],
    ["kWh", "kW.h"],
    ["rpm", "{rpm}"],
    ["m³/h", "m3/h"],
  ] as const) {
    assert.equal(nearestUnit(text), code);
  }
});

test("there and back is the same to 15 digits", () => {
  const pairs = rows.map(([, from, to]) => [from, to] as const);
  fc.assert(
    fc.property(fc.constantFrom(...pairs), fc.double({ min: -1e6, max: 1e6, noNaN: true }), ([from, to], value) => {
      const back = convert(convert(value, conversionOf(from, to)!), conversionOf(to, from)!);
      assert.ok(
        Math.abs(back - value) <= 1e-9 * Math.max(1, Math.abs(value)) * 1e-1,
        `${value} ${from} → ${to} → ${back}`,
      );
    }),
  );
});
