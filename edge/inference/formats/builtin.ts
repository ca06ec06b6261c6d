import { isLifelong } from "../features/pipeline.ts";
import { FittedDetector, type RowModel } from "../fitted-detector.ts";
import { invalid, readJson, textOf } from "../package/json.ts";
import { modelOf, weightsOf, weightsSchema } from "./builtin-weights.ts";
import type { FittedModel, Format } from "./format.ts";
import type { PackageFile } from "../../../src/model-package/limits.ts";

/** A detector that is part of Tidegate, with fitted numbers. */
export class BuiltinModel implements FittedModel {
  readonly fitted: RowModel;
  readonly base = 0;

  constructor(fitted: RowModel) {
    this.fitted = fitted;
  }

  start(): FittedDetector {
    return new FittedDetector(this.fitted);
  }

  files(): ReadonlyMap<PackageFile, Uint8Array> {
    return new Map([["weights.json", textOf(weightsOf(this.fitted))]]);
  }
}

export const builtinFormat: Format = {
  methods: ["mspc", "var", "cva"],
  outputs: ["score"],
  files: ["weights.json"],
  load({ method, features }, files) {
    const weights = readJson(weightsSchema, files.get("weights.json")!, "weights.json");
    if (weights.chart.kind !== method) {
      throw invalid(`weights.json holds ${weights.chart.kind}, the manifest says ${method}`);
    }
    // What grows for ever has no normal state, and rows of the training do not begin with the machine's first one.
    if (features.some(isLifelong))
      throw new RangeError("a detector cannot judge by age, or by drift since the beginning");
    return new BuiltinModel(modelOf(weights, features.length));
  },
};
