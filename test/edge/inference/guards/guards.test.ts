// Goal: each guard says what it is for and nothing else, in any unit, and a restart is invisible.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Guards } from "../../../../edge/inference/guards/guards.ts";
import type { Finding } from "../../../../edge/inference/guards/finding.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import { Pump } from "../../../../edge/simulate/plant.ts";
import type { GuardRule } from "../../../../src/profile/profile.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const none: GuardRule = {
  rate: false,
  stuck: false,
  gap: false,
  hampel: false,
  ewma: false,
  cusum: false,
  variance: false,
};
const all: GuardRule = { rate: true, stuck: true, gap: true, hampel: true, ewma: true, cusum: true, variance: true };
const second = 1_000_000;

function noise(seed: number, count: number, at: (z: number, i: number) => number): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: count }, (_, i) => at(gaussian(random), i));
}

/** What is found at which value, one value a second. */
function found(guards: Guards, values: Float64Array, first = 0): (Finding | undefined)[] {
  return Array.from(values, (value, i) => guards.check(value, (first + i) * second, true));
}

function saved(guards: Guards): Uint8Array {
  const to = new StateWriter();
  guards.save(to);
  return to.done();
}

const length = 12_000;
const faults: { name: keyof GuardRule; says: string; within: number; value: (z: number, after: number) => number }[] = [
  { name: "rate", says: "a jump", within: 1, value: (z, after) => (after === 0 ? 60 : 10 + z) },
  { name: "stuck", says: "a value that stands still", within: 80, value: () => 10 },
  {
    name: "hampel",
    says: "a loose contact: one value of ten leaps out",
    within: 150,
    value: (z, after) => (after % 10 === 5 ? 25 + z : 10 + z),
  },
  { name: "ewma", says: "a mean that moves by two deviations", within: 100, value: (z) => 12 + z },
  { name: "cusum", says: "a mean that moves by one and a half deviations", within: 150, value: (z) => 11.5 + z },
  { name: "variance", says: "noise that doubles", within: 300, value: (z) => 10 + 2 * z },
];
for (const { name, says, within, value } of faults) {
  test(`${name} sees ${says}, and nothing before`, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const values = noise(seed, length + within, (z, i) => (i < length ? 10 + z : value(z, i - length)));
      const findings = found(new Guards(undefined, { ...none, [name]: true }), values);
      const first = findings.findIndex((finding) => finding !== undefined);
      assert(first >= length, `seed ${seed}: found at ${first}`);
      assert.equal(findings[first]!.kind, name);
    }
  });
}

test("a gap is told once, by the value that ends it", () => {
  const guards = new Guards(undefined, { ...none, gap: true });
  found(
    guards,
    noise(1, 300, (z) => z),
  );
  assert.deepEqual(guards.check(1, 400 * second, true), { kind: "gap", seconds: 101, usualSeconds: 1 });
  assert.equal(guards.check(1, 401 * second, true), undefined);
});

test("a spike alone is nothing, and a step to another level is no spike", () => {
  const guards = new Guards(undefined, { ...none, hampel: true });
  const values = noise(3, 2000, (z, i) => (i === 500 ? 60 : i < 1000 ? z : 30 + z));
  assert(found(guards, values).every((finding) => finding === undefined));
});

test("steps from level to level, again and again, are no spikes", () => {
  const guards = new Guards(undefined, { ...none, hampel: true });
  const values = noise(7, 6000, (z, i) => (i > 1000 && Math.floor(i / 20) % 2 === 0 ? 50 : 0) + z);
  assert(found(guards, values).every((finding) => finding === undefined));
});

test("a number that is rounded coarsely has no spikes: the resolution is the least deviation", () => {
  const guards = new Guards(undefined, { ...none, hampel: true });
  // Nearly always the same, now and then one step away: the MAD is 0.
  const values = noise(4, 5000, (z) => (z > 2 ? 20.5 : z < -2 ? 19.5 : 20));
  assert(found(guards, values).every((finding) => finding === undefined));
});

test("what always leaps out is normal: pulses of a valve", () => {
  const guards = new Guards(undefined, { ...none, hampel: true });
  const values = noise(5, 5000, (z, i) => (i % 16 === 0 ? 8 : 0) + z / 100);
  assert(found(guards, values).every((finding) => finding === undefined));
});

test("charts say nothing of a process that wanders, and little of a sound pump in 6 hours", () => {
  let level = 0;
  const wandering = noise(6, 100_000, (z) => (level += 0.05 * z) + z);
  const rule = { ...none, ewma: true, cusum: true, variance: true };
  assert(found(new Guards(undefined, rule), wandering).every((finding) => finding === undefined));
  for (let seed = 1; seed <= 3; seed++) {
    const pump = new Pump(seed);
    const series = Array.from({ length: 6 * 18_000 }, () => pump.step(0.2));
    for (const metric of ["vibration", "bearingTemperature", "current", "flow"] as const) {
      const findings = found(
        new Guards(undefined, all),
        Float64Array.from(series, (state) => state[metric]),
      );
      assert.equal(findings.filter((finding) => finding !== undefined).length, 0, `seed ${seed}, ${metric}`);
    }
  }
});

/** Everything that moves the state: noise, spikes, a jump, a shift, a standstill. */
function eventful(seed: number): Float64Array {
  return noise(seed, 2500, (z, i) => {
    if (i > 2300 && i < 2400) return 3;
    if (i > 1700 && i < 1800 && i % 7 === 0) return 20 + z;
    return z + (i > 2000 ? 4 : 0) + (i === 1500 ? 500 : 0);
  });
}

test("a change of unit changes no finding", () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(2 ** -20, 2 ** -3, 8, 2 ** 30), (seed, factor) => {
      const values = eventful(seed);
      const kinds = found(new Guards(undefined, all), values).map((finding) => finding?.kind);
      const scaled = values.map((value) => value * factor);
      assert.deepEqual(
        found(new Guards(undefined, all), scaled).map((finding) => finding?.kind),
        kinds,
      );
      assert(new Set(kinds).size > 3);
    }),
    { numRuns: 20 },
  );
});

test("a restart anywhere continues bit for bit, and the state never grows", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 2499 }), (seed, cut) => {
      const values = eventful(seed);
      const whole = new Guards([-100, 100], all);
      const expected = found(whole, values);
      const before = new Guards([-100, 100], all);
      found(before, values.subarray(0, cut));
      const after = new Guards([-100, 100], all);
      after.load(StateReader.open(saved(before))!);
      assert.deepEqual(found(after, values.subarray(cut), cut), expected.slice(cut));
      assert.deepEqual(saved(after), saved(whole));
      assert.equal(saved(whole).length, saved(new Guards([-100, 100], all)).length);
    }),
    { numRuns: 20 },
  );
});
