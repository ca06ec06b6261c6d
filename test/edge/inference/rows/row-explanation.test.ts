// Goal: what explains a row is what made it, and the row is scored as it would be live.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openPackage } from "../../../../edge/inference/package/model-package.ts";
import { explainLastRow, featureText } from "../../../../edge/inference/rows/row-explanation.ts";
import { RowScorer } from "../../../../edge/inference/rows/row-scorer.ts";
import { lifeMetrics, lifeOf, lifePackage } from "../../../support/machine-lives.ts";
import { pumpMetrics, pumpPackage, pumpReadings } from "../../../support/model-package.ts";

for (const method of ["mspc", "var", "cva"] as const) {
  test(`${method}: the score is its largest statistic, and wear is blamed on what it changes`, () => {
    const opened = openPackage(pumpPackage({ method }));
    const readings = pumpReadings("pump-01", 1, 600, { startSeconds: 300, seconds: 200 });
    const explained = explainLastRow(opened, readings)!;
    const scorer = new RowScorer(opened.recipe);
    const outputs = readings.map(({ values }) =>
      scorer.observe(Float64Array.from(pumpMetrics, (metric) => Number(values[metric]))),
    );
    assert.equal(explained.output, outputs.at(-1));
    assert.equal(Math.max(...explained.statistics.map(({ ratio }) => ratio)), explained.output);
    assert.ok(explained.output > 1 && !explained.learning && explained.quality === "good" && explained.rows === 600);
    const [first] = explained.inputs.toSorted((a, b) => b.contribution - a.contribution);
    assert.ok(["vibration", "bearingTemperature", "current"].includes(first!.metric), first!.metric);
    assert.equal(first!.value, readings.at(-1)!.values[first!.metric]);
    const sum = explained.features.reduce((total, { contribution }) => total + contribution, 0);
    assert.ok(Math.abs(sum - 1) < 1e-9);
  });
}

test("trees: the base and what the features add are the prediction, to the last row of a life", () => {
  const readings = lifeOf("machine", 555);
  const explained = explainLastRow(openPackage(lifePackage()), readings)!;
  assert.equal(explained.rows, readings.length);
  const sum = explained.features.reduce((total, { contribution }) => total + contribution, explained.base);
  assert.equal(Math.max(0, sum).toFixed(6), explained.output.toFixed(6));
  assert.ok(explained.base > 30 && explained.output < 10, `${explained.base} and ${explained.output}`);
  assert.ok(explained.interval.high! >= explained.output);
  assert.equal(explained.features.find(({ feature }) => feature.kind === "age")!.value, readings.length);
});

test("trees with a label: what is added are log odds", () => {
  const explained = explainLastRow(openPackage(lifePackage("failsSoon")), lifeOf("machine", 555))!;
  const odds = explained.features.reduce((total, { contribution }) => total + contribution, explained.base);
  assert.ok(Math.abs(1 / (1 + Math.exp(-odds)) - explained.output) < 1e-9 && explained.output > 0.8);
});

test("without a row there is nothing to explain, and a first row is one that the model learns from", () => {
  assert.equal(explainLastRow(openPackage(lifePackage()), []), undefined);
  const [first] = pumpReadings("pump-01", 1, 1);
  assert.equal(explainLastRow(openPackage(pumpPackage()), [first!])!.learning, true);
});

test("every kind of feature has words of its own", () => {
  const { features } = openPackage(lifePackage()).manifest;
  const texts = features.map(featureText);
  assert.equal(new Set(texts).size, features.length);
  assert.ok(lifeMetrics.every((metric) => texts.includes(metric)));
});
