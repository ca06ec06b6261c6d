// Goal: what was trained is what is served, bit for bit, and data that teaches nothing is refused with the reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { train } from "../../../../edge/inference/learn/train.ts";
import { onAlertScale } from "../../../../edge/inference/rows/score-scale.ts";
import { RowScorer } from "../../../../edge/inference/rows/row-scorer.ts";
import { RowTable } from "../../../../edge/inference/rows/row-table.ts";
import { StateReader, StateWriter } from "../../../../edge/inference/state.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { pumpMetrics, pumpReadings } from "../../../support/model-package.ts";

const limits = { falseAlarms: 0.001, headroom: 2 };
const values = pumpMetrics.map((input) => ({ kind: "value" as const, input }));
const features = [
  ...values,
  { kind: "mean" as const, input: "vibration", rows: 10 },
  { kind: "ratio" as const, left: "flow", right: "current" },
  { kind: "rms" as const, input: "vibration", rows: 16, everyRows: 4 },
  { kind: "band" as const, input: "vibration", rows: 16, everyRows: 4, low: 0.1, high: 0.3 },
  { kind: "cycle" as const, input: "pressure", trigger: "vibration", above: 2.3, of: "mean" as const },
];

function tableOf(count: number, devices = 1): RowTable {
  const table = new RowTable({ inputs: pumpMetrics, periodMs: 1000, holdRows: 3, gapRows: 5 });
  for (let d = 1; d <= devices; d++) for (const reading of pumpReadings(`pump-${d}`, d, count)) table.take(reading);
  return table;
}

for (const method of ["mspc", "var", "cva"] as const) {
  test(`${method}: normal rows are calm, a worn bearing is far beyond the limit and blamed on what it changes`, () => {
    const trained = train(tableOf(3000), { method, features: values, limits });
    assert.ok(trained.falseAlarmsTested < 0.02, `${trained.falseAlarmsTested} of the tested rows are above the limit`);
    const scorer = new RowScorer(trained.recipe);
    let worst = 0;
    const shares = new Float64Array(pumpMetrics.length);
    for (const { values } of pumpReadings("pump-01", 1, 1000, { startSeconds: 600, seconds: 200 })) {
      const score = scorer.observe(Float64Array.from(pumpMetrics, (metric) => Number(values[metric])));
      if (score <= worst) continue;
      worst = score;
      scorer.contributions(shares);
    }
    assert.ok(worst > 2, `the worst score is ${worst}`);
    const blamed = pumpMetrics[shares.indexOf(Math.max(...shares))];
    assert.ok(blamed !== "flow" && blamed !== "pressure", `${blamed} is blamed, which wear does not change`);
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-9);
  });

  test(`${method}: a restart in mid-stream gives the same scores, bit for bit`, () => {
    const { recipe } = train(tableOf(2000), { method, features, limits });
    const rows = pumpReadings("pump-9", 9, 300).map(({ values }) =>
      Float64Array.from(pumpMetrics, (m) => Number(values[m])),
    );
    rows.forEach((row, r) => r % 13 === 5 && (row[r % 5] = Number.NaN));
    const straight = new RowScorer(recipe);
    let broken = new RowScorer(recipe);
    for (const [r, row] of rows.entries()) {
      if (r % 37 === 20) {
        const to = new StateWriter();
        broken.save(to);
        broken = new RowScorer(recipe);
        broken.load(StateReader.open(to.done())!);
      }
      if (r === 150) for (const scorer of [straight, broken]) scorer.gap();
      assert.equal(broken.observe(row), straight.observe(row), `row ${r}`);
    }
  });
}

test("the last rows teach nothing: a fault there changes neither model nor limits", () => {
  const clean = train(tableOf(2000), { method: "mspc", features: values, limits });
  const table = new RowTable({ inputs: pumpMetrics, periodMs: 1000, holdRows: 3, gapRows: 5 });
  for (const [i, reading] of pumpReadings("pump-1", 1, 2000).entries()) {
    table.take(i < 1700 ? reading : { ...reading, values: { ...reading.values, vibration: 20 } });
  }
  const faulty = train(table, { method: "mspc", features: values, limits });
  assert.deepEqual(faulty.recipe, clean.recipe);
  assert.ok(faulty.falseAlarmsTested > 0.5 && faulty.episodesTested >= 1);
});

test("devices are split each for itself, so that every one is fitted, limited and tested", () => {
  const trained = train(tableOf(1000, 3), { method: "mspc", features: values, limits });
  assert.deepEqual([trained.rowsFitted, trained.rowsForLimits], [3 * 599, 3 * 200]);
});

test("an absurd value is cut: the numbers stay numbers, and the rows after it are judged", () => {
  const { recipe } = train(tableOf(2000), { method: "mspc", features: values, limits });
  const scorer = new RowScorer(recipe);
  const scores = pumpReadings("pump-1", 1, 400).map(({ values }, r) => {
    const row = Float64Array.from(pumpMetrics, (metric) => Number(values[metric]));
    if (r === 100) row[2] = 1e308;
    return scorer.observe(row);
  });
  assert.ok(scores.every(Number.isFinite));
});

const poor: readonly { name: string; table: () => RowTable; says: RegExp }[] = [
  { name: "too few rows", table: () => tableOf(200), says: /199 rows leave/ },
  {
    name: "most metrics missing",
    table: () => {
      const table = new RowTable({
        inputs: [...pumpMetrics, "x1", "x2", "x3", "x4", "x5", "x6"],
        periodMs: 1000,
        holdRows: 3,
        gapRows: 5,
      });
      for (const reading of pumpReadings("pump-1", 1, 2000)) table.take(reading);
      return table;
    },
    says: /leave 0 usable ones/,
  },
];

for (const { name, table, says } of poor) {
  test(`refused: ${name}`, () => {
    const given = table();
    const all = given.shape.inputs.map((input) => ({ kind: "value" as const, input }));
    assert.throws(
      () => train(given, { method: "mspc", features: all, limits }),
      (error) => error instanceof TidegateError && error.code === "TRAINING_DATA" && says.test(error.message),
    );
  });
}

test("scores keep their order on the scale of alerts: limit and clear are where episodes look for them", () => {
  const clear = 0.4;
  assert.ok(Math.abs(onAlertScale(clear, clear) - 0.3) < 1e-12 && Math.abs(onAlertScale(1, clear) - 0.7) < 1e-12);
  const scaled = [0, 0.1, 0.39, 0.4, 0.7, 0.99, 1, 1.5, 10, 1e9].map((score) => onAlertScale(score, clear));
  assert.deepEqual(
    scaled,
    scaled.toSorted((a, b) => a - b),
  );
  assert.ok(scaled.every((score) => score >= 0 && score <= 1));
});

test("inputs of which none follows from the others leave no residual, and no limit is made of rounding", () => {
  let state = 1;
  const random = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  const table = new RowTable({ inputs: ["a", "b"], periodMs: 1000, holdRows: 0, gapRows: 0 });
  for (let i = 0; i < 1000; i++) {
    const values = { a: random(), b: 1000 * random() };
    table.take({ device: "d", timeMicros: i * 1_000_000, values, quality: undefined });
  }
  const ab = ["a", "b"].map((input) => ({ kind: "value" as const, input }));
  const trained = train(table, { method: "mspc", features: ab, limits });
  assert.ok(trained.recipe.model.fitted.limits[1]! >= 1e-9, String(trained.recipe.model.fitted.limits));
  assert.ok(trained.falseAlarmsTested < 0.02);
});
