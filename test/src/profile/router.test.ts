// Goal: a message finds its device by the first rule that matches; what a peer writes into a topic never becomes a
// dangerous name, and never more devices than allowed.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { loadProfile } from "../../../src/profile/check.ts";
import { compileProfile } from "../../../src/profile/compile.ts";
import { createRouter, ruleFaults, type DeviceRule } from "../../../src/profile/router.ts";

const text = "title: T\nmetrics: { v: {} }\nexamples: [{ name: x, payload: '1', refused: no-values }]\n";
const profile = compileProfile("test/a", loadProfile(text, "a.yaml"));
const other = compileProfile("test/b", loadProfile(text, "b.yaml"));

function rule(topic: string, change: Partial<DeviceRule> = {}): DeviceRule {
  const base = {
    source: "s",
    device: "{device}",
    path: "acme/berlin/{line}",
    item: undefined,
    profile,
    devicesMax: 10,
  };
  return { ...base, topic, ...change };
}

function resultOf(rules: readonly DeviceRule[], topic: string, source = "s"): string {
  const match = createRouter(rules).match(source, topic);
  if (match.kind === "bad") return match.reason;
  return `${match.binding.device} ${match.binding.path} ${match.binding.profile.id}`;
}

const line = rule("plant/{line}/{device}/data");

test("captures fill the device and the path", () => {
  assert.equal(resultOf([line], "plant/line-3/press 7/data"), "press 7 acme/berlin/line-3 test/a");
  assert.equal(
    resultOf([rule("p/{line}/{device}", { device: "{line}-{device}" })], "p/l1/d1"),
    "l1-d1 acme/berlin/l1 test/a",
  );
  assert.equal(resultOf([line], "plant/halle-süd/förderband/data"), "förderband acme/berlin/halle-süd test/a");
});

test("the first rule that matches decides", () => {
  const special = rule("plant/+/press-17/data", { device: "press-17", path: "acme/berlin/lab", profile: other });
  assert.equal(resultOf([special, line], "plant/line-1/press-17/data"), "press-17 acme/berlin/lab test/b");
  assert.equal(resultOf([line, special], "plant/line-1/press-17/data"), "press-17 acme/berlin/line-1 test/a");
});

test("+ is one level, # any number, everything else itself", () => {
  const rest = rule("a/#", { device: "d", path: "p" });
  assert.equal(resultOf([rest], "a/b/c"), "d p test/a");
  assert.equal(resultOf([rest], "a"), "d p test/a");
  for (const topic of ["plant/l/d", "plant/l/d/data/x", "Plant/l/d/data", "plant//d/data", "", "/", "plant/l/d/"]) {
    assert.equal(resultOf([line], topic), "unroutable", topic);
  }
  assert.equal(resultOf([line], "plant/l/d/data", "another"), "unroutable");
});

// FAULTS 61 and 62.
const hostile = [
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "..",
  ".",
  "$SYS",
  "+",
  "#",
  "a\nb",
  "a\u0000b",
  "a\u202Eb",
  "a\u200Bb",
  "<script>",
  "'; DROP TABLE blocks_telemetry",
  "a\\b",
  "pump-\u0430",
  "e\u0301",
  "x".repeat(129),
  " a",
  "a ",
];
for (const level of hostile) {
  test(`a level ${JSON.stringify(level.slice(0, 30))} becomes no name`, () => {
    assert.equal(resultOf([line], `plant/l/${level}/data`), "unroutable");
    assert.equal(resultOf([line], `plant/${level}/d/data`), "unroutable");
  });
}

test("huge topics end quickly, and details stay short and on one line", () => {
  const router = createRouter([line]);
  for (const topic of ["x".repeat(65_535), "/".repeat(1000), `plant/l/${"\u0007".repeat(100)}/data`]) {
    const match = router.match("s", topic);
    assert.equal(match.kind, "bad");
    if (match.kind !== "bad") continue;
    assert.ok(match.detail.length < 600 && !/\p{Cc}/u.test(match.detail), JSON.stringify(match.detail));
  }
});

test("any topic: a match or a reason, never an exception", () => {
  const router = createRouter([line]);
  fc.assert(fc.property(fc.string({ maxLength: 60, unit: "binary" }), (topic) => void router.match("s", topic)));
});

test("a rule creates at most its number of devices; those that are known go on", () => {
  const router = createRouter([rule("p/{line}/{device}", { devicesMax: 2 })]);
  const kinds = ["p/l/a", "p/l/b", "p/l/c", "p/l/a", "p/l2/b"].map((topic) => {
    const match = router.match("s", topic);
    return match.kind === "bad" ? match.reason : match.binding.device;
  });
  assert.deepEqual(kinds, ["a", "b", "device-limit", "a", "b"]);
});

test("the same address gives the same binding, and each item a decoder of its own", () => {
  const router = createRouter([rule("p/{line}/{device}/{key}", { item: "{key}" })]);
  const binding = (topic: string) => {
    const match = router.match("s", topic);
    assert.ok(match.kind === "device");
    return match.binding;
  };
  assert.equal(binding("p/l/d/v"), binding("p/l/d/v"));
  assert.equal(binding("p/l/d/v").profile, binding("p/l/e/v").profile);
  assert.notEqual(binding("p/l/d/v").decoder, binding("p/l/d/w").decoder);
  const decoded = binding("p/l/d/v").decoder.decode(
    { kind: "bytes", bytes: Buffer.from("7") },
    { device: "d", path: "p", receivedMicros: 0, clock: "synced" },
  );
  assert.ok(decoded.kind === "observations");
  assert.deepEqual(decoded.observations[0]?.values, { v: 7 });
});

const faulty: readonly (readonly [Partial<DeviceRule> & { topic: string }, string])[] = [
  [{ topic: "a/{x}/{x}" }, "{x} stands twice"],
  [{ topic: "a/#/b" }, '"#": {name}, + and # stand alone between slashes, # only at the end'],
  [{ topic: "a/{device}", path: "p/{line}" }, "{line} is not captured by the topic (it captures device)"],
  [{ topic: "a", device: "x}", path: "p" }, "has a brace that does not belong to a {name}"],
  [{ topic: "a", device: "a/b", path: "p" }, '"a/b" has characters that are not allowed in a name'],
  [{ topic: "a", device: "d", path: "p//q" }, '"p//q" has a level that is empty'],
  [{ topic: "a", device: "__proto__", path: "p" }, '"__proto__" is a reserved name'],
];
for (const [change, message] of faulty) {
  test(`a rule is refused: ${message}`, () => {
    assert.deepEqual(
      ruleFaults(rule(change.topic, change)).map((fault) => fault.message),
      [message],
    );
  });
}
