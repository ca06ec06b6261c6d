import assert from "node:assert/strict";
import { test } from "node:test";
import { ScoreTrace } from "../../../edge/inference/score-trace.ts";
import { Scorer } from "../../../edge/inference/scorer.ts";
import { metricOf, observe, profileOf } from "./observations.ts";

test("the newest 64 scores are kept, oldest first, and asked for from a time on", () => {
  const trace = new ScoreTrace();
  assert.deepEqual(trace.since(-Infinity), []);
  for (let n = 0; n < 100; n++) trace.push(n, n / 128);
  const points = trace.since(-Infinity);
  assert.deepEqual(
    [points.length, points[0], points.at(-1)!.timeMicros],
    [64, { timeMicros: 36, score: 36 / 128 }, 99],
  );
  assert.deepEqual(
    trace.since(97).map(({ timeMicros }) => timeMicros),
    [98, 99],
  );
});

test("the scorer tells the scores of one metric of one device, and none of others", () => {
  const scorer = new Scorer();
  const profile = profileOf(metricOf("m"));
  const start = observe("d", 0, {}).timeMicros;
  for (let second = 0; second < 10; second++) scorer.score(observe("d", second, { m: second % 3 }), profile);
  const points = scorer.recentScores("d", "m", start);
  assert.equal(points.length, 9);
  assert(points.every(({ score }) => score >= 0 && score <= 1));
  assert.deepEqual(scorer.recentScores("d", "other", start), []);
  assert.deepEqual(scorer.recentScores("other", "m", start), []);
});
