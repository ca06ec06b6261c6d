// Goal: features are the same numbers in training and in serving, whatever is missing and whenever it restarts.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FeaturePipeline, type Feature } from "../../../../edge/inference/features/pipeline.ts";
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
