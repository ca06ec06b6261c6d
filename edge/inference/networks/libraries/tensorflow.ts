import type { Network } from "../network.ts";
import { readTfjs } from "../tfjs-file.ts";
import { find, type Library, type LoadedNetwork } from "./library.ts";

interface Tensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  data(): Promise<unknown>;
  dispose(): void;
}

interface Model {
  predict(input: Tensor, options?: { readonly batchSize: number }): Tensor | Tensor[] | Record<string, Tensor>;
}

/** What we use of TensorFlow.js. */
interface Core {
  readonly io: { fromMemory(artifacts: object): object };
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(values: Float32Array, shape: readonly number[], type: "float32"): Tensor;
}

interface Layers {
  readonly loadLayersModel: (from: object, options: { strict: boolean; fastWeightInit: boolean }) => Promise<Model>;
}

interface Converter {
  readonly loadGraphModel: (from: object) => Promise<Model>;
}

interface Wasm {
  readonly setWasmPaths: (folder: string) => void;
  readonly setThreadsCount: (threads: number) => void;
}

const rowsPerCall = 256;
const parts = ["tfjs-core", "tfjs-layers", "tfjs-converter", "tfjs-backend-cpu"];

/** On WebAssembly where that backend is installed and starts, else in plain JavaScript. Undefined where a part is missing. */
export async function tensorflowLibrary(): Promise<Library | undefined> {
  const found = parts.map((part) => find(`@tensorflow/${part}`, "tensorflow"));
  const [core, layers, converter, cpu] = found;
  if (core === undefined || layers === undefined || converter === undefined || cpu === undefined) return undefined;
  const tf = await imported<Core>(core.url(""));
  const backend = await startBackend(tf, cpu.url(""));
  return {
    name: `TensorFlow.js ${core.version} (${backend})`,
    load: async (network) => {
      const artifacts = tf.io.fromMemory(artifactsOf(network));
      if (network.format === "tfjs-graph") {
        const { loadGraphModel } = await imported<Converter>(converter.url(""));
        return loaded(tf, await loadGraphModel(artifacts), network);
      }
      const { loadLayersModel } = await imported<Layers>(layers.url(""));
      return loaded(tf, await loadLayersModel(artifacts, { strict: true, fastWeightInit: true }), network);
    },
  };
}

async function startBackend(tf: Core, cpu: string): Promise<"wasm" | "cpu"> {
  const wasm = find("@tensorflow/tfjs-backend-wasm", "tensorflow");
  if (wasm !== undefined) {
    const { setWasmPaths, setThreadsCount } = await imported<Wasm>(wasm.url(""));
    setWasmPaths(decodeURIComponent(new URL(wasm.url("dist/")).pathname));
    setThreadsCount(1);
    if (await tf.setBackend("wasm")) return "wasm";
  }
  await imported(cpu);
  await tf.setBackend("cpu");
  await tf.ready();
  return "cpu";
}

async function imported<Module>(url: string): Promise<Module> {
  const module = (await import(url)) as Module & { readonly default?: Module };
  return module.default ?? module;
}

/** Nothing but topology and weights: no names of files, no addresses, no code to prepare the model. */
function artifactsOf({ format, files }: Network): object {
  const weights = files["weights.bin"]!;
  const { modelTopology, weightSpecs } = readTfjs(
    format === "tfjs-graph" ? "tfjs-graph" : "tfjs-layers",
    files["model.json"]!,
    weights.length,
  );
  const weightData = new Uint8Array(weights).buffer;
  return { modelTopology, weightSpecs, weightData };
}

function loaded(tf: Core, model: Model, { inputShape }: Network): LoadedNetwork {
  return {
    rowsMax: rowsPerCall,
    async run(rows, count) {
      const input = tf.tensor(rows, [count, ...inputShape], "float32");
      const answer = model.predict(input, { batchSize: count });
      const tensors = Array.isArray(answer) ? answer : "dispose" in answer ? [answer as Tensor] : Object.values(answer);
      try {
        const [output] = tensors;
        if (output === undefined || tensors.length !== 1)
          throw new TypeError(`the network has ${tensors.length} outputs, not one`);
        const data = await output.data();
        if (data instanceof Float32Array) return data;
        throw new TypeError("the network does not answer with 32-bit floating-point numbers");
      } finally {
        input.dispose();
        for (const tensor of tensors) tensor.dispose();
      }
    },
  };
}
