// Goal: what is said of a predictor was measured on what it never saw, and data that teaches nothing is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { examplesOf, splitExamples } from "../../../../edge/inference/learn/examples.ts";
import { areaUnderCurve } from "../../../../edge/inference/learn/figures.ts";
import { fitPlatt } from "../../../../edge/inference/learn/platt.ts";
import { trainPredictor } from "../../../../edge/inference/learn/train-predictor.ts";
import { goldenFault } from "../../../../edge/inference/package/golden.ts";
import { intervalAt } from "../../../../edge/inference/package/interval.ts";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { RowScorer } from "../../../../edge/inference/rows/row-scorer.ts";
import { RowTable } from "../../../../edge/inference/rows/row-table.ts";
import { probability } from "../../../../edge/inference/trees/trees.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { seededRandom } from "../../../../src/random.ts";
import {
  lifeCap,
  lifeFeatures,
  lifeMetrics,
  lifeOf,
  lifeOptions,
  lifePackage,
  livesTable,
} from "../../../support/machine-lives.ts";

test("the remaining life of machines that were never seen is told much better than by the mean", () => {
  const { prediction, recipe, golden, range } = trainPredictor(livesTable(40), lifeOptions);
  const { tested, split, devicesTested, rowsFitted, rowsCalibrated } = prediction;
  assert.deepEqual([split, devicesTested, range, rowsFitted], ["device", 8, [0, lifeCap], rowsCalibrated]);
  assert.ok(tested.rmse! < tested.rmseOfMean! / 3, JSON.stringify(tested));
  assert.equal(goldenFault(recipe, golden), undefined);
});

test("the interval holds as many truths as it says, on new machines too", () => {
  const { prediction, recipe } = trainPredictor(livesTable(60), lifeOptions);
  assert.ok(Math.abs(prediction.tested.coverage! - 0.9) < 0.06, `${prediction.tested.coverage}`);
  let [inside, all] = [0, 0];
  for (let seed = 1; seed <= 60; seed++) {
    const scorer = new RowScorer(recipe);
    for (const { values } of lifeOf("new", 77_000 + seed)) {
      const output = scorer.observe(Float64Array.from(lifeMetrics, (metric) => Number(values[metric])));
      const { low = 0, high = Infinity } = intervalAt(prediction.interval!, output);
      const truth = Number(values["remaining"]);
      all++;
      if (truth >= low && truth <= high) inside++;
    }
  }
  assert.ok(Math.abs(inside / all - 0.9) < 0.05, `${inside / all} of ${all}`);
});

test("a label of 0 and 1 becomes a probability that comes true as often as it says", () => {
  const { prediction, recipe } = trainPredictor(livesTable(60, "failsSoon"), { ...lifeOptions, cap: undefined });
  assert.equal(prediction.interval, undefined);
  assert.ok(prediction.tested.rocAuc! > 0.95 && prediction.tested.brier! < prediction.tested.brierOfMean! / 2);
  let [told, true1] = [0, 0];
  for (let seed = 1; seed <= 60; seed++) {
    const scorer = new RowScorer(recipe);
    for (const { values } of lifeOf("new", 88_000 + seed)) {
      told += scorer.observe(Float64Array.from(lifeMetrics, (metric) => Number(values[metric])));
      true1 += Number(values["failsSoon"]);
    }
  }
  assert.ok(Math.abs(told / true1 - 1) < 0.1, `${told} told, ${true1} true`);
});

test("no device is on both sides, and every row but those of the tested devices is held out once", () => {
  const devices = examplesOf(livesTable(13), lifeFeatures, lifeCap);
  const { by, fitted, folds, tested } = splitExamples(devices);
  assert.equal(by, "device");
  assert.deepEqual([...new Set(tested.devices)], ["machine-10", "machine-11", "machine-12"]);
  assert.ok(!fitted.devices.some((device) => tested.devices.includes(device)));
  for (const { learned, held } of folds) assert.ok(!learned.devices.some((device) => held.devices.includes(device)));
  assert.equal(
    folds.reduce((sum, { held }) => sum + held.labels.length, 0),
    fitted.labels.length,
  );
});

test("few devices are split by time: what is tested is later than all that was fitted", () => {
  const devices = examplesOf(livesTable(3), lifeFeatures, lifeCap);
  const { by, fitted, folds, tested } = splitExamples(devices);
  assert.equal(by, "time");
  const ages = ({ rows }: typeof fitted): number[] =>
    Array.from({ length: rows.rows }, (_, r) => rows.data[r * rows.columns]!);
  const oldestOf = (examples: typeof fitted, device: string): number =>
    Math.max(...ages(examples).filter((_, r) => examples.devices[r] === device));
  const youngestOf = (examples: typeof fitted, device: string): number =>
    Math.min(...ages(examples).filter((_, r) => examples.devices[r] === device));
  for (const device of ["machine-0", "machine-1", "machine-2"]) {
    assert.ok(oldestOf(fitted, device) < youngestOf(folds[0]!.held, device));
    assert.ok(oldestOf(folds[0]!.held, device) < youngestOf(tested, device));
  }
});

test("the last row of a life counts, a target that is late or missing teaches nothing, and a gap does not end the life", () => {
  const table = new RowTable({ inputs: lifeMetrics, periodMs: 1000, holdRows: 3, gapRows: 2 }, "remaining");
  const life = lifeOf("machine", 1);
  for (const [i, reading] of life.entries()) {
    if (i >= 20 && i < 30) continue;
    const { remaining: _remaining, ...values } = reading.values;
    table.take(i === 40 ? { ...reading, values } : reading);
  }
  table.end();
  const [examples] = examplesOf(table, lifeFeatures, undefined);
  assert.equal(table.segments.length, 2);
  assert.equal(examples!.length, life.length - 11);
  assert.equal(examples!.at(-1)!.label, 0);
  assert.equal(examples!.at(-1)!.features[0], life.length - 10, "age counts what was seen");
  const labels = examples!.map(({ label }) => label);
  assert.ok(!labels.includes(life.length - 1 - 40) && labels.includes(life.length - 1 - 41));
});

test("the same data and seed give the same package, another seed another one", () => {
  const table = livesTable(12);
  const weights = (seed: number): Uint8Array =>
    trainPredictor(table, { ...lifeOptions, boost: { ...lifeOptions.boost, seed } })
      .recipe.model.files()
      .get("weights.bin")!;
  assert.deepEqual(weights(1), weights(1));
  assert.notDeepEqual(weights(1), weights(2));
});

test("a package of either kind is sound, and says what it predicts", () => {
  assert.equal(openPackage(lifePackage()).manifest.output.kind, "quantity");
  const { manifest, recipe } = openPackage(lifePackage("failsSoon"));
  assert.equal(manifest.output.kind, "probability");
  const scorer = new RowScorer(recipe);
  const output = scorer.observe(Float64Array.from([5, 55]));
  assert.ok(output > 0 && output < 1);
});

const poor: readonly { name: string; table: () => RowTable; says: RegExp }[] = [
  { name: "too few rows", table: () => livesTable(1), says: /rows with a target to fit/ },
  { name: "a target that is not there", table: () => livesTable(12, "wear"), says: /there are 0 rows with a target/ },
  {
    name: "hardly an event",
    table: () => {
      const table = new RowTable({ inputs: lifeMetrics, periodMs: 1000, holdRows: 3, gapRows: 5 }, "event");
      for (let d = 0; d < 12; d++) {
        for (const [i, reading] of lifeOf(`machine-${d}`, d).entries()) {
          table.take({ ...reading, values: { ...reading.values, event: i === 0 && d < 2 ? 1 : 0 } });
        }
      }
      return table;
    },
    says: /2 have the label 1; needed are 20 of either/,
  },
];

for (const { name, table, says } of poor) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => trainPredictor(table(), lifeOptions),
      (error) => error instanceof TidegateError && error.code === "TRAINING_DATA" && says.test(error.message),
    );
  });
}

test("overconfident log odds are drawn back to what is true", () => {
  const random = seededRandom(5);
  const margins = Float64Array.from({ length: 5000 }, () => 8 * random() - 4);
  const labels = margins.map((margin) => Number(random() < probability(0.5 * margin - 0.3)));
  const { slope, offset } = fitPlatt(margins, labels);
  assert.ok(Math.abs(slope - 0.5) < 0.05 && Math.abs(offset + 0.3) < 0.1, `${slope} ${offset}`);
});

test("the area under the curve is 1 in order, 0 in reverse, a half where all are alike", () => {
  const labels = Float64Array.from([0, 0, 1, 1]);
  const area = (...scores: number[]): number => areaUnderCurve(labels, Float64Array.from(scores));
  assert.deepEqual([area(1, 2, 3, 4), area(4, 3, 2, 1), area(1, 1, 1, 1), area(1, 3, 2, 4)], [1, 0, 0.5, 0.75]);
});
