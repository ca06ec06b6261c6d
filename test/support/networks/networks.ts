import type { Network } from "../../../edge/inference/networks/network.ts";
import { gaussian, seededRandom } from "../../../src/random.ts";
import { denseOnnx } from "./onnx-writer.ts";

export interface Layer {
  readonly kernel: number[];
  readonly bias: number[];
}

/** Weights of a dense network, the same for the same seed. */
export function denseLayers(sizes: readonly number[], seed = 1): Layer[] {
  const random = seededRandom(seed);
  return sizes.slice(1).map((columns, layer) => {
    const rows = sizes[layer]!;
    const kernel = Array.from({ length: rows * columns }, () => gaussian(random) / Math.sqrt(rows));
    return { kernel, bias: Array.from({ length: columns }, () => 0.1 * gaussian(random)) };
  });
}

/** The files of the dense network, with rectifiers between the layers, in one of the formats. */
export function denseNetwork(
  format: Network["format"],
  sizes: readonly number[],
  layers = denseLayers(sizes),
): Network {
  const files =
    format === "onnx"
      ? { "model.onnx": new Uint8Array(denseOnnx(sizes, (layer) => layers[layer]!)) }
      : tfjsFiles(format, sizes, layers);
  return { format, files, inputShape: [sizes[0]!], outputs: sizes.at(-1)! };
}

function tfjsFiles(format: "tfjs-layers" | "tfjs-graph", sizes: readonly number[], layers: readonly Layer[]) {
  const weights = layers.flatMap((_, l) => [
    { name: `dense${l}/kernel`, shape: [sizes[l]!, sizes[l + 1]!], dtype: "float32" },
    { name: `dense${l}/bias`, shape: [sizes[l + 1]!], dtype: "float32" },
  ]);
  const numbers = Float32Array.from(layers.flatMap(({ kernel, bias }) => [...kernel, ...bias]));
  const model = {
    format: format === "tfjs-layers" ? "layers-model" : "graph-model",
    modelTopology: format === "tfjs-layers" ? layersTopology(sizes) : graphTopology(sizes),
    weightsManifest: [{ paths: ["weights.bin"], weights }],
  };
  return { "model.json": Buffer.from(JSON.stringify(model)), "weights.bin": new Uint8Array(numbers.buffer) };
}

function layersTopology(sizes: readonly number[]): object {
  const layers = sizes.slice(1).map((units, l) => ({
    class_name: "Dense",
    config: {
      name: `dense${l}`,
      units,
      activation: l === sizes.length - 2 ? "linear" : "relu",
      ...(l === 0 ? { batch_input_shape: [null, sizes[0]], dtype: "float32" } : {}),
    },
  }));
  return { class_name: "Sequential", config: { name: "test", layers } };
}

function graphTopology(sizes: readonly number[]): object {
  const float = { type: "DT_FLOAT" };
  const shape = { shape: { dim: [{ size: "-1" }, { size: String(sizes[0]) }] } };
  const node: object[] = [{ name: "x", op: "Placeholder", attr: { dtype: float, shape } }];
  let from = "x";
  for (let l = 0; l < sizes.length - 1; l++) {
    for (const part of ["kernel", "bias"])
      node.push({ name: `dense${l}/${part}`, op: "Const", attr: { dtype: float } });
    node.push({ name: `m${l}`, op: "MatMul", input: [from, `dense${l}/kernel`], attr: { T: float } });
    node.push({ name: `a${l}`, op: "BiasAdd", input: [`m${l}`, `dense${l}/bias`], attr: { T: float } });
    from = `a${l}`;
    if (l === sizes.length - 2) continue;
    node.push({ name: `r${l}`, op: "Relu", input: [from], attr: { T: float } });
    from = `r${l}`;
  }
  return { node, versions: {} };
}

/** What the dense network answers, in double precision. */
export function denseAnswer(row: readonly number[], layers: readonly Layer[]): number[] {
  return layers.reduce<number[]>(
    (values, { kernel, bias }, l) =>
      bias.map((start, column) => {
        const sum = values.reduce((total, value, i) => total + value * kernel[i * bias.length + column]!, start);
        return l === layers.length - 1 ? sum : Math.max(0, sum);
      }),
    [...row],
  );
}
