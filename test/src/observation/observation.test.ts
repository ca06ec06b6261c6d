// Goal: what the gateway writes is what the published schema promises, and all that the schema promises can be read.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import Schema from "typebox/schema";
import {
  decodeObservation,
  encodeObservation,
  observationPrefix,
  type Observation,
} from "../../../src/observation/observation.ts";
import { observationSchema } from "../../../src/observation/schema.ts";
import { formatWireTime } from "../../../src/observation/time.ts";

const micros = fc.integer({ min: Date.UTC(1970, 0, 1) * 1000, max: Date.UTC(2200, 0, 1) * 1000 });
const metric = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,20}$/).filter((name) => !(name in Object.prototype));
const value = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => (Object.is(n, -0) ? 0 : n)),
  fc.string(),
  fc.boolean(),
);
const byMetric = <T>(one: fc.Arbitrary<T>) => fc.dictionary(metric, one, { maxKeys: 5, noNullPrototype: true });

const observation: fc.Arbitrary<Observation> = fc.record(
  {
    device: fc.string({ minLength: 1, maxLength: 128, unit: "grapheme-ascii" }),
    path: fc.string({ maxLength: 100 }),
    timeMicros: micros,
    receivedMicros: micros,
    clock: fc.constantFrom("synced", "unset"),
    timeSource: fc.constantFrom("device", "gateway"),
    implausibleTime: fc.boolean(),
    values: byMetric(value),
    quality: fc.option(byMetric(fc.constantFrom("uncertain" as const, "bad" as const)), { nil: undefined }),
    exact: fc.option(byMetric(fc.constantFrom("NaN", "Infinity", "9007199254740993")), { nil: undefined }),
  },
  { noNullPrototype: true },
);

test("an encoded observation fits the schema, is one line, and is read back as it was", () => {
  fc.assert(
    fc.property(observation, (o) => {
      const text = encodeObservation(o, observationPrefix(o.device, o.path));
      assert(!text.includes("\n"));
      assert(Schema.Check(observationSchema, JSON.parse(text)), text);
      assert.deepEqual(decodeObservation(text), o);
    }),
  );
});

test("whatever fits the schema can be read", () => {
  const wire = fc.record(
    {
      device: fc.string({ minLength: 1, maxLength: 128 }),
      path: fc.string({ maxLength: 256 }),
      time: micros.map(formatWireTime),
      received: micros.map(formatWireTime),
      clock: fc.constantFrom("synced", "unset"),
      timeSource: fc.constant("gateway"),
      timeQuality: fc.constant("implausible"),
      values: byMetric(value),
      quality: byMetric(fc.constantFrom("uncertain", "bad")),
      exact: byMetric(fc.string()),
      addedLater: fc.jsonValue(),
    },
    { requiredKeys: ["device", "path", "time", "received", "clock", "values"] },
  );
  fc.assert(
    fc.property(wire, (record) => {
      assert(Schema.Check(observationSchema, record));
      const read = decodeObservation(JSON.stringify(record));
      assert(read !== undefined);
      assert.equal(formatWireTime(read.timeMicros), record.time);
      assert.equal(read.timeSource, record.timeSource ?? "device");
      assert.equal(read.implausibleTime, record.timeQuality !== undefined);
      // The keys that were not there differ between a record and its JSON.
      assert.deepEqual(read.values, JSON.parse(JSON.stringify(record.values)));
    }),
  );
});

const whole = {
  device: "press-17",
  path: "acme/berlin",
  time: "2026-11-21T09:28:12.123456Z",
  received: "2026-11-21T09:28:12.140000Z",
  clock: "synced",
  values: { temperature: 63.2 },
};

for (const key of ["device", "path", "time", "received", "values"] as const) {
  test(`a record without ${key} is refused by the schema and by the reader`, () => {
    const { [key]: _left, ...rest } = whole;
    assert(!Schema.Check(observationSchema, rest));
    assert.equal(decodeObservation(JSON.stringify(rest)), undefined);
  });
}

for (const time of ["2026-11-21T09:28:12.123Z", "2026-13-21T09:28:12.123456Z", "2026-11-21 09:28:12.123456Z", "now"]) {
  test(`the time ${time} is refused by the schema and by the reader`, () => {
    assert(!Schema.Check(observationSchema, { ...whole, time }));
    assert.equal(decodeObservation(JSON.stringify({ ...whole, time })), undefined);
  });
}
