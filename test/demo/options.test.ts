// Goal: the demo's command line says what is wrong with it before anything starts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions } from "../../demo/options.ts";

const defaults = { forMs: undefined, outageMs: 0, json: false, keep: false, seed: 1 };
const good: [string, object][] = [
  ["", {}],
  ["--for 60s", { forMs: 60_000 }],
  ["--for 90", { forMs: 90_000 }],
  ["--for 5m --json", { forMs: 300_000, json: true }],
  ["--for 60s --outage 20s --seed 7", { forMs: 60_000, outageMs: 20_000, seed: 7 }],
  ["--keep", { keep: true }],
];
for (const [line, expected] of good) {
  test(`accepts "${line}"`, () => {
    const parsed = parseOptions(line === "" ? [] : line.split(" "));
    assert.deepEqual(parsed, { kind: "run", options: { ...defaults, ...expected } });
  });
}

const wrong: [string, RegExp][] = [
  ["--for soon", /--for soon is not a time/],
  ["--for 0s", /--for 0s is not a time/],
  ["--outage 20s", /--outage needs --for/],
  ["--for 30s --outage 20s", /three times/],
  ["--for 60s --outage x", /--outage x is not a time/],
  ["--json", /--json needs --for/],
  ["--keep --for 60s", /exclude each other/],
  ["--seed x", /--seed x is not a whole number/],
  ["--four 60s", /--four/],
];
for (const [line, message] of wrong) {
  test(`refuses "${line}"`, () => {
    const parsed = parseOptions(line.split(" "));
    assert(parsed.kind === "wrong");
    assert.match(parsed.message, message);
  });
}
