import type { Manifest } from "../package/manifest.ts";
import { builtinFormat } from "./builtin.ts";
import type { Format } from "./format.ts";
import { gbdtFormat } from "./gbdt.ts";

export const formats: Readonly<Record<Manifest["format"], Format>> = { builtin: builtinFormat, gbdt: gbdtFormat };
