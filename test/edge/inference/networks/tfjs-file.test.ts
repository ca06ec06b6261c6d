// Goal: of TensorFlow.js files only those reach a library that name known classes or operators and bring all their weights.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readTfjs } from "../../../../edge/inference/networks/tfjs-file.ts";
import { denseNetwork } from "../../../support/networks/networks.ts";

interface Layer {
  class_name: string;
  config: Record<string, unknown>;
}

interface Model {
  format?: string;
  modelTopology: {
    config: { layers: Layer[] };
    node: { name: string; op: string }[];
    library?: object;
  };
  weightsManifest: {
    paths: string[];
    weights: { name: string; shape: unknown[]; dtype: string; quantization?: object }[];
  }[];
  modelInitializer?: object;
}

type Format = "tfjs-layers" | "tfjs-graph";
const weightBytes = (4 * 8 + 8 + 8 + 1) * 4;

function read(format: Format, change: (model: Model) => unknown = () => undefined, bytes = weightBytes): unknown {
  const { files } = denseNetwork(format, [4, 8, 1]);
  const model = JSON.parse(new TextDecoder().decode(files["model.json"])) as Model;
  change(model);
  return readTfjs(format, Buffer.from(JSON.stringify(model)), bytes);
}

test("sound files are taken, and nothing but topology and weights of them", () => {
  for (const format of ["tfjs-layers", "tfjs-graph"] as const) {
    const model = read(format, (given) => Object.assign(given, { userDefinedMetadata: { url: "http://x" } }));
    assert.deepEqual(Object.keys(model as object), ["modelTopology", "weightSpecs"]);
  }
  const quantized = (model: Model) =>
    Object.assign(model.weightsManifest[0]!.weights[0]!, { quantization: { dtype: "uint8", scale: 0.1, min: 0 } });
  assert.ok(read("tfjs-layers", quantized, weightBytes - 4 * 8 * 3));
});

const refused: readonly {
  name: string;
  format?: Format;
  change?: (model: Model) => unknown;
  bytes?: number;
  says: RegExp;
}[] = [
  {
    name: "weights that are cut short",
    bytes: weightBytes - 1,
    says: /weights.bin has 195 bytes, model.json describes 196/,
  },
  {
    name: "weights at an address",
    change: ({ weightsManifest: [group] }) => (group!.paths = ["https://example.com/w.bin"]),
    says: /weightsManifest/,
  },
  {
    name: "weights in another folder",
    change: ({ weightsManifest: [group] }) => (group!.paths = ["../weights.bin"]),
    says: /weightsManifest/,
  },
  {
    name: "weights in two files",
    change: ({ weightsManifest: [group] }) => group!.paths.push("weights.bin"),
    says: /weightsManifest/,
  },
  {
    name: "a weight of text",
    change: ({ weightsManifest: [group] }) => (group!.weights[0]!.dtype = "string"),
    says: /dtype/,
  },
  {
    name: "a weight of a negative size",
    change: ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = [-4, -8]),
    says: /shape/,
  },
  {
    name: "a weight of more numbers than a file can hold",
    change: ({ weightsManifest: [group] }) => (group!.weights[0]!.shape = [4e6, 4e6]),
    says: /has a size of 4000000/,
  },
  {
    name: "the other format",
    change: (model) => (model.format = "graph-model"),
    says: /holds a graph-model, the manifest says tfjs-layers/,
  },
  {
    name: "a Lambda",
    change: ({ modelTopology: { config } }) => (config.layers[1]!.class_name = "Lambda"),
    says: /class "Lambda" is not taken/,
  },
  {
    name: "somebody's layer",
    change: ({ modelTopology: { config } }) => (config.layers[1]!.class_name = "Attention2"),
    says: /"Attention2"/,
  },
  {
    name: "the same inside a wrapper",
    change: ({ modelTopology: { config } }) =>
      (config.layers[1] = { class_name: "TimeDistributed", config: { layer: { class_name: "Lambda", config: {} } } }),
    says: /"Lambda"/,
  },
  {
    name: "a layer without end",
    change: ({ modelTopology: { config } }) => (config.layers[1]!.config.units = 1e9),
    says: /units is 1000000000/,
  },
  {
    name: "nesting without end",
    change: ({ modelTopology: { config } }) => {
      let inner: object = {};
      for (let depth = 0; depth < 40; depth++) inner = { layer: inner };
      config.layers[1]!.config.layer = inner;
    },
    says: /nested too deeply/,
  },
  {
    name: "a loop",
    format: "tfjs-graph",
    change: ({ modelTopology: { node } }) => (node[3]!.op = "While"),
    says: /operator "While"/,
  },
  {
    name: "somebody's operator",
    format: "tfjs-graph",
    change: ({ modelTopology: { node } }) => (node[3]!.op = "Acme"),
    says: /"Acme"/,
  },
  {
    name: "functions",
    format: "tfjs-graph",
    change: ({ modelTopology }) => (modelTopology.library = { function: [{ signature: {} }] }),
    says: /library/,
  },
  {
    name: "two inputs",
    format: "tfjs-graph",
    change: ({ modelTopology: { node } }) => node.push({ name: "u", op: "Placeholder" }),
    says: /2 inputs, not one/,
  },
  {
    name: "code to prepare the model",
    format: "tfjs-graph",
    change: (model) => (model.modelInitializer = { node: [] }),
    says: /modelInitializer/,
  },
  { name: "no topology", change: (model) => Object.assign(model, { modelTopology: null }), says: /modelTopology/ },
];

for (const { name, format = "tfjs-layers", change, bytes, says } of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => read(format, change, bytes),
      (error) => error instanceof RangeError && says.test(error.message),
    );
  });
}

test("what is no JSON is refused", () => {
  assert.throws(() => readTfjs("tfjs-layers", Buffer.from('{"modelTopology":'), 0), /is not JSON/);
});
