import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Network } from "../network.ts";

/*
 * Libraries that run imported networks are not part of the product: whoever has no network does not install them. They are
 * looked for beside it, in node_modules of the installation folder, and then in the folder of `libraries/` that pins the
 * version we have tested.
 */
export interface Library {
  /** Name and version, for a person. */
  readonly name: string;
  /** Makes a network ready. Throws what the library throws. */
  load(network: Network): Promise<LoadedNetwork>;
}

/** A network in memory. One call at a time. */
export interface LoadedNetwork {
  /** Most rows of one call. */
  readonly rowsMax: number;
  /** `count` rows, one after the other, as 32-bit numbers; the answers come in the same order. Throws what the library throws. */
  run(rows: Float32Array, count: number): Promise<Float32Array>;
}

const product = new URL("../../../../", import.meta.url);

/** A package beside the product: where its code is and which version it has. */
export interface Found {
  readonly version: string;
  /** Of a module of the package, as `import()` takes it. */
  url(module: string): string;
}

/** Undefined where the package is not installed in any of the places. */
export function find(name: string, folder: "onnx" | "tensorflow"): Found | undefined {
  for (const home of [product, new URL(`libraries/${folder}/`, product)]) {
    const require = createRequire(new URL("package.json", home));
    const paths = require.resolve.paths(name) ?? [];
    // Only what is installed for this product: not what somebody has in a folder above it.
    const [modules] = paths;
    if (modules === undefined) continue;
    const place = pathToFileURL(`${modules}/${name}/`);
    const manifest = manifestAt(fileURLToPath(place), require);
    if (manifest === undefined) continue;
    return { version: manifest.version, url: (module) => new URL(module === "" ? manifest.main : module, place).href };
  }
  return undefined;
}

function manifestAt(
  folder: string,
  require: NodeJS.Require,
): { readonly version: string; readonly main: string } | undefined {
  try {
    return require(`${folder}package.json`) as { version: string; main: string };
  } catch {
    return undefined;
  }
}
