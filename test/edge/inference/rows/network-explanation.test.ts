// Goal: what explains a network's row is what the network itself does with it, in a bounded number of questions. Method: a
// thread that answers with the mean of what it is asked, of which every contribution is known; and one that fails.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { NetworkModel, type NetworkReading } from "../../../../edge/inference/formats/network.ts";
import { networkLimits } from "../../../../edge/inference/networks/network-thread.ts";
import { RemoteNetwork } from "../../../../edge/inference/networks/remote-network.ts";
import { openPackage, type ModelPackage } from "../../../../edge/inference/package/model-package.ts";
import { explainNetworkRow } from "../../../../edge/inference/rows/network-explanation.ts";
import { pumpMetrics, pumpPackage, pumpReadings } from "../../../support/model-package.ts";
import { fakeProgram, faults } from "../../../support/networks/fake-network.ts";

const means = [57, 5, 29, 2.2, 48];
const deviations = [2, 0.2, 1.2, 0.3, 2];
const plain = openPackage(pumpPackage());
const readings = pumpReadings("pump-01", 1, 600, { startSeconds: 300, seconds: 200 });
const last = readings.at(-1)!;
const scaled = pumpMetrics.map((metric, i) => Math.fround((Number(last.values[metric]) - means[i]!) / deviations[i]!));

type Opened = Pick<ModelPackage, "manifest" | "recipe"> & { readonly asked: number[] };

async function opened(
  t: TestContext,
  answer: NetworkReading["answer"],
  features = plain.manifest.features,
): Promise<Opened> {
  const outputs = answer.kind === "reconstruction" ? features.length : 1;
  const network = { format: "onnx", files: {}, inputShape: [features.length], outputs } as const;
  const reading = {
    input: [features.length],
    means: features.map((_, f) => means[f % 5]!),
    deviations: features.map((_, f) => deviations[f % 5]!),
    answer,
  };
  const model = new NetworkModel(network, reading, { kind: "score", low: -Infinity, high: Infinity }, 0);
  const remote = await RemoteNetwork.open(network, { ...networkLimits, batchMsMax: 500, faultsMax: 1 }, fakeProgram);
  t.after(() => remote.close());
  const asked: number[] = [];
  const answerOf = remote.answer.bind(remote);
  remote.answer = (rows) => {
    asked.push(rows.length);
    return answerOf(rows);
  };
  model.remote = remote;
  return { manifest: plain.manifest, recipe: { ...plain.recipe, features, model }, asked };
}

const near = (value: number, wanted: number): void =>
  assert.ok(Math.abs(value - wanted) < 1e-4 * (1 + Math.abs(wanted)), `${value} and ${wanted}`);

test("a reconstruction: the share of each metric in the error of its answer, from one question", async (t) => {
  const given = await opened(t, { kind: "reconstruction", limit: 4 });
  const explained = (await explainNetworkRow(given, readings))!;
  const mean = scaled.reduce((sum, value) => sum + value, 0) / 5;
  const errors = scaled.map((value) => (value - mean) ** 2);
  const total = errors.reduce((sum, value) => sum + value, 0);
  near(explained.output, total / 5 / 4);
  for (const [i, { metric, value, contribution }] of explained.inputs.entries()) {
    assert.deepEqual([metric, value], [pumpMetrics[i], last.values[metric]]);
    near(contribution, errors[i]! / total);
  }
  assert.deepEqual(given.asked, [1]);
});

test("a value: what each metric adds to a row of means, from two questions per metric and two more", async (t) => {
  const given = await opened(t, { kind: "value", scale: 10, offset: 3 });
  const explained = (await explainNetworkRow(given, readings))!;
  assert.equal(explained.base, 3);
  near(explained.output, 3 + 2 * scaled.reduce((sum, value) => sum + value, 0));
  for (const [i, { contribution }] of explained.inputs.entries()) near(contribution, 2 * scaled[i]!);
  assert.deepEqual(given.asked, [12]);
});

test("all features of a metric are looked at together, and the age is by itself", async (t) => {
  const values = pumpMetrics.map((input) => ({ kind: "value" as const, input }));
  const features = [...values, ...values, { kind: "age" as const }];
  const given = await opened(t, { kind: "value", scale: 11, offset: 0 }, features);
  const explained = (await explainNetworkRow(given, readings))!;
  assert.deepEqual(
    explained.inputs.map(({ metric }) => metric),
    [...pumpMetrics, "age"],
  );
  for (const [i, metric] of pumpMetrics.entries())
    near(explained.inputs[i]!.contribution, 2 * scaled[pumpMetrics.indexOf(metric)]!);
  near(explained.inputs[5]!.contribution, Math.min(100, (600 - means[0]!) / deviations[0]!));
  assert.deepEqual(given.asked, [14]);
});

test("a network that hangs over the row ends in its time, and nothing is made up", async (t) => {
  const given = await opened(t, { kind: "value", scale: 1, offset: 0 });
  const flow = means[0]! + faults.hang * deviations[0]!;
  const row = { ...last, timeMicros: last.timeMicros + 1_000_000, values: { ...last.values, flow } };
  await assert.rejects(explainNetworkRow(given, [...readings, row]), {
    code: "MODEL_INVALID",
    message: /no answer: .*500 ms/,
  });
});

test("where too much is missing it is not asked, and the row is bad", async (t) => {
  const given = await opened(t, { kind: "value", scale: 1, offset: 0 });
  const blind = readings.map((reading) => ({ ...reading, values: { flow: 57, pressure: 5 } }));
  const explained = (await explainNetworkRow(given, blind))!;
  assert.deepEqual(
    [explained.quality, explained.learning, explained.output, given.asked.length],
    ["bad", false, Number.NaN, 0],
  );
  assert.equal(await explainNetworkRow(given, []), undefined);
});
