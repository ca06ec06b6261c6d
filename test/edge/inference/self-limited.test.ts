// Goal: any detector gets a limit from its own stream: 1 is at the limit in whatever unit it scores, also after a restart.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FittedDetector } from "../../../edge/inference/fitted-detector.ts";
import { fitMspc, withLimits } from "../../../edge/inference/learn/fit-rows.ts";
import { matrixFrom, rowOf, rowsOf, type Matrix } from "../../../edge/inference/learn/matrix.ts";
import { SelfLimited } from "../../../edge/inference/self-limited.ts";
import { spotDefaults } from "../../../edge/inference/spot.ts";
import { StateReader, StateWriter } from "../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";

const settings = { ...spotDefaults, risk: 0.001 };

function rows(seed: number, count: number): Matrix {
  const random = seededRandom(seed);
  return matrixFrom(
    Array.from({ length: count }, () => {
      const cause = gaussian(random);
      return [cause + 0.3 * gaussian(random), 2 * cause + 0.3 * gaussian(random), gaussian(random)];
    }),
  );
}

/** A model whose own limits are wrong by `factor`: the stream has to find the right one. */
function detector(factor: number): SelfLimited<Float64Array> {
  const training = rows(1, 1000);
  const model = withLimits(fitMspc(training), training, { falseAlarms: 0.01, headroom: factor });
  return new SelfLimited(new FittedDetector(model), settings);
}

function scoresOf(by: SelfLimited<Float64Array>, matrix: Matrix): Float64Array {
  return Float64Array.from({ length: matrix.rows }, (_, r) => by.observe(rowOf(matrix, r), r, true));
}

test("normal rows are above the limit as rarely as was asked for, and a broken relation always", () => {
  const scores = scoresOf(detector(1), rows(2, 40_000));
  const alarms = scores.filter((score) => score > 1).length;
  assert(alarms > 10 && alarms < 100, `${alarms}`);
  assert(scores.subarray(0, 1000).every((score) => score === 0));
  const broken = detector(1);
  scoresOf(broken, rows(2, 4000));
  assert(broken.observe(Float64Array.of(3, -6, 0), 0, true) > 1);
  const shares = new Float64Array(3);
  broken.contributions(shares);
  assert(shares[2]! < shares[0]! && shares[2]! < shares[1]!);
});

test("the unit of the detector's own score does not matter", () => {
  const matrix = rows(3, 5000);
  assert.deepEqual(scoresOf(detector(8), matrix), scoresOf(detector(1), matrix));
});

test("a row of poor quality is not learned from, and a restart continues bit for bit", () => {
  const matrix = rows(4, 3000);
  const [first, rest] = [rowsOf(matrix, 0, 1400), rowsOf(matrix, 1400, 3000)];
  const whole = detector(1);
  scoresOf(whole, first);
  const to = new StateWriter();
  whole.save(to);
  const bytes = to.done();
  const after = detector(1);
  after.load(StateReader.open(bytes)!);
  const expected = scoresOf(whole, rest);
  assert.deepEqual(scoresOf(after, rest), expected);

  const disturbed = detector(1);
  disturbed.load(StateReader.open(bytes)!);
  for (let i = 0; i < 500; i++) disturbed.observe(Float64Array.of(Number.NaN, 40, 40), i, true);
  assert.equal(disturbed.quality, "uncertain");
  assert(disturbed.observe(Float64Array.of(3, -6, 0), 0, true) > 1);
});
