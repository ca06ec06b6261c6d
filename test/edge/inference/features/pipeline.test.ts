// Goal: features are the same numbers in training and in serving, whatever is missing and whenever it restarts.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Feature } from "../../../../edge/inference/features/feature.ts";
import { FeaturePipeline } from "../../../../edge/inference/features/pipeline.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";

const gap = Number.NaN;
/** The features of the last of these rows of the inputs a and b. */
const cases: readonly { name: string; feature: Feature; a: number[]; b?: number[]; is: number }[] = [
  { name: "age counts rows from 1", feature: { kind: "age" }, a: [9, 9, 9], is: 3 },
  { name: "the value itself", feature: { kind: "value", input: "a" }, a: [1, 2], is: 2 },
  { name: "a lag", feature: { kind: "lag", input: "a", rows: 2 }, a: [1, 2, 3, 4], is: 2 },
  { name: "a lag before there were rows", feature: { kind: "lag", input: "a", rows: 2 }, a: [1, 2], is: gap },
  { name: "a mean of the last rows", feature: { kind: "mean", input: "a", rows: 2 }, a: [9, 1, 2], is: 1.5 },
  { name: "a mean over a gap", feature: { kind: "mean", input: "a", rows: 3 }, a: [1, gap, 2], is: 1.5 },
  { name: "a mean of fewer rows at the start", feature: { kind: "mean", input: "a", rows: 9 }, a: [1, 2], is: 1.5 },
  { name: "a slope", feature: { kind: "slope", input: "a", rows: 3 }, a: [9, 1, 3, 5], is: 2 },
  { name: "a slope over a gap", feature: { kind: "slope", input: "a", rows: 3 }, a: [1, gap, 5], is: 2 },
  { name: "no slope of one row", feature: { kind: "slope", input: "a", rows: 3 }, a: [1], is: 0 },
  { name: "a drift", feature: { kind: "drift", input: "a", rows: 1, firstRows: 2 }, a: [1, 3, 7, 8], is: 6 },
  { name: "a difference", feature: { kind: "difference", left: "a", right: "b" }, a: [5], b: [2], is: 3 },
  { name: "a product", feature: { kind: "product", left: "a", right: "b" }, a: [5], b: [2], is: 10 },
  {
    name: "the mean of the last complete cycle",
    feature: { kind: "cycle", input: "a", trigger: "b", above: 1, of: "mean" },
    a: [9, 1, 2, 3, 7, 8],
    b: [0, 1, 2, 0, 1, 1],
    is: 2,
  },
  {
    name: "the range of a cycle over a gap",
    feature: { kind: "cycle", input: "a", trigger: "b", above: 1, of: "range" },
    a: [1, 5, gap, 2, 9],
    b: [0, 1, 1, 0, 1],
    is: 3,
  },
  {
    name: "how long a cycle was, though its trigger was missing for a row",
    feature: { kind: "cycle", input: "a", trigger: "b", above: 1, of: "rows" },
    a: [0, 0, 0, 0, 0],
    b: [0, 1, gap, 0, 1],
    is: 3,
  },
  {
    name: "no cycle before one is complete: the first row may be in its middle",
    feature: { kind: "cycle", input: "a", trigger: "b", above: 1, of: "max" },
    a: [1, 2, 3, 4],
    b: [1, 0, 1, 1],
    is: gap,
  },
  { name: "rms of a square wave", feature: { kind: "rms", input: "a", rows: 4, everyRows: 1 }, a: [5, 1, 5, 1], is: 2 },
  { name: "its crest", feature: { kind: "crest", input: "a", rows: 4, everyRows: 1 }, a: [5, 1, 5, 1], is: 1 },
  { name: "its kurtosis", feature: { kind: "kurtosis", input: "a", rows: 4, everyRows: 1 }, a: [5, 1, 5, 1], is: 1 },
  {
    name: "its frequency: the highest",
    feature: { kind: "peak-frequency", input: "a", rows: 4, everyRows: 1 },
    a: [5, 1, 5, 1],
    is: 0.5,
  },
  {
    name: "a waveform of which a quarter is missing is at its mean there",
    feature: { kind: "peak", input: "a", rows: 4, everyRows: 1 },
    a: [6, 0, gap, 0],
    is: 4,
  },
  {
    name: "a waveform with larger gaps is not known",
    feature: { kind: "rms", input: "a", rows: 4, everyRows: 1 },
    a: [5, gap, gap, 1],
    is: gap,
  },
  {
    name: "a waveform is kept until it is taken anew",
    feature: { kind: "peak", input: "a", rows: 2, everyRows: 2 },
    a: [1, 3, 9],
    is: 1,
  },
  {
    name: "nothing is below a band",
    feature: { kind: "band", input: "a", rows: 2, everyRows: 1, low: 0.1, high: 0.4 },
    a: [1, 3],
    is: 0,
  },
  { name: "a ratio", feature: { kind: "ratio", left: "a", right: "b" }, a: [5], b: [2], is: 2.5 },
];
for (const { name, feature, a, b, is } of cases) {
  test(name, () => {
    const pipeline = new FeaturePipeline(["a", "b"], [feature]);
    const into = new Float64Array(1);
    a.forEach((value, i) => pipeline.observe(Float64Array.of(value, b?.[i] ?? 0), into));
    assert.deepEqual(into[0], is);
  });
}

test("an unknown input and an impossible window are refused", () => {
  const make = (feature: Feature) => () => new FeaturePipeline(["a"], [feature]);
  assert.throws(make({ kind: "value", input: "x" }), /x, which is no input/);
  assert.throws(make({ kind: "mean", input: "a", rows: 0 }), RangeError);
  assert.throws(make({ kind: "mean", input: "a", rows: 10_001 }), RangeError);
  assert.throws(make({ kind: "slope", input: "a", rows: 1.5 }), RangeError);
  assert.throws(make({ kind: "rms", input: "a", rows: 12, everyRows: 1 }), /12 is no power of two/);
  assert.throws(make({ kind: "rms", input: "a", rows: 16, everyRows: 0 }), RangeError);
  const band = { kind: "band", input: "a", rows: 16, everyRows: 1 } as const;
  assert.throws(make({ ...band, low: 0.3, high: 0.2 }), RangeError);
  assert.throws(make({ ...band, low: 0.3, high: 0.6 }), RangeError);
  assert.throws(make({ kind: "cycle", input: "a", trigger: "x", above: 0, of: "max" }), /x, which is no input/);
});

const all = cases.map(({ feature }) => feature);
const rows = fc.array(fc.tuple(fc.double(), fc.double()), { minLength: 1, maxLength: 60 });

test("streamed with a restart anywhere equals one pass, bit for bit", () => {
  fc.assert(
    fc.property(rows, fc.nat(), (series, at) => {
      const whole = featuresOf(new FeaturePipeline(["a", "b"], all), series);
      const before = new FeaturePipeline(["a", "b"], all);
      const first = featuresOf(before, series.slice(0, at % series.length));
      const to = new StateWriter();
      before.save(to);
      const after = new FeaturePipeline(["a", "b"], all);
      after.load(StateReader.open(to.done())!);
      assert.deepEqual([...first, ...featuresOf(after, series.slice(at % series.length))], whole);
    }),
  );
});

function featuresOf(pipeline: FeaturePipeline, series: readonly (readonly [number, number])[]): Float64Array[] {
  return series.map((row) => {
    const into = new Float64Array(pipeline.features);
    pipeline.observe(Float64Array.from(row), into);
    return into;
  });
}

test("after a gap every feature begins anew, but the machine is as old as it is and its first rows stay", () => {
  const lifelong: Feature[] = [{ kind: "age" }, { kind: "drift", input: "a", rows: 2, firstRows: 3 }];
  const others: Feature[] = [
    { kind: "lag", input: "a", rows: 2 },
    { kind: "mean", input: "a", rows: 4 },
    { kind: "rms", input: "a", rows: 4, everyRows: 3 },
    { kind: "cycle", input: "a", trigger: "b", above: 1, of: "max" },
  ];
  const feed = (pipeline: FeaturePipeline, from: number, to: number): number[][] =>
    Array.from({ length: to - from }, (_, i) => {
      const into = new Float64Array(pipeline.features);
      pipeline.observe(Float64Array.of(Math.sin(from + i), (from + i) % 3), into);
      return [...into];
    });
  const all = new FeaturePipeline(["a", "b"], [...lifelong, ...others]);
  feed(all, 0, 17);
  all.forgetContext();
  const after = feed(all, 40, 60);
  const fresh = feed(new FeaturePipeline(["a", "b"], others), 40, 60);
  assert.deepEqual(
    after.map((row) => row.slice(2)),
    fresh,
  );
  const first = (Math.sin(0) + Math.sin(1) + Math.sin(2)) / 3;
  assert.deepEqual(
    after.map(([age]) => age),
    Array.from({ length: 20 }, (_, i) => 18 + i),
  );
  assert.ok(Math.abs(after.at(-1)![1]! - ((Math.sin(58) + Math.sin(59)) / 2 - first)) < 1e-12);
});
