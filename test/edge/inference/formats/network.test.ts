// Goal: what a network is given and how its answer is read follows from network.json and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NetworkModel, type NetworkReading } from "../../../../edge/inference/formats/network.ts";

const network = { format: "onnx", files: {}, inputShape: [2], outputs: 1 } as const;
const scaling = { input: [2], means: [10, 100], deviations: [2, 10] };
const score = { kind: "score", low: 0, high: Infinity } as const;
const life = { kind: "quantity", low: 0, high: 125 } as const;

function runOf(answer: NetworkReading["answer"], output: typeof score | typeof life, settling = 0) {
  return new NetworkModel(network, { ...scaling, answer }, output, settling).start();
}

test("features are scaled; a missing one is its mean, and what is far beyond is cut", () => {
  const run = runOf({ kind: "value", scale: 1, offset: 0 }, score);
  assert.deepEqual([...run.ask(Float64Array.of(12, 90))!], [1, -1]);
  assert.equal(run.quality, "good");
  assert.deepEqual([...run.ask(Float64Array.of(Number.NaN, 110))!], [0, 1]);
  assert.equal(run.quality, "uncertain");
  assert.deepEqual([...run.ask(Float64Array.of(1e9, -1e9))!], [100, -100]);
  assert.equal(run.ask(Float64Array.of(Number.NaN, Number.NaN)), undefined);
  assert.equal(run.quality, "bad");
});

test("nothing is asked until the longest window is full, and again after a gap", () => {
  const run = runOf({ kind: "value", scale: 1, offset: 0 }, score, 2);
  const row = Float64Array.of(10, 100);
  assert.deepEqual([run.ask(row), run.ask(row), run.learning], [undefined, undefined, false]);
  assert.ok(run.ask(row));
  run.forgetContext();
  assert.deepEqual([run.learning, run.ask(row)], [true, undefined]);
});

test("a reconstruction is judged by its mean squared error in units of the limit, with the share of each feature", () => {
  const run = runOf({ kind: "reconstruction", limit: 2 }, score);
  assert.equal(run.judge(Float32Array.of(1, -1), Float32Array.of(0, 1)), 1.25);
  const shares = new Float64Array(2);
  run.contributions(shares);
  assert.deepEqual([...shares], [0.2, 0.8]);
});

test("a value is scaled and cut to the range of the output; what is no number stays none", () => {
  const run = runOf({ kind: "value", scale: 125, offset: 1 }, life);
  const asked = Float32Array.of(1, 2);
  assert.deepEqual(
    [0.5, 2, -1].map((value) => run.judge(asked, Float32Array.of(value))),
    [63.5, 125, 0],
  );
  assert.ok(Number.isNaN(run.judge(asked, Float32Array.of(Number.NaN))));
  const effects = Float64Array.of(7, 7);
  run.contributions(effects);
  assert.deepEqual([...effects], [0, 0], "what it made of each input is not known, so nothing is said");
});
