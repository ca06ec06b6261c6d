// Goal: whatever arrives becomes observations that say what was sent, or is refused with a reason. Nothing throws,
// nothing is rounded or turned into null in silence, and no message changes the process.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import fc from "fast-check";
import type { Point } from "../../../src/profile/body.ts";
import { loadProfile } from "../../../src/profile/check.ts";
import { compileProfile, type DeviceProfile } from "../../../src/profile/compile.ts";
import type { Decoded } from "../../../src/profile/profile.ts";

const context = {
  device: "d-1",
  path: "acme/berlin",
  receivedMicros: Date.UTC(2026, 10, 21, 9, 30) * 1000,
  clock: "synced",
} as const;
const examples = "examples: [{ name: x, payload: '1', refused: no-values }]";

function profile(text: string): DeviceProfile {
  return compileProfile("test/test", loadProfile(`title: Test\n${text}\n${examples}\n`, "test.yaml"));
}

function decode(decoder: DeviceProfile, payload: string | Uint8Array): Decoded {
  return decoder.decode({ kind: "bytes", bytes: Buffer.from(payload) }, context);
}

/** The one observation's values, qualities and exact texts; or the reason. */
function result(decoder: DeviceProfile, payload: string | Uint8Array): unknown {
  const decoded = decode(decoder, payload);
  if (decoded.kind === "bad") return decoded.reason;
  const [observation, ...more] = decoded.observations;
  assert.equal(more.length, 0);
  if (observation === undefined) return "nothing";
  const { values, quality, exact } = observation;
  return { ...values, ...(quality && { quality }), ...(exact && { exact }) };
}

const number = profile("metrics: { v: {} }");
const anything = profile("collect: { from: $, types: [number, boolean, text] }");

test("FAULTS 57: what is no text, or no JSON, is refused with a reason", () => {
  const rows: readonly (readonly [string, string | Uint8Array, string])[] = [
    ["empty", "", "empty"],
    ["null", "null", "empty"],
    ["blank", "  ", "not-json"],
    ["binary", Uint8Array.of(0xff, 0xfe, 0x00), "not-text"],
    ["a UTF-8 sequence that is cut off", Uint8Array.of(0x22, 0xc3), "not-text"],
    ["an encoded surrogate", Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), "not-text"],
    ["a byte order mark", '\uFEFF{"v":1}', "not-json"],
    ["U+0000 outside of a text", '{"v":1}\u0000', "not-json"],
    ["a list where values belong", "[1]", "no-values"],
    ["a bare number", "5", "no-values"],
    ["a list where one value belongs", '{"v":[1]}', "wrong-shape"],
    ["a mapping where one value belongs", '{"v":{"w":1}}', "wrong-shape"],
    ["a word where a number belongs", '{"v":"high"}', "wrong-shape"],
    ["a decimal comma", '{"v":"1,5"}', "wrong-shape"],
    ["a hexadecimal text", '{"v":"0x10"}', "wrong-shape"],
    ["an empty text", '{"v":""}', "wrong-shape"],
  ];
  for (const [name, payload, reason] of rows) assert.equal(result(number, payload), reason, name);
});

test("FAULTS 58: numbers arrive as they were sent", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["1.5", { v: 1.5 }],
    ["-0", { v: 0 }],
    ["5e-324", { v: 5e-324 }],
    ["1.7976931348623157e308", { v: 1.7976931348623157e308 }],
    ["1e20", { v: 1e20 }],
    ["9007199254740991", { v: 9007199254740991 }],
    ["-9007199254740991", { v: -9007199254740991 }],
    ["9007199254740993", { exact: { v: "9007199254740993" } }],
    ["-9223372036854775808", { exact: { v: "-9223372036854775808" } }],
    ["18446744073709551615", { exact: { v: "18446744073709551615" } }],
    ['"18446744073709551615"', { exact: { v: "18446744073709551615" } }],
    ["1e400", { exact: { v: "1e400" } }],
    ["-1e400", { exact: { v: "-1e400" } }],
    ['"NaN"', { exact: { v: "NaN" } }],
    ['"-Infinity"', { exact: { v: "-Infinity" } }],
    ['" 2.50 "', { v: 2.5 }],
    ["true", { v: 1 }],
    ["NaN", "not-json"],
    ["1e", "not-json"],
    ["01", "not-json"],
  ];
  for (const [text, expected] of rows) {
    assert.deepEqual(result(number, `{"v":${text}}`), expected, text);
    if (text.startsWith('"') || text === "true") continue;
    assert.deepEqual(result(profile("collect: { from: $ }"), `{"v":${text}}`), expected, `${text}, collected`);
  }
});

test("typed points keep Int64, NaN and values that are missing", () => {
  const decoder = profile("payload: points\nmetrics: { a: {}, b: {}, c: {} }");
  const point = (item: string, value: Point["value"], quality: Point["quality"] = "good"): Point => ({
    item,
    value,
    quality,
    timeMicros: undefined,
    status: undefined,
  });
  const points = [point("a", 2n ** 63n - 1n), point("b", Number.NaN), point("c", undefined, "bad")];
  const decoded = decoder.decode({ kind: "points", points }, context);
  assert.ok(decoded.kind === "observations");
  assert.deepEqual(decoded.observations[0]?.exact, { a: "9223372036854775807", b: "NaN" });
  assert.deepEqual(decoded.observations[0]?.quality, { c: "bad" });
  assert.deepEqual(decoded.observations[0]?.values, {});
});

test("FAULTS 59: depth, size, count and dangerous keys are bounded, quickly", () => {
  const generous = profile("collect: { from: $ }\nlimits: { bytesMax: 4194304, depthMax: 64 }");
  const keys = Array.from({ length: 200_000 }, (_, i) => `"k${i}":${i}`).join(",");
  const rows: readonly (readonly [string, DeviceProfile, string, unknown])[] = [
    ["a million brackets", generous, "[".repeat(1_000_000), "too-deep"],
    ["a million braces", generous, '{"a":'.repeat(800_000), "too-deep"],
    ["brackets in a text are no depth", anything, `{"v":"${"[{".repeat(50)}"}`, { v: "[{".repeat(50) }],
    [
      "an escaped quote does not end a text",
      anything,
      '{"v":"\\"[[[[[[[[[[[[[[[[[[[["}',
      { v: '"[[[[[[[[[[[[[[[[[[[[' },
    ],
    ["a message of 100 kB", number, `{"v":"${"x".repeat(100_000)}"}`, "too-large"],
    ["200,000 keys", generous, `{${keys}}`, "too-large"],
    ["a long text", anything, `{"v":"${"x".repeat(300)}"}`, "wrong-shape"],
    ["a long number in quotes", number, `{"v":"${"1".repeat(200)}"}`, "wrong-shape"],
    ["the last of two equal keys counts", number, '{"v":1,"v":2}', { v: 2 }],
    ["inherited names are not found", number, '{"toString":1}', "no-values"],
  ];
  for (const [name, decoder, payload, expected] of rows) {
    // CPU time of this process: the machine may be busy with other tests.
    const started = process.cpuUsage();
    assert.deepEqual(result(decoder, payload), expected, name);
    const took = process.cpuUsage(started).user / 1000;
    assert.ok(took < 1000, `${name} took ${took} ms`);
  }
  const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}},"hasOwnProperty":3,"v":4}';
  assert.deepEqual(Object.keys(result(anything, hostile) as object).sort(), [
    "constructor.prototype.polluted",
    "m___proto__.polluted",
    "m_hasOwnProperty",
    "v",
  ]);
});

after(() => assert.equal(({} as { polluted?: unknown }).polluted, undefined));

test("two keys that would become one metric are refused, not merged", () => {
  assert.equal(result(anything, '{"a b":1,"a_b":2}'), "wrong-shape");
});

test("any bytes: a result, never an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      for (const decoder of [number, anything])
        assert.ok(["bad", "observations"].includes(decode(decoder, bytes).kind));
    }),
  );
});

test("any JSON: a result, never an exception, and no value that JSON would turn into null", () => {
  fc.assert(
    fc.property(fc.json({ depthSize: "medium" }), (text) => {
      const decoded = decode(anything, text);
      if (decoded.kind === "bad") return;
      for (const { values } of decoded.observations) assert.ok(!JSON.stringify(values).includes(":null"), text);
    }),
  );
});

test("any flat object of numbers comes back as it was", () => {
  const name = fc.stringMatching(/^[a-z][a-zA-Z0-9]{0,8}$/).filter((key) => !(key in {}));
  fc.assert(
    fc.property(fc.dictionary(name, fc.double({ noNaN: true, noDefaultInfinity: true }), { minKeys: 1 }), (values) => {
      const expected = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, value + 0]));
      // Beyond 2^53 JSON.stringify writes digits only: then the digits are kept as text.
      const got = result(anything, JSON.stringify(values)) as Record<string, unknown> & {
        exact?: Record<string, string>;
      };
      const { exact = {}, ...plain } = got;
      const merged = {
        ...plain,
        ...Object.fromEntries(Object.entries(exact).map(([key, text]) => [key, Number(text)])),
      };
      assert.deepEqual(merged, expected);
    }),
  );
});

test("enumerations, scales, offsets and units of the message", () => {
  const decoder = profile(`metrics:
  mode: { type: text, enum: { "0": stopped, "1": running } }
  level: { scale: 0.1, offset: -40, unit: Cel, sourceUnit: "[degF]" }
  flow: { unit: m3/h, unitFrom: u, units: { lpm: L/min } }`);
  assert.deepEqual(result(decoder, '{"mode":1,"level":1080,"flow":50,"u":"lpm"}'), {
    mode: "running",
    level: 20,
    flow: 3,
  });
  assert.deepEqual(result(decoder, '{"mode":7}'), { mode: "7", quality: { mode: "uncertain" } });
  assert.equal(result(decoder, '{"flow":50,"u":"gallons"}'), "wrong-shape");
  assert.equal(result(decoder, '{"flow":50,"u":"Cel"}'), "wrong-shape");
});

test("one value per message, its name taken from the topic", () => {
  const decoder = profile("empty: ignore\nmetrics: { amp: { unit: A }, car: { type: text } }");
  const read = (item: string, payload: string): unknown => {
    const decoded = decoder.forItem(item).decode({ kind: "bytes", bytes: Buffer.from(payload) }, context);
    return decoded.kind === "bad" ? decoded.reason : decoded.observations.map(({ values }) => values);
  };
  assert.deepEqual(read("amp", "16"), [{ amp: 16 }]);
  assert.deepEqual(read("car", '"35.6-1"'), [{ car: "35.6-1" }]);
  assert.deepEqual(read("amp", ""), []);
  assert.equal(read("__proto__", "16"), "no-values");
});

test("bare texts, and a list with times of its own and a base time", () => {
  const bare = profile("payload: text\nmetrics: { v: { from: $ } }");
  assert.deepEqual(result(bare, " 21.5\n"), { v: 21.5 });
  assert.equal(result(bare, "\u0001"), "not-text");
  const list = profile("each: [metrics, $]\ntime: { from: [at, base] }\nmetrics: { v: { from: f.v } }");
  const decoded = decode(list, '{"base":1795253292,"metrics":[{"f":{"v":1}},{"f":{"v":2},"at":1795253293}]}');
  assert.ok(decoded.kind === "observations");
  assert.deepEqual(
    decoded.observations.map(({ timeMicros, values }) => [timeMicros, values["v"]]),
    [
      [1795253292000000, 1],
      [1795253293000000, 2],
    ],
  );
  assert.deepEqual(result(list, '{"f":{"v":3}}'), { v: 3 });
});
