// Goal: the table of the models cannot flatter: the scorer follows the published formulas, and unknown input is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bestScore,
  probationRows,
  profiles,
  rawScore,
  scoreAt,
  type ScoredSeries,
} from "./bench/models/nab/scoring.ts";
import { windowedGaussian } from "./bench/models/nab/windowed-gaussian.ts";
import { isMet, tableOf } from "./bench/models/result.ts";

const [standard, lowFalse] = profiles;

/** Alarms and windows at rows of a series of 1,000 rows, whose first 150 are probation. */
function scored(
  alarms: Readonly<Record<number, number>>,
  windows: readonly (readonly [number, number])[],
): ScoredSeries {
  const values = new Float64Array(1000);
  const scores = values.map((_, i) => alarms[i] ?? 0);
  const series = {
    name: "a",
    values,
    timesMicros: values,
    windows: windows.map(([first, last]) => ({ first, last })),
  };
  return { series, scores };
}

const half = 0.8482836399575131 / 0.9866142981514305;
const cases = [
  { name: "silence misses every window", alarms: {}, windows: [[200, 201]], raw: -1 },
  { name: "the left edge of a window is worth 1", alarms: { 200: 1 }, windows: [[200, 201]], raw: 1 },
  {
    name: "the middle of a window of two is worth σ(-0.5)/σ(-1)",
    alarms: { 201: 1 },
    windows: [[200, 201]],
    raw: half,
  },
  { name: "only the earliest alarm of a window counts", alarms: { 200: 1, 201: 1 }, windows: [[200, 201]], raw: 1 },
  {
    name: "one found, one missed",
    alarms: { 201: 1 },
    windows: [
      [200, 201],
      [300, 301],
    ],
    raw: half - 1,
  },
  { name: "an alarm before all windows costs its whole weight", alarms: { 180: 1 }, windows: [], raw: -0.11 },
  { name: "alarms of the probation count nothing", alarms: { 149: 1 }, windows: [], raw: 0 },
  {
    name: "an alarm one width after a window costs σ(1)",
    alarms: { 200: 1, 312: 1 },
    windows: [[200, 256]],
    raw: 1 - 0.11 * 0.9866142981514305,
  },
  { name: "an alarm far after a window costs all", alarms: { 200: 1, 900: 1 }, windows: [[200, 210]], raw: 1 - 0.11 },
] as const;
for (const { name, alarms, windows, raw } of cases) {
  test(`NAB: ${name}`, () => {
    assert(Math.abs(rawScore(scored(alarms, windows), standard, 0.5) - raw) < 1e-12);
  });
}

test("NAB: the threshold is the best one of the corpus, and silence is 0", () => {
  const corpus = [scored({ 200: 0.9, 700: 0.6, 800: 0.2 }, [[200, 201]]), scored({ 400: 0.5, 500: 0.5 }, [[400, 410]])];
  const best = bestScore(corpus, standard);
  assert.deepEqual([best.threshold, best.found, best.falseAlarms], [0.5, 2, 2]);
  assert.equal(scoreAt(corpus, standard, 0.5).score, best.score);
  assert.equal(scoreAt(corpus, standard, 2).score, 0);
  assert(bestScore(corpus, lowFalse).score < best.score);
  assert.deepEqual([probationRows(1000), probationRows(22_000)], [150, 750]);
});

test("NAB: the windowed Gaussian has the tails of a Gaussian", () => {
  const scores = windowedGaussian(Float64Array.from([-1, 1, 2, -4.5]));
  assert.equal(scores[0], 0);
  // Mean 0 and deviation 1 after two values: P(Z ≤ 2) from tables.
  assert(Math.abs(scores[2]! - 0.977249868051821) < 1e-14);
});

test("a goal is met at its limit and missed beyond, and the table says so", () => {
  assert(isMet({ label: "a", value: 1, atLeast: 1 }));
  assert(!isMet({ label: "a", value: 1.01, atMost: 1 }));
  assert(!isMet({ label: "a", value: Number.NaN, atMost: 1 }));
  const text = tableOf({
    dataSet: "Set",
    protocol: "P",
    tuning: "nothing",
    columns: [{ key: "f", label: "F1", digits: 2 }],
    rows: [{ method: "always", values: { f: 0.7 } }],
    goals: [{ label: "F1", value: 0.7, atLeast: 0.84 }],
  });
  assert.match(text, /always {2}0\.70\n {2}goal: F1 0\.700, ≥ 0\.84: MISSED$/);
});
