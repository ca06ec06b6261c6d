// Goal: boosted trees learn what is there, the same each time, and score as they were grown.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { matrixFrom, matrixOf, rowOf } from "../../../../edge/inference/learn/matrix.ts";
import { fitIntervals, intervalOf } from "../../../../edge/inference/learn/conformal.ts";
import { boostDefaults, fitTrees } from "../../../../edge/inference/trees/boost.ts";
import { predict, probability, type Trees } from "../../../../edge/inference/trees/trees.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const small = { ...boostDefaults, trees: 101, rate: 0.1, columnShare: 1 };

/** y = step + product of two inputs + noise; the third input says nothing. */
function samples(seed: number, count: number) {
  const random = seededRandom(seed);
  const rows = Array.from({ length: count }, () => [random(), random(), random()]);
  const labels = Float64Array.from(rows, ([a, b]) => (a! > 0.6 ? 5 : 0) + 4 * a! * b! + 0.1 * gaussian(random));
  return { rows: matrixFrom(rows), labels };
}

function errorOf(trees: Trees, { rows, labels }: ReturnType<typeof samples>): number {
  const squares = labels.map((label, r) => (label - predict(trees, rowOf(rows, r))) ** 2);
  return Math.sqrt(squares.reduce((a, b) => a + b) / labels.length);
}

test("a step and a product are learned nearly down to the noise, on rows that were not seen", () => {
  const error = errorOf(fitTrees(samples(1, 4000).rows, samples(1, 4000).labels, small), samples(2, 1000));
  assert(error < 0.2, `${error}`);
});

test("the leaf of a single whole tree is the mean label of its rows", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 5 }), (seed, depth) => {
      const { rows, labels } = samples(seed, 300);
      const whole = { trees: 1, rate: 1, rowShare: 1, columnShare: 1, regularisation: 0 };
      const tree = fitTrees(rows, labels, { ...small, ...whole, depth });
      const leaves = Map.groupBy(labels.keys(), (r) => predict(tree, rowOf(rows, r)));
      assert(leaves.size > 1);
      for (const [value, members] of leaves) {
        const mean = members.reduce((sum, r) => sum + labels[r]!, 0) / members.length;
        assert(Math.abs(value - mean) < 1e-9 && members.length >= small.leafRowsMin, `${value}, ${mean}`);
      }
    }),
    { numRuns: 30 },
  );
});

test("the same seed gives the same trees, another one gives others", () => {
  const { rows, labels } = samples(3, 500);
  assert.deepEqual(fitTrees(rows, labels, small), fitTrees(rows, labels, small));
  assert.notDeepEqual(fitTrees(rows, labels, { ...small, seed: 2 }).leaves, fitTrees(rows, labels, small).leaves);
});

test("trees do not care for the unit of an input", () => {
  const { rows, labels } = samples(4, 500);
  const other = { ...rows, data: rows.data.map((x, i) => (i % 3 === 1 ? x * 1024 : x)) };
  const predictions = (trees: Trees, of: typeof rows): number[] =>
    Array.from(labels, (_, r) => predict(trees, rowOf(of, r)));
  assert.deepEqual(
    predictions(fitTrees(other, labels, small), other),
    predictions(fitTrees(rows, labels, small), rows),
  );
});

test("walking four trees at a time gives what walking one after the other gives, bit for bit", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 6 }), (seed, count, depth) => {
      const { rows, labels } = samples(seed, 200);
      const trees = fitTrees(rows, labels, { ...small, trees: count, depth, leafRowsMin: 3 });
      for (let r = 0; r < 20; r++) assert.equal(predict(trees, rowOf(rows, r)), slowly(trees, rowOf(rows, r)));
    }),
    { numRuns: 30 },
  );
});

function slowly({ depth, count, features, thresholds, leaves, base }: Trees, row: Float64Array): number {
  const inner = 2 ** depth - 1;
  let sum = base;
  for (let tree = 0; tree < count; tree++) {
    let node = 0;
    while (node < inner) {
      const right = row[features[tree * inner + node]!]! > thresholds[tree * inner + node]!;
      node = 2 * node + (right ? 2 : 1);
    }
    sum += leaves[tree * (inner + 1) + node - inner]!;
  }
  return sum;
}

test("missing inputs are learned from, and asked for, in the same way", () => {
  const { rows, labels } = samples(5, 4000);
  // What is missing is telling: it is so where the label is large.
  for (let r = 0; r < 4000; r++) if (labels[r]! > 4) rowOf(rows, r)[2] = Number.NaN;
  const trees = fitTrees(rows, labels, small);
  const probe = (third: number): number => predict(trees, Float64Array.from([0.6, 0.5, third]));
  assert(probe(Number.NaN) > probe(0.5) + 1);
});

test("probabilities of a label are calibrated where the data are enough", () => {
  const random = seededRandom(6);
  const rows = matrixFrom(Array.from({ length: 8000 }, () => [random()]));
  const labels = Float64Array.from({ length: 8000 }, (_, r) => (random() < 0.2 + 0.6 * rowOf(rows, r)[0]! ? 1 : 0));
  const trees = fitTrees(rows, labels, { ...small, loss: "logistic", leafRowsMin: 200 });
  for (const x of [0.1, 0.5, 0.9]) {
    const p = probability(predict(trees, Float64Array.from([x])));
    assert(Math.abs(p - (0.2 + 0.6 * x)) < 0.08, `${x}: ${p}`);
  }
});

test("labels that never differ, and a single row, give the label", () => {
  const constant = fitTrees(matrixOf(50, 2), new Float64Array(50).fill(7), small);
  assert.equal(predict(constant, Float64Array.from([1, 2])), 7);
  assert.equal(predict(fitTrees(matrixOf(1, 1), Float64Array.of(3), small), Float64Array.of(0)), 3);
  assert.throws(() => fitTrees(matrixOf(0, 1), new Float64Array(0), small), RangeError);
});

test("intervals hold new truths as often as they say, also where the error depends on the prediction", () => {
  const random = seededRandom(7);
  const draw = (count: number) => {
    const predictions = Float64Array.from({ length: count }, () => 100 * random());
    return { predictions, truths: predictions.map((p) => p + (0.02 * p + 1) * gaussian(random)) };
  };
  const fitted = draw(5000);
  const options = { coverage: 0.9, ranges: 8, bounds: [-Infinity, Infinity] } as const;
  const intervals = fitIntervals(fitted.predictions, fitted.truths, options);
  const { predictions, truths } = draw(20_000);
  const inside = truths.filter((truth, i) => {
    const [low, high] = intervalOf(intervals, predictions[i]!);
    return truth >= low && truth <= high;
  });
  assert(Math.abs(inside.length / 20_000 - 0.9) < 0.015, `${inside.length / 20_000}`);
  const width = (p: number): number => intervalOf(intervals, p)[1] - intervalOf(intervals, p)[0];
  assert(width(95) > 2 * width(5));
});

test("too few errors for a tail give an interval without an end, not a wrong one", () => {
  const intervals = fitIntervals(Float64Array.of(1, 2, 3), Float64Array.of(1, 2, 3), {
    coverage: 0.9,
    ranges: 4,
    bounds: [-Infinity, Infinity],
  });
  assert.deepEqual(intervalOf(intervals, 2), [-Infinity, Infinity]);
});
