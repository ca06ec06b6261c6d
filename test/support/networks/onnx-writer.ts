/*
 * Writes model.onnx files for tests, sound and unsound ones: just enough of onnx.proto3.
 */
export function int(field: number, value: number): Buffer {
  return Buffer.from([...varint(field * 8), ...varint(value)]);
}

export function bytes(field: number, content: Uint8Array | string): Buffer {
  const body = Buffer.from(content as string);
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(body.length)]), body]);
}

function varint(value: number): number[] {
  const digits: number[] = [];
  let left = BigInt.asUintN(64, BigInt(value));
  for (; left >= 128n; left >>= 7n) digits.push(Number(left & 127n) | 128);
  return [...digits, Number(left)];
}

/** TensorProto of 32-bit floating-point numbers. */
export function floats(name: string, shape: readonly number[], values: readonly number[]): Buffer {
  const raw = Buffer.from(Float32Array.from(values).buffer);
  return Buffer.concat([...shape.map((size) => int(1, size)), int(2, 1), bytes(8, name), bytes(9, raw)]);
}

/** TensorProto of 64-bit whole numbers. */
export function integers(name: string, values: readonly number[]): Buffer {
  const raw = Buffer.from(BigInt64Array.from(values.map(BigInt)).buffer);
  return Buffer.concat([int(1, values.length), int(2, 7), bytes(8, name), bytes(9, raw)]);
}

/** NodeProto. */
export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  ...more: Buffer[]
): Buffer {
  return Buffer.concat([
    ...inputs.map((name) => bytes(1, name)),
    ...outputs.map((name) => bytes(2, name)),
    bytes(4, operator),
    ...more,
  ]);
}

/** An attribute of a node: one whole number, or several. */
export function attribute(name: string, value: number | readonly number[]): Buffer {
  if (typeof value === "number") return bytes(5, Buffer.concat([bytes(1, name), int(3, value), int(20, 2)]));
  return bytes(5, Buffer.concat([bytes(1, name), ...value.map((item) => int(8, item)), int(20, 7)]));
}

/** ValueInfoProto of a tensor; a size of -1 is left open. */
export function port(name: string, shape: readonly number[], elementType = 1): Buffer {
  const sizes = shape.map((size) => bytes(1, size < 0 ? bytes(2, "N") : int(1, size)));
  return Buffer.concat([
    bytes(1, name),
    bytes(2, bytes(1, Buffer.concat([int(1, elementType), bytes(2, Buffer.concat(sizes))]))),
  ]);
}

export interface Graph {
  readonly nodes: readonly Buffer[];
  readonly initializers?: readonly Buffer[];
  readonly inputs: readonly Buffer[];
  readonly outputs: readonly Buffer[];
}

/** ModelProto with operator set 17; `more` is added as it is. */
export function onnx({ nodes, initializers = [], inputs, outputs }: Graph, ...more: Buffer[]): Buffer {
  const graph = Buffer.concat([
    ...nodes.map((body) => bytes(1, body)),
    bytes(2, "test"),
    ...initializers.map((body) => bytes(5, body)),
    ...inputs.map((body) => bytes(11, body)),
    ...outputs.map((body) => bytes(12, body)),
  ]);
  return Buffer.concat([int(1, 8), bytes(7, graph), bytes(8, int(2, 17)), ...more]);
}

/** A dense network with rectifiers between the layers. `weights` gives the numbers of each layer, row by row, and its biases. */
export function denseOnnx(
  sizes: readonly number[],
  weights: (layer: number) => { kernel: number[]; bias: number[] },
): Buffer {
  const nodes: Buffer[] = [];
  const initializers: Buffer[] = [];
  const last = sizes.length - 2;
  for (let layer = 0; layer <= last; layer++) {
    const { kernel, bias } = weights(layer);
    const [rows, columns] = [sizes[layer]!, sizes[layer + 1]!];
    initializers.push(floats(`w${layer}`, [rows, columns], kernel), floats(`b${layer}`, [columns], bias));
    const from = layer === 0 ? "x" : `h${layer}`;
    nodes.push(node("Gemm", [from, `w${layer}`, `b${layer}`], [layer === last ? "y" : `g${layer}`]));
    if (layer < last) nodes.push(node("Relu", [`g${layer}`], [`h${layer + 1}`]));
  }
  return onnx({ nodes, initializers, inputs: [port("x", [-1, sizes[0]!])], outputs: [port("y", [-1, sizes.at(-1)!])] });
}
