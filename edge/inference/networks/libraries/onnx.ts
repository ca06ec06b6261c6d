import type { Network } from "../network.ts";
import { readOnnx } from "../onnx-file.ts";
import { find, type Library, type LoadedNetwork } from "./library.ts";

/** What we use of ONNX Runtime, which is the same in both of its packages. */
interface Ort {
  readonly env: { logLevel?: string; readonly wasm: { numThreads?: number } };
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{
      run(feeds: Record<string, object>): Promise<Record<string, { readonly data: unknown }>>;
    }>;
  };
  readonly Tensor: new (type: "float32", data: Float32Array, shape: readonly number[]) => object;
}

const rowsPerCall = 256;

/** The native runtime where somebody has installed it, else the one in WebAssembly. Undefined where neither is there. */
export async function onnxLibrary(): Promise<Library | undefined> {
  for (const { name, provider } of [
    { name: "onnxruntime-node", provider: "cpu" },
    { name: "onnxruntime-web", provider: "wasm" },
  ]) {
    const found = find(name, "onnx");
    if (found === undefined) continue;
    const module = name === "onnxruntime-web" ? "dist/ort.node.min.mjs" : "";
    const ort = await importOrt(found.url(module));
    if (ort === undefined) continue;
    ort.env.logLevel = "error";
    if (provider === "wasm") ort.env.wasm.numThreads = 1;
    return { name: `${name} ${found.version}`, load: (network) => load(ort, provider, network) };
  }
  return undefined;
}

/** Undefined where it cannot be loaded on this machine: a native runtime whose file for this processor is missing. */
async function importOrt(url: string): Promise<Ort | undefined> {
  try {
    const module = (await import(url)) as Ort & { readonly default?: Ort };
    return module.InferenceSession === undefined ? module.default : module;
  } catch {
    return undefined;
  }
}

async function load(ort: Ort, provider: string, network: Network): Promise<LoadedNetwork> {
  const model = network.files["model.onnx"]!;
  const { input, output, isSingleRow } = readOnnx(model, network);
  const session = await ort.InferenceSession.create(model, {
    executionProviders: [provider],
    graphOptimizationLevel: "all",
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  return {
    rowsMax: isSingleRow ? 1 : rowsPerCall,
    async run(rows, count) {
      const answers = await session.run({ [input]: new ort.Tensor("float32", rows, [count, ...network.inputShape]) });
      const data = answers[output]?.data;
      if (data instanceof Float32Array) return data;
      throw new TypeError("the network does not answer with 32-bit floating-point numbers");
    },
  };
}
