// Goal: the live view shows the newest value of every metric, says when it is stale, and stays bounded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveValues, type LiveDevice } from "../../../edge/observe/live.ts";
import { metricOf, observe, profileOf } from "../inference/observations.ts";

const profile = { ...profileOf(metricOf("vibration"), metricOf("pressure")), specOf: (name: string) => metricOf(name) };

function deviceAt(lastSeenMs: number, id = "pump-1"): LiveDevice {
  return { id, path: "acme/berlin", profile, lastSource: "plant", lastSeenMs };
}

test("metrics that come in separate messages are shown together, each with its age", () => {
  const live = new LiveValues(() => undefined);
  live.observed(deviceAt(1_000), observe("pump-1", 1, { vibration: 2 }));
  live.sample(1_000, 1_000);
  live.observed(deviceAt(3_000), observe("pump-1", 3, { pressure: 6 }, { pressure: "uncertain" }));
  const { metrics } = live.view("pump-1", 4_000)!;
  assert.deepEqual(
    metrics.map(({ name, value, quality, ageMs }) => [name, value, quality, ageMs]),
    [
      ["vibration", 2, "good", 3_000],
      ["pressure", 6, "uncertain", 1_000],
    ],
  );
});

test("of many messages between two looks, the newest counts", () => {
  const live = new LiveValues(() => undefined);
  for (let i = 1; i <= 100; i++) live.observed(deviceAt(i), observe("pump-1", i, { vibration: i }));
  assert.equal(live.view("pump-1", 100)!.metrics[0]!.value, 100);
});

test("a bad or silent metric leaves a gap in its trend", () => {
  const live = new LiveValues(() => undefined);
  live.observed(deviceAt(0), observe("pump-1", 0, { vibration: 1 }));
  live.sample(0, 0);
  live.observed(deviceAt(1_000), observe("pump-1", 1, { vibration: 2 }, { vibration: "bad" }));
  live.sample(1_000, 1_000);
  live.observed(deviceAt(2_000), observe("pump-1", 2, { vibration: 3 }));
  live.sample(2_000, 2_000);
  live.sample(60_000, 60_000);
  assert.deepEqual(live.trend("pump-1", "vibration")!.last, [1, null, 3, null]);
});

test("a metric that the profile does not name is shown, and the device is told to have grown, once", () => {
  const live = new LiveValues(() => undefined);
  live.observed(deviceAt(0), observe("pump-1", 0, { vibration: 1, humidity: 40 }));
  live.sample(0, 0);
  assert.deepEqual(live.takeGrown(), ["pump-1"]);
  assert.deepEqual(live.takeGrown(), []);
  assert.deepEqual(
    live.metricsOf("pump-1").map(({ name }) => name),
    ["vibration", "pressure", "humidity"],
  );
});

test("an unknown device is nothing, not an error", () => {
  const live = new LiveValues(() => undefined);
  assert.equal(live.view("x", 0), undefined);
  assert.equal(live.trend("x", "y"), undefined);
  assert.deepEqual(live.metricsOf("x"), []);
});

test("trends are bounded in number; values beyond it are still shown", () => {
  const live = new LiveValues(() => undefined);
  for (let i = 0; i < 2_600; i++)
    live.observed(deviceAt(0, `d-${i}`), observe(`d-${i}`, 0, { vibration: i, pressure: 1 }));
  live.sample(0, 0);
  const trends = live.views(0).flatMap(({ id }) => live.trend(id, "vibration") ?? live.trend(id, "pressure") ?? []);
  assert.equal(trends.length, 2_500);
  assert.equal(live.view("d-2599", 0)!.metrics[0]!.value, 2_599);
});
