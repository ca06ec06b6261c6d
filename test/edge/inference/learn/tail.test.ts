// Goal: a limit is exceeded about as often as it says, also where the rows are too few to have shown it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tailQuantile } from "../../../../edge/inference/learn/tail.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const draws = [
  { name: "uniform", draw: (random: () => number) => random(), exact: 0.999 },
  { name: "exponential", draw: (random: () => number) => -Math.log(1 - random()), exact: Math.log(1000) },
  { name: "squared Gaussian", draw: (random: () => number) => gaussian(random) ** 2, exact: 10.83 },
  { name: "heavy (Pareto)", draw: (random: () => number) => (1 - random()) ** -0.25, exact: 1000 ** 0.25 },
];
for (const { name, draw, exact } of draws) {
  test(`${name}: 400 values give the value of one in a thousand, on average within a tenth`, () => {
    const random = seededRandom(11);
    let sum = 0;
    for (let round = 0; round < 200; round++) {
      sum += tailQuantile(
        Float64Array.from({ length: 400 }, () => draw(random)),
        0.001,
      );
    }
    assert(Math.abs(sum / 200 / exact - 1) < 0.1, `${sum / 200} instead of ${exact}`);
  });
}

test("where the values are enough it is their own quantile, and where they are hardly any, too", () => {
  const values = Float64Array.from({ length: 1000 }, (_, i) => i);
  assert.equal(tailQuantile(values, 0.1), 899.1);
  assert(Math.abs(tailQuantile(Float64Array.of(1, 2, 3), 0.01) - 2.98) < 1e-12);
  assert.equal(tailQuantile(new Float64Array(500).fill(3), 0.0001), 3);
  const steps = Float64Array.from({ length: 500 }, (_, i) => (i < 460 ? 1 : 5));
  assert.equal(tailQuantile(steps, 0.0001), 5);
});
