import { registerHooks } from "node:module";
import type { Library, LoadedNetwork } from "../../../edge/inference/networks/libraries/library.ts";

/*
 * Preloaded into every thread of an agent (`--import=…?kind=hang`): the thread of a network then finds this in the place of
 * the library that runs ONNX. It answers the golden rows with half of what it is asked, and real ones, which lie far from
 * those, as its kind says. So no library has to be installed, and everything else is the product as it is.
 */
const own = new URL(import.meta.url);
const kind = own.searchParams.get("kind");
/** Golden rows are within; what the generator sends is not. */
const goldenMax = 10;

registerHooks({
  resolve(specifier, context, next) {
    const isLibrary =
      specifier === "./libraries/onnx.ts" && context.parentURL?.endsWith("/networks/worker.ts") === true;
    return isLibrary ? { url: own.href, shortCircuit: true } : next(specifier, context);
  },
});

export function onnxLibrary(): Promise<Library> {
  return Promise.resolve({ name: `harmful (${kind})`, load: () => Promise.resolve(network) });
}

const network: LoadedNetwork = {
  rowsMax: 256,
  run(rows) {
    const isReal = rows.some((value) => Math.abs(value) > goldenMax);
    return isReal ? misbehave(rows) : Promise.resolve(half(rows));
  },
};

function half(rows: Float32Array): Float32Array {
  return rows.map((value) => value / 2);
}

function misbehave(rows: Float32Array): Promise<Float32Array> {
  switch (kind) {
    case "hang":
      for (;;);
    case "crash":
      return process.exit(3);
    case "memory": {
      const kept: object[] = [];
      for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => ({ i })));
    }
    case "nan":
      return Promise.resolve(rows.map(() => Number.NaN));
    default:
      return Promise.resolve(half(rows));
  }
}
