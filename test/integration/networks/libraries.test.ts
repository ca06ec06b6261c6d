// Goal: the real libraries answer as the arithmetic says, the same in any batch, and refuse what is unsound; nobody else is harmed.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { pumpNetworkFolder, signedBy } from "../../../demo/networks/pump-network.ts";
import { find } from "../../../edge/inference/networks/libraries/library.ts";
import { networkLimits } from "../../../edge/inference/networks/network-thread.ts";
import type { Network } from "../../../edge/inference/networks/network.ts";
import { RemoteNetwork } from "../../../edge/inference/networks/remote-network.ts";
import { NetworkModel } from "../../../edge/inference/formats/network.ts";
import { bringUp, closeModel, makeNetworkGolden, prove } from "../../../edge/inference/package/bring-up.ts";
import { makePackage, openPackage } from "../../../edge/inference/package/model-package.ts";
import { readPackage } from "../../../edge/inference/store/files.ts";
import { readPublicKey } from "../../../edge/inference/store/keys.ts";
import { LiveModels } from "../../../edge/inference/store/live-models.ts";
import { ModelStore, verifyPackage } from "../../../edge/inference/store/model-store.ts";
import { TidegateError } from "../../../src/errors.ts";
import { makeSigner, signed } from "../../support/model-package.ts";
import { networkPackage } from "../../support/networks/network-package.ts";
import { denseAnswer, denseLayers, denseNetwork } from "../../support/networks/networks.ts";
import { attribute, floats, node, onnx, port } from "../../support/networks/onnx-writer.ts";
import { temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";

const formats = ["onnx", "tfjs-layers", "tfjs-graph"] as const;
const sizes = [64, 32, 16, 1];
const lab = makeSigner("lab");
const trusted = [lab.trusted];

async function open(t: TestContext, network: Network, limits = networkLimits): Promise<RemoteNetwork> {
  const remote = await RemoteNetwork.open(network, limits);
  t.after(() => remote.close());
  return remote;
}

const isInvalid = (says: RegExp) => (error: unknown) =>
  error instanceof TidegateError && error.code === "MODEL_INVALID" && says.test(error.message);

for (const format of formats) {
  test(`${format}: answers are those of the arithmetic, the same bits alone and in any batch`, async (t) => {
    const remote = await open(t, denseNetwork(format, sizes));
    const layers = denseLayers(sizes);
    const rows = Array.from({ length: 700 }, (_, r) =>
      Float32Array.from({ length: 64 }, (_, i) => Math.sin(r * 64 + i)),
    );
    const together = await remote.answer(rows);
    for (const [r, row] of rows.entries()) {
      assert.ok(Math.abs(together![r]![0]! - denseAnswer([...row], layers)[0]!) < 1e-5, `row ${r}`);
      if (r < 50) assert.deepEqual(await remote.answer([row]), [together![r]]);
    }
    assert.deepEqual((await remote.answer(rows.slice(13, 300)))?.at(-1), together![299]);
    assert.equal(typeof (await remote.rehearse(rows)), "object");
  });

  test(`${format}: a package is verified, imported and live; a damaged one leaves it so`, async (t) => {
    const store = new ModelStore(temporaryFolder(t));
    store.import(signed(networkPackage(format), lab.privateKey), trusted);
    store.promote("pump-net", undefined, trusted);
    const seen: string[] = [];
    const live = new LiveModels(store, trusted, ["pump-net"], {
      deploy: (_name, stage, model) => {
        t.after(() => model?.recipe.model.remote?.close());
        seen.push(`${stage} ${model?.version}`);
      },
      report: (_name, _stage, message) => seen.push(message),
      refused: () => undefined,
    });
    await live.look();
    assert.deepEqual(seen, ["live 1.0.0", "model pump-net 1.0.0 is live."]);
    const network = denseNetwork(format, [5, 8, 3, 5]);
    const [name, content] = Object.entries(network.files).at(-1)!;
    const short = { ...network, files: { ...network.files, [name]: content.subarray(0, content.length / 2) } };
    const damaged = signed(networkPackage(format, { version: "1.1.0", network: short }), lab.privateKey);
    await assert.rejects(async () => prove(verifyPackage(damaged, trusted)), isInvalid(/./));
    assert.deepEqual([store.versions("pump-net"), await store.live("pump-net")], [["1.0.0"], { live: "1.0.0" }]);
  });

  test(`${format}: other weights do not give the golden outputs, and weights that are no numbers give none`, async () => {
    const other = denseNetwork(format, [5, 8, 3, 5], denseLayers([5, 8, 3, 5], 2));
    await assert.rejects(
      prove(verifyPackage(signed(networkPackage(format, { network: other }), lab.privateKey), trusted)),
      isInvalid(/golden.json: row 0 gives [\d.]+ instead of [\d.]+/),
    );
    const layers = denseLayers([5, 8, 3, 5]);
    layers[2]!.bias[0] = Number.NaN;
    const broken = denseNetwork(format, [5, 8, 3, 5], layers);
    await assert.rejects(
      prove(verifyPackage(signed(networkPackage(format, { network: broken }), lab.privateKey), trusted)),
      isInvalid(/golden.json: row 0 gives NaN/),
    );
  });
}

test("windows: a convolution over time and a recurrent network are taken, and give the same bits in any batch", async (t) => {
  const weights = (count: number, every = 7): number[] =>
    Array.from({ length: count }, (_, i) => ((i * 37) % every) / every - 0.4);
  const convolution = onnx({
    nodes: [
      node("Conv", ["x", "k"], ["c"], attribute("kernel_shape", [3])),
      node("Relu", ["c"], ["r"]),
      node("GlobalAveragePool", ["r"], ["p"]),
      node("Flatten", ["p"], ["f"]),
      node("Gemm", ["f", "w"], ["y"]),
    ],
    initializers: [floats("k", [4, 2, 3], weights(24)), floats("w", [4, 1], weights(4))],
    inputs: [port("x", [-1, 2, 10])],
    outputs: [port("y", [-1, 1])],
  });
  const topology = {
    class_name: "Sequential",
    config: {
      name: "test",
      layers: [
        {
          class_name: "LSTM",
          config: { name: "l", units: 3, batch_input_shape: [null, 10, 2], dtype: "float32", return_sequences: false },
        },
        { class_name: "Dense", config: { name: "d", units: 1 } },
      ],
    },
  };
  const specs = [
    { name: "l/kernel", shape: [2, 12], dtype: "float32" },
    { name: "l/recurrent_kernel", shape: [3, 12], dtype: "float32" },
    { name: "l/bias", shape: [12], dtype: "float32" },
    { name: "d/kernel", shape: [3, 1], dtype: "float32" },
    { name: "d/bias", shape: [1], dtype: "float32" },
  ];
  const model = { modelTopology: topology, weightsManifest: [{ paths: ["weights.bin"], weights: specs }] };
  const networks: readonly Network[] = [
    { format: "onnx", files: { "model.onnx": convolution }, inputShape: [2, 10], outputs: 1 },
    {
      format: "tfjs-layers",
      files: {
        "model.json": Buffer.from(JSON.stringify(model)),
        "weights.bin": new Uint8Array(Float32Array.from(weights(76)).buffer),
      },
      inputShape: [10, 2],
      outputs: 1,
    },
  ];
  for (const network of networks) {
    const remote = await open(t, network);
    const rows = Array.from({ length: 60 }, (_, r) =>
      Float32Array.from({ length: 20 }, (_, i) => Math.cos(r * 20 + i)),
    );
    const together = await remote.answer(rows);
    assert.ok(new Set(together!.map(([value]) => value)).size > 50);
    for (const [r, row] of rows.entries()) assert.deepEqual(await remote.answer([row]), [together![r]]);
  }
});

test("a network that is too slow is refused, and one that becomes so is ended while this thread goes on", async (t) => {
  const width = 1200;
  const kernel = floats(
    "w",
    [width, width],
    Array.from({ length: width * width }, () => 1e-4),
  );
  const depth = 1500;
  const nodes = Array.from({ length: depth }, (_, i) =>
    node("MatMul", [i === 0 ? "x" : `h${i}`, "w"], [i === depth - 1 ? "y" : `h${i + 1}`]),
  );
  const file = onnx({
    nodes,
    initializers: [kernel],
    inputs: [port("x", [-1, width])],
    outputs: [port("y", [-1, width])],
  });
  const network: Network = { format: "onnx", files: { "model.onnx": file }, inputShape: [width], outputs: width };
  const remote = await open(t, network, { ...networkLimits, batchMsMax: 300 });
  let turns = 0;
  const timer = setInterval(() => turns++, 5);
  t.after(() => clearInterval(timer));
  const rows = Array.from({ length: 256 }, () => new Float32Array(width).fill(1));
  assert.equal(await remote.rehearse(rows), "it gave no answer: a batch of 256 rows took more than 300 ms");
  assert.ok(turns > 5, `this thread had ${turns} turns meanwhile`);
  assert.equal(remote.dropped, 256);
  await until(
    "it is there again",
    () => remote.answer(rows.slice(0, 1)),
    () => true,
  );
});

test("memory: a network does not get more than its thread may have", async (t) => {
  const width = 1000;
  const kernel = floats(
    "w",
    [width, width],
    Array.from({ length: width * width }, () => 1e-4),
  );
  const file = onnx({
    nodes: [node("MatMul", ["x", "w"], ["y"])],
    initializers: [kernel],
    inputs: [port("x", [-1, width])],
    outputs: [port("y", [-1, width])],
  });
  const network: Network = { format: "onnx", files: { "model.onnx": file }, inputShape: [width], outputs: width };
  await assert.rejects(
    RemoteNetwork.open(network, { ...networkLimits, memoryBytesMax: 18 * 1024 * 1024 }),
    isInvalid(/./),
  );
  assert.ok(await open(t, network));
});

test("a package that is not installed is not found anywhere else", () => {
  assert.equal(find("typescript-is-not-a-network-library", "onnx"), undefined);
  assert.match(find("onnxruntime-web", "onnx")!.version, /^1\.\d+\.\d+$/);
});

test("the examples of the project answer their golden rows", async () => {
  const key = readPublicKey(signedBy);
  for (const name of ["pump-network", "turbofan-life"]) {
    const folder = join(pumpNetworkFolder, "..", name);
    const verified = verifyPackage(readPackage(folder), [{ name: "demo", key }]);
    await prove(verified);
    assert.equal(verified.manifest.name, name);
  }
});

test("golden rows that a library made are those that it gives", async () => {
  const { manifest, recipe } = openPackage(networkPackage("tfjs-layers"));
  assert.ok(recipe.model instanceof NetworkModel);
  const rows = Array.from({ length: 30 }, (_, r) => Float64Array.from([57 + r / 10, 5, 29, 2, 48]));
  const golden = await makeNetworkGolden({ ...recipe, model: recipe.model }, rows);
  const { files: _files, ...about } = manifest;
  const made = signed(makePackage(about, recipe, golden), lab.privateKey);
  const verified = verifyPackage(made, trusted);
  await prove(verified);
  assert.equal(verified.golden.rows[6]![0], null, "some with a metric missing");
});

test("a package is brought up once, and its thread ends with it", async () => {
  const opened = openPackage(networkPackage("onnx"));
  await bringUp(opened);
  const { remote } = opened.recipe.model;
  await bringUp(opened);
  assert.equal(opened.recipe.model.remote, remote);
  await closeModel(opened.recipe);
  assert.deepEqual([opened.recipe.model.remote, await remote!.answer([new Float32Array(5)])], [undefined, undefined]);
});
