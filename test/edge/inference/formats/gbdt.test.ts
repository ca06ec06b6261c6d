// Goal: trees come out of a package as they went in, damaged ones are refused, and what each feature added is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gbdtFormat, GbdtModel, type Link } from "../../../../edge/inference/formats/gbdt.ts";
import { matrixFrom, rowOf } from "../../../../edge/inference/learn/matrix.ts";
import type { Manifest } from "../../../../edge/inference/package/manifest.ts";
import { boostDefaults, fitTrees } from "../../../../edge/inference/trees/boost.ts";
import { exp } from "../../../../edge/inference/trees/exp.ts";
import type { Trees } from "../../../../edge/inference/trees/trees.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { gaussian, seededRandom } from "../../../../src/random.ts";

const features = ["a", "b", "c"].map((input) => ({ kind: "value" as const, input }));
const range: [number, number] = [0, 8];
const quantity: Manifest["output"] = { kind: "quantity", name: "y", unit: "1", range, meaning: "" };
const probability: Manifest["output"] = { kind: "probability", name: "p", meaning: "" };
const wide: Link = { kind: "range", low: -1e9, high: 1e9 };

/** y = a step of a and 3 b; c says nothing. */
function samples(seed: number, count: number) {
  const random = seededRandom(seed);
  const rows = matrixFrom(Array.from({ length: count }, () => [random(), random(), random()]));
  const labels = Float64Array.from({ length: count }, (_, r) => {
    const [a, b] = rowOf(rows, r);
    return (a! > 0.6 ? 5 : 0) + 3 * b! + 0.1 * gaussian(random);
  });
  return { rows, labels };
}

function fitted(loss: "squared" | "logistic" = "squared", depth = 3): Trees {
  const { rows, labels } = samples(1, 1500);
  const wanted = loss === "squared" ? labels : labels.map((label) => Number(label > 5));
  return fitTrees(rows, wanted, { ...boostDefaults, loss, depth, trees: 30, rate: 0.2, columnShare: 1 });
}

/** As a package of this output would be loaded. */
function load(output: Manifest["output"], bytes: Uint8Array) {
  return gbdtFormat.load({ output, features } as unknown as Manifest, new Map([["weights.bin", bytes]]));
}

function bytesOf(trees: Trees): Uint8Array {
  return new GbdtModel(trees, wide).files().get("weights.bin")!;
}

test("what is loaded gives the same outputs as what was fitted, bit for bit, and the same file again", () => {
  const trees = fitted();
  const loaded = load(quantity, bytesOf(trees));
  assert.deepEqual([...loaded.files()], [...new GbdtModel(trees, wide).files()]);
  const [ours, theirs] = [new GbdtModel(trees, { kind: "range", low: 0, high: 8 }).start(), loaded.start()];
  const { rows } = samples(2, 300);
  for (let r = 0; r < rows.rows; r++) {
    const row = rowOf(rows, r);
    if (r % 5 === 0) row[r % 3] = Number.NaN;
    const output = theirs.observe(row);
    assert.equal(output, ours.observe(row));
    assert.ok(output >= 0 && output <= 8, `${output} is cut to the range`);
  }
});

test("a missing feature makes the output uncertain, most of them missing make it bad", () => {
  const run = load(probability, bytesOf(fitted("logistic"))).start();
  const { NaN: missing } = Number;
  const qualities = [
    [0.1, 0.2, 0.3],
    [0.1, missing, 0.3],
    [missing, missing, 0.3],
  ].map((row) => {
    const output = run.observe(Float64Array.from(row));
    assert.ok(output > 0 && output < 1);
    return run.quality;
  });
  assert.deepEqual(qualities, ["good", "uncertain", "bad"]);
});

test("what the features add makes the output less the base, and is that of those that matter", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1, max: 6 }), fc.boolean(), (seed, depth, isMissing) => {
      const model = new GbdtModel(fitted("squared", depth), wide);
      const run = model.start();
      const row = rowOf(samples(seed, 1).rows, 0);
      if (isMissing) row[1] = Number.NaN;
      const output = run.observe(row);
      const added = new Float64Array(3);
      run.contributions(added);
      const sum = added.reduce((total, part) => total + part, model.base);
      assert.ok(Math.abs(sum - output) < 1e-9, `${sum} and ${output}`);
      if (Math.abs(row[0]! - 0.6) > 0.05) assert.equal(added[0]! > 0, row[0]! > 0.6);
      assert.ok(Math.abs(added[2]!) < 0.5, `c says nothing and adds ${added[2]}`);
    }),
    { numRuns: 60 },
  );
});

test("the base is the mean of the labels, as the trees see it", () => {
  const { labels } = samples(1, 1500);
  const mean = labels.reduce((sum, label) => sum + label, 0) / labels.length;
  assert.ok(Math.abs(new GbdtModel(fitted(), wide).base - mean) < 0.2);
});

const damages: readonly { name: string; damage: (view: DataView, bytes: Uint8Array) => Uint8Array; says: RegExp }[] = [
  { name: "another file", damage: (view, bytes) => (view.setUint32(0, 7), bytes), says: /holds no trees/ },
  { name: "nothing", damage: () => new Uint8Array(), says: /holds no trees/ },
  { name: "a later version", damage: (view, bytes) => (view.setUint8(4, 2), bytes), says: /version 2/ },
  { name: "a depth of 30", damage: (view, bytes) => (view.setUint8(5, 30), bytes), says: /30 deep/ },
  { name: "4 billion trees", damage: (view, bytes) => (view.setUint32(8, 2 ** 32 - 1), bytes), says: /1 to 2000/ },
  { name: "one tree more", damage: (view, bytes) => (view.setUint32(8, 31, true), bytes), says: /its head says/ },
  { name: "a torn end", damage: (_, bytes) => bytes.subarray(0, -1), says: /its head says/ },
  { name: "other features", damage: (view, bytes) => (view.setUint16(6, 4, true), bytes), says: /4 features instead/ },
  {
    name: "a feature that is none",
    damage: (view, bytes) => (view.setUint16(bytes.length - 2, 3, true), bytes),
    says: /feature 3 of 3/,
  },
  { name: "a base of NaN", damage: (view, bytes) => (view.setFloat64(12, Number.NaN, true), bytes), says: /no number/ },
  {
    name: "a threshold of NaN",
    damage: (view, bytes) => (view.setFloat64(20, Number.NaN, true), bytes),
    says: /threshold/,
  },
];

for (const { name, damage, says } of damages) {
  test(`refused: ${name}`, () => {
    const bytes = Uint8Array.from(bytesOf(fitted()));
    assert.throws(
      () => load(quantity, damage(new DataView(bytes.buffer), bytes)),
      (error) =>
        (error instanceof RangeError || (error instanceof TidegateError && error.code === "MODEL_INVALID")) &&
        says.test(error.message),
    );
  });
}

test("the exponential is that of the machine down to the last bit or the one before", () => {
  fc.assert(
    fc.property(fc.double({ min: -700, max: 700, noNaN: true }), (x) => {
      assert.ok(Math.abs(exp(x) - Math.exp(x)) <= Math.exp(x) * Number.EPSILON, `${x}`);
    }),
    { numRuns: 2000 },
  );
  assert.deepEqual([exp(0), exp(-1e9), exp(1e9)], [1, exp(-700), exp(700)]);
  assert.ok(Number.isNaN(exp(Number.NaN)));
});
