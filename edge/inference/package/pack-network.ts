import { expectedOf } from "../drift/histogram.ts";
import { formats } from "../formats/formats.ts";
import { NetworkModel, type NetworkReading } from "../formats/network.ts";
import { makeNetworkGolden } from "./bring-up.ts";
import { invalid, textOf } from "./json.ts";
import type { Manifest } from "./manifest.ts";
import { makePackage, openPackage, type PackageBytes } from "./model-package.ts";
import type { PackageFile } from "../../../src/model-package/limits.ts";

/** What somebody who trained a network says of it, and the files that the library of its format reads. */
export interface TrainedNetwork {
  readonly about: Omit<Manifest, "files">;
  readonly reading: NetworkReading;
  readonly files: ReadonlyMap<PackageFile, Uint8Array>;
  /** Rows of inputs, NaN where one is missing: some are disturbed and become the golden rows. */
  readonly rows: readonly Float64Array[];
}

/**
 * The package of a network, with golden outputs as the installed library gives them; not signed. Throws MODEL_INVALID
 * where the network cannot be taken, and MODEL_LIBRARY.
 */
export async function packNetwork({ about, reading, files, rows }: TrainedNetwork): Promise<PackageBytes> {
  const inputs = about.inputs.map(({ metric }) => metric);
  const recipe = { inputs, features: about.features, model: modelOf(about, reading, files) };
  const golden = await makeNetworkGolden(recipe, rows);
  const bytes = makePackage({ ...about, expected: about.expected ?? expectedFrom(about, rows) }, recipe, golden);
  // What the manifest may not say is told here, and not by the gateway that the package goes to.
  openPackage(bytes);
  return bytes;
}

/** Of the few rows at hand; what the network says of normal rows is for whoever trained it to tell. */
function expectedFrom({ inputs, output, rows: { periodMs } }: TrainedNetwork["about"], rows: TrainedNetwork["rows"]) {
  const columns = inputs.map((_, i) => Float64Array.from(rows, (row) => row[i]!));
  const kind = output.kind === "score" ? "even" : "beyond";
  return expectedOf({ inputs: columns, outputs: new Float64Array() }, periodMs, kind);
}

function modelOf(
  about: TrainedNetwork["about"],
  reading: NetworkReading,
  files: TrainedNetwork["files"],
): NetworkModel {
  try {
    const all = new Map<string, Uint8Array>([...files, ["network.json", textOf(reading)]]);
    const model = formats[about.format].load({ ...about, files: [] }, all);
    if (model instanceof NetworkModel) return model;
    throw new RangeError(`${about.format} is no format of networks`);
  } catch (error) {
    if (error instanceof RangeError) throw invalid(error.message, error);
    throw error;
  }
}
