import type { Manifest } from "../package/manifest.ts";
import { builtinFormat } from "./builtin.ts";
import type { Format } from "./format.ts";
import { gbdtFormat } from "./gbdt.ts";
import { networkFormat } from "./network.ts";

export const formats: Readonly<Record<Manifest["format"], Format>> = {
  builtin: builtinFormat,
  gbdt: gbdtFormat,
  onnx: networkFormat("onnx"),
  "tfjs-layers": networkFormat("tfjs-layers"),
  "tfjs-graph": networkFormat("tfjs-graph"),
};
