import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasOverflow, pointOf, qualityOf, type DataValueLike } from "../../../../edge/sources/opcua/point.ts";

const good = { value: 0, name: "Good" };
const time = new Date("2026-11-21T09:28:12.123Z");

function scalar(dataType: number, value: unknown): DataValueLike {
  return { value: { dataType, arrayType: 0, value }, statusCode: good, sourceTimestamp: time, sourcePicoseconds: 0 };
}

const carried = [
  { name: "Boolean", value: scalar(1, true), expected: true },
  { name: "Int16", value: scalar(4, -12), expected: -12 },
  { name: "Double", value: scalar(11, 63.2), expected: 63.2 },
  { name: "Double NaN", value: scalar(11, Number.NaN), expected: Number.NaN },
  { name: "String", value: scalar(12, "auto"), expected: "auto" },
  { name: "Int64 lowest", value: scalar(8, [0x80000000, 0]), expected: -(2n ** 63n) },
  { name: "Int64 highest", value: scalar(8, [0x7fffffff, 0xffffffff]), expected: 2n ** 63n - 1n },
  { name: "Int64 -1", value: scalar(8, [0xffffffff, 0xffffffff]), expected: -1n },
  { name: "UInt64 highest", value: scalar(9, [0xffffffff, 0xffffffff]), expected: 2n ** 64n - 1n },
  { name: "UInt64 small stays a bigint", value: scalar(9, [0, 4]), expected: 4n },
  { name: "DateTime", value: scalar(13, time), expected: "2026-11-21T09:28:12.123Z" },
  { name: "LocalizedText", value: scalar(21, { text: "Presse", locale: "de" }), expected: "Presse" },
];
for (const { name, value, expected } of carried) {
  test(`${name} is carried as it is`, () => {
    const point = pointOf("x", value);
    assert.deepEqual([point.value, point.quality, point.status], [expected, "good", undefined]);
  });
}

const withoutValue = [
  {
    name: "an array",
    value: { ...scalar(11, 0), value: { dataType: 11, arrayType: 1, value: [1, 2] } },
    quality: "bad",
    status: "UnsupportedArray",
  },
  { name: "an ExtensionObject", value: scalar(22, {}), quality: "bad", status: "UnsupportedType22" },
  { name: "a ByteString", value: scalar(15, Buffer.from("x")), quality: "bad", status: "UnsupportedType15" },
  { name: "an Int64 that is no pair", value: scalar(8, 5), quality: "bad", status: "UnsupportedType8" },
  { name: "a text of 64 KiB and one", value: scalar(12, "x".repeat(65_537)), quality: "bad", status: "TextTooLong" },
  { name: "Null", value: scalar(0, undefined), quality: "good", status: undefined },
  { name: "a null String", value: scalar(12, null), quality: "good", status: undefined },
  {
    name: "a Bad status without any value",
    value: { value: null, statusCode: { value: 0x808c0000, name: "BadSensorFailure" }, sourceTimestamp: null },
    quality: "bad",
    status: "BadSensorFailure",
  },
];
for (const { name, value, quality, status } of withoutValue) {
  test(`${name} becomes a point without a value, never 0`, () => {
    const point = pointOf("x", value);
    assert.deepEqual([point.value, point.quality, point.status], [undefined, quality, status]);
  });
}

test("quality is the severity: the two highest bits", () => {
  assert.equal(qualityOf(0), "good");
  assert.equal(qualityOf(0x00960000), "good");
  assert.equal(qualityOf(0x40900000), "uncertain");
  assert.equal(qualityOf(0x808c0000), "bad");
  assert.equal(qualityOf(0xc0000000), "bad");
});

test("a Bad value with a value keeps it, marked", () => {
  const point = pointOf("x", { ...scalar(11, 7), statusCode: { value: 0x808c0000, name: "BadSensorFailure" } });
  assert.deepEqual([point.value, point.quality, point.status], [7, "bad", "BadSensorFailure"]);
});

test("the Overflow bit counts only where the info type is DataValue, and stands in the status", () => {
  assert(hasOverflow(0x480));
  assert(!hasOverflow(0x080));
  assert(!hasOverflow(0x400));
  assert.equal(
    pointOf("x", { ...scalar(11, 1), statusCode: { value: 0x480, name: "Good#Overflow|InfoTypeDataValue" } }).status,
    "Overflow",
  );
  const uncertain = { value: 0x40900480, name: "UncertainLastUsableValue#Overflow" };
  assert.equal(pointOf("x", { ...scalar(11, 1), statusCode: uncertain }).status, "UncertainLastUsableValue Overflow");
});

test("source times have microseconds, and the smallest date means none", () => {
  assert.equal(
    pointOf("x", { ...scalar(11, 1), sourcePicoseconds: 456_700_000 }).timeMicros,
    time.getTime() * 1000 + 456,
  );
  assert.equal(pointOf("x", { ...scalar(11, 1), sourceTimestamp: null }).timeMicros, undefined);
  assert.equal(
    pointOf("x", { ...scalar(11, 1), sourceTimestamp: new Date(Date.UTC(1601, 0, 1)) }).timeMicros,
    undefined,
  );
  assert.equal(pointOf("x", { ...scalar(11, 1), sourceTimestamp: new Date(0) }).timeMicros, 0);
});

test("any 64-bit integer comes back exactly, signed and unsigned", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bits) => {
      const pair = [Number(bits >> 32n), Number(bits & 0xffffffffn)];
      assert.equal(pointOf("x", scalar(9, pair)).value, bits);
      assert.equal(pointOf("x", scalar(8, pair)).value, BigInt.asIntN(64, bits));
    }),
  );
});

test("nothing that a server can send makes it throw", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60 }),
      fc.integer({ min: 0, max: 2 }),
      fc.anything(),
      (dataType, arrayType, value) => {
        pointOf("x", {
          value: { dataType, arrayType, value },
          statusCode: good,
          sourceTimestamp: new Date(Number.NaN),
        });
      },
    ),
  );
});
