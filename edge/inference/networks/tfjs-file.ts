import { Type, type Static } from "typebox";
import { validate } from "../../../src/config/validate.ts";
import { formatKey } from "../../../src/config/problems.ts";
import { dimensionMax, nodesMax, numbersIn } from "./network.ts";
import { graphOperators, layerClasses } from "./operators.ts";

/*
 * Looks through the model.json of TensorFlow.js before the library does:
 *
 *   { "format": "layers-model" | "graph-model", "modelTopology": …, "weightsManifest": [{ "paths": ["weights.bin"], "weights": […] }] }
 *
 * Only topology and weights reach the library. A topology names classes or operators; they must be on our lists. There is
 * one file of weights, under its own name: any other name or address is refused.
 */
const depthMax = 30;
/** Configuration that decides how large tensors become; other numbers may be anything, as a seed. */
const sizeKeys = new Set(
  `units filters n kernel_size strides pool_size size padding target_shape batch_input_shape batch_shape input_shape
  input_dim output_dim input_length dilation_rate dims depth_multiplier`.split(/\s+/),
);

const weight = Type.Object({
  name: Type.String({ maxLength: 512 }),
  shape: Type.Array(Type.Integer({ minimum: 0 }), { maxItems: 8 }),
  dtype: Type.Enum(["float32", "int32", "bool"]),
  quantization: Type.Optional(
    Type.Object({
      dtype: Type.Enum(["uint8", "uint16", "float16"]),
      scale: Type.Optional(Type.Number()),
      min: Type.Optional(Type.Number()),
    }),
  ),
});

const modelSchema = Type.Object({
  format: Type.Optional(Type.Enum(["layers-model", "graph-model"])),
  modelTopology: Type.Object({}),
  weightsManifest: Type.Array(
    Type.Object({
      paths: Type.Array(Type.Literal("weights.bin"), { minItems: 1, maxItems: 1 }),
      weights: Type.Array(weight, { minItems: 1, maxItems: nodesMax }),
    }),
    { minItems: 1, maxItems: 1 },
  ),
  modelInitializer: Type.Optional(Type.Null()),
});

/** What the library is given. */
export interface TfjsModel {
  readonly modelTopology: object;
  readonly weightSpecs: Static<typeof weight>[];
}

/** Throws a RangeError that says what cannot be taken. */
export function readTfjs(format: "tfjs-layers" | "tfjs-graph", json: Uint8Array, weightBytes: number): TfjsModel {
  const model = parse(json);
  const named = format === "tfjs-layers" ? "layers-model" : "graph-model";
  if (model.format !== undefined && model.format !== named) {
    throw new RangeError(`model.json holds a ${model.format}, the manifest says ${format}`);
  }
  const { modelTopology } = model;
  const weights = model.weightsManifest.flatMap((group) => group.weights);
  const bytes = weights.reduce((sum, spec) => sum + bytesOf(spec), 0);
  if (bytes !== weightBytes)
    throw new RangeError(`weights.bin has ${weightBytes} bytes, model.json describes ${bytes}`);
  if (format === "tfjs-layers") checkLayers(modelTopology, "modelTopology", 0);
  else checkGraph(modelTopology);
  return { modelTopology, weightSpecs: weights };
}

function parse(json: Uint8Array): Static<typeof modelSchema> {
  let model: unknown;
  try {
    model = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    throw new RangeError("model.json is not JSON", { cause });
  }
  const [fault] = validate(modelSchema, model);
  if (fault !== undefined) throw new RangeError(`model.json: ${formatKey(fault.path)} ${fault.message}`);
  return model as Static<typeof modelSchema>;
}

function bytesOf({ name, shape, dtype, quantization }: Static<typeof weight>): number {
  const numbers = numbersIn(shape, `the weight ${JSON.stringify(name.slice(0, 40))}`);
  const type = quantization?.dtype ?? dtype;
  if (type === "uint8" || type === "bool") return numbers;
  return numbers * (type === "uint16" || type === "float16" ? 2 : 4);
}

/** Every object that names a class, at any depth, and every number that a size follows from. */
function checkLayers(value: unknown, key: string, depth: number): void {
  if (depth > depthMax) throw new RangeError("model.json is nested too deeply");
  if (typeof value === "number" && sizeKeys.has(key) && Math.abs(value) > dimensionMax) {
    throw new RangeError(`${key} is ${value}`);
  }
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value) checkLayers(item, key, depth + 1);
    return;
  }
  for (const [name, item] of Object.entries(value)) {
    const isClass = (name === "class_name" || name === "className") && typeof item === "string";
    if (isClass && !layerClasses.has(item)) {
      throw new RangeError(`the class ${JSON.stringify(item.slice(0, 40))} is not taken`);
    }
    checkLayers(item, name, depth + 1);
  }
}

const graphSchema = Type.Object({
  node: Type.Array(Type.Object({ name: Type.String(), op: Type.String() }), { minItems: 1, maxItems: nodesMax }),
  library: Type.Optional(Type.Object({ function: Type.Optional(Type.Array(Type.Unknown(), { maxItems: 0 })) })),
});

function checkGraph(topology: object): void {
  const [fault] = validate(graphSchema, topology);
  if (fault !== undefined) throw new RangeError(`model.json: modelTopology.${formatKey(fault.path)} ${fault.message}`);
  const { node } = topology as Static<typeof graphSchema>;
  const unknown = node.find(({ op }) => !graphOperators.has(op));
  if (unknown !== undefined)
    throw new RangeError(`the operator ${JSON.stringify(unknown.op.slice(0, 40))} is not taken`);
  const inputs = node.filter(({ op }) => op === "Placeholder").length;
  if (inputs !== 1) throw new RangeError(`it has ${inputs} inputs, not one`);
}
