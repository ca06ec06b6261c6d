// Goal: what is normal in one regime is a fault in another; a change of regime and an unknown one raise nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fitMspc } from "../../../edge/inference/learn/fit-rows.ts";
import { fitRegimes } from "../../../edge/inference/learn/fit-regimes.ts";
import { RegimeDetector, type RegimeRow } from "../../../edge/inference/regime-detector.ts";
import { StateReader, StateWriter } from "../../../edge/inference/state.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";

/** Speed, current and temperature of a drive that runs at 20 or at 80 for 100 rows each. */
function rows(seed: number, count: number): RegimeRow[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const regime = Math.floor(i / 100) % 2 === 0 ? "slow" : "fast";
    const speed = (regime === "slow" ? 20 : 80) + gaussian(random);
    const row = [speed, speed / 4 + 0.1 * gaussian(random), 30 + speed / 2 + 0.1 * gaussian(random)];
    return { regime, row: Float64Array.from(row) };
  });
}

const models = fitRegimes(rows(1, 4000), (normal) => fitMspc(normal), { falseAlarms: 0.01, headroom: 1.5 });

function alarms(detector: RegimeDetector, series: readonly RegimeRow[]): number {
  return series.filter((row) => detector.observe(row) > 1).length;
}

test("normal rows of both regimes raise next to nothing, also where the regime changes", () => {
  assert(alarms(new RegimeDetector(models), rows(2, 4000)) < 40);
});

test("the rows of one regime are a fault in the other", () => {
  const swapped = rows(3, 400).map(({ regime, row }) => ({ regime: regime === "slow" ? "fast" : "slow", row }));
  // After each change it settles for 20 rows.
  assert.equal(alarms(new RegimeDetector(models), swapped), 4 * 80);
});

test("a regime that was never learned, or too rarely, gives no score and bad quality", () => {
  const detector = new RegimeDetector(models);
  alarms(detector, rows(4, 50));
  assert.equal(detector.quality, "good");
  assert.equal(detector.observe({ regime: "cleaning", row: Float64Array.of(1e9, 0, 0) }), 0);
  assert.equal(detector.quality, "bad");
  assert(detector.learning);
  const rare = [...rows(5, 400), { regime: "rare", row: Float64Array.of(1, 2, 3) }];
  const few = fitRegimes(rare, (normal) => fitMspc(normal), { falseAlarms: 0.01, headroom: 1 });
  assert.deepEqual([...few.keys()], ["slow", "fast"]);
});

test("a restart anywhere, in an unknown regime too, continues bit for bit", () => {
  const series = rows(6, 300).map((row, i) => (i > 240 && i < 260 ? { ...row, regime: "unknown" } : row));
  const whole = new RegimeDetector(models);
  const expected = series.map((row) => whole.observe(row));
  for (let cut = 0; cut < 300; cut += 7) {
    const before = new RegimeDetector(models);
    for (const row of series.slice(0, cut)) before.observe(row);
    const to = new StateWriter();
    before.save(to);
    const after = new RegimeDetector(models);
    after.load(StateReader.open(to.done())!);
    assert.deepEqual(
      series.slice(cut).map((row) => after.observe(row)),
      expected.slice(cut),
      `cut at ${cut}`,
    );
  }
});
