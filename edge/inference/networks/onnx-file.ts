import { dimensionMax, nodesMax, numbersIn, type Network } from "./network.ts";
import { onnxOperators } from "./operators.ts";
import { fieldsOf, numbersOf, textOf, type Effort, type Field } from "./protobuf.ts";

/*
 * Looks through a model.onnx before any library does. Of onnx.proto3 (ONNX IR 10):
 *
 *   ModelProto      graph 7, opset_import 8, training_info 20, functions 25
 *   GraphProto      node 1, initializer 5, input 11, output 12, sparse_initializer 15
 *   NodeProto       op_type 4, attribute 5, domain 7
 *   AttributeProto  i 3, t 5, g 6, ints 8, tensors 10, graphs 11, sparse_tensor 22, sparse_tensors 23
 *   TensorProto     dims 1, data_type 2, segment 3, name 8, external_data 13, data_location 14
 *   ValueInfoProto  name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1, dim_param 2 } } } }
 *
 * What is taken is a graph without branches and loops, of operators from a closed list whose results are no larger than
 * what goes in says. So it ends, and it holds no code.
 */
const fieldsMax = 200_000;
const tensorsMax = 4000;
const float32 = 1;
/** int32, int64, bool: shapes and indices. */
const tensorTypes = new Set([float32, 6, 7, 9]);

/** Names by which the library is asked, and whether it takes one row at a time only. */
export interface OnnxPorts {
  readonly input: string;
  readonly output: string;
  readonly isSingleRow: boolean;
}

interface Port {
  readonly name: string;
  readonly elementType: number;
  /** A size that the file leaves open is undefined. */
  readonly shape: readonly (number | undefined)[];
}

/** Throws a RangeError that says what cannot be taken. */
export function readOnnx(
  bytes: Uint8Array,
  { inputShape, outputs }: Pick<Network, "inputShape" | "outputs">,
): OnnxPorts {
  // The runtime would take its own binary format too, of which nothing is checked here.
  if (String.fromCharCode(...bytes.subarray(4, 8)) === "ORTM") throw new RangeError("it is in ORT format, not in ONNX");
  const graph = new GraphCheck(bytes);
  const [input, ...moreInputs] = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  const [output, ...moreOutputs] = graph.outputs;
  if (input === undefined || moreInputs.length > 0)
    throw new RangeError(`it has ${moreInputs.length + 1} inputs, not one`);
  if (output === undefined || moreOutputs.length > 0)
    throw new RangeError(`it has ${graph.outputs.length} outputs, not one`);
  const inputBatch = batchOf(input, inputShape, "input");
  const outputBatch = batchOf(output, undefined, "output");
  const numbers = output.shape.slice(1).reduce<number>((product, size) => product * (size ?? 1), 1);
  if (numbers !== outputs)
    throw new RangeError(`its output has ${numbers} numbers per row, the manifest says ${outputs}`);
  return { input: input.name, output: output.name, isSingleRow: inputBatch === 1 || outputBatch === 1 };
}

/** The first size of the port: 1, or undefined for any number of rows. */
function batchOf(
  { name, elementType, shape }: Port,
  wanted: readonly number[] | undefined,
  what: string,
): 1 | undefined {
  if (elementType !== float32) throw new RangeError(`its ${what} ${name} is not of 32-bit floating-point numbers`);
  const [batch, ...rest] = shape;
  if (shape.length === 0 || (batch !== undefined && batch !== 1)) {
    throw new RangeError(`the first size of its ${what} ${name} is not that of a batch`);
  }
  const isSame =
    wanted === undefined ||
    (rest.length === wanted.length && rest.every((size, i) => (size ?? wanted[i]) === wanted[i]));
  if (!isSame)
    throw new RangeError(
      `its ${what} ${name} is [${rest.join(", ")}] per row, the manifest says [${wanted.join(", ")}]`,
    );
  return batch;
}

class GraphCheck {
  readonly inputs: Port[] = [];
  readonly outputs: Port[] = [];
  readonly initializers = new Set<string>();
  readonly #effort: Effort = { fieldsLeft: fieldsMax };
  #nodes = 0;
  #tensors = 0;

  constructor(model: Uint8Array) {
    let graphs = 0;
    for (const field of this.#fieldsOf(model)) {
      if (field.number === 7 && ++graphs === 1) this.#graph(bytesOf(field));
      if (field.number === 8) this.#operatorSet(bytesOf(field));
      if (field.number === 20) throw new RangeError("it holds a training graph");
      if (field.number === 25) throw new RangeError("it defines functions");
    }
    if (graphs !== 1) throw new RangeError(`it holds ${graphs} graphs`);
  }

  #fieldsOf(message: Uint8Array): Generator<Field> {
    return fieldsOf(message, this.#effort);
  }

  #operatorSet(message: Uint8Array): void {
    for (const field of this.#fieldsOf(message)) {
      if (field.number === 1) requireStandard(textOf(field));
    }
  }

  #graph(message: Uint8Array): void {
    for (const field of this.#fieldsOf(message)) {
      switch (field.number) {
        case 1:
          this.#node(bytesOf(field));
          break;
        case 5:
          this.initializers.add(this.#tensor(bytesOf(field)));
          break;
        case 11:
          this.inputs.push(this.#port(bytesOf(field)));
          break;
        case 12:
          this.outputs.push(this.#port(bytesOf(field)));
          break;
        case 15:
          throw new RangeError("it holds sparse tensors");
        default:
        // Names, notes and the shapes between nodes say nothing that is relied on.
      }
    }
  }

  #node(message: Uint8Array): void {
    if (++this.#nodes > nodesMax) throw new RangeError(`it has more than ${nodesMax} nodes`);
    let operator = "";
    for (const field of this.#fieldsOf(message)) {
      if (field.number === 4) operator = textOf(field);
      if (field.number === 5) this.#attribute(bytesOf(field));
      if (field.number === 7) requireStandard(textOf(field));
    }
    if (!onnxOperators.has(operator))
      throw new RangeError(`the operator ${JSON.stringify(operator.slice(0, 40))} is not taken`);
  }

  #attribute(message: Uint8Array): void {
    for (const field of this.#fieldsOf(message)) {
      switch (field.number) {
        case 3:
        case 8:
          for (const value of numbersOf(field, this.#effort)) {
            if (Math.abs(value) > dimensionMax) throw new RangeError(`an attribute is ${value}`);
          }
          break;
        case 5:
        case 10:
          this.#tensor(bytesOf(field));
          break;
        case 6:
        case 11:
          throw new RangeError("a node holds a graph of its own");
        case 22:
        case 23:
          throw new RangeError("it holds sparse tensors");
        default:
      }
    }
  }

  /** Its name. */
  #tensor(message: Uint8Array): string {
    if (++this.#tensors > tensorsMax) throw new RangeError(`it has more than ${tensorsMax} tensors`);
    const shape: number[] = [];
    let name = "";
    for (const field of this.#fieldsOf(message)) {
      if (field.number === 1) shape.push(...numbersOf(field, this.#effort));
      if (field.number === 2 && !tensorTypes.has(field.value))
        throw new RangeError(`a tensor is of type ${field.value}`);
      if (field.number === 3) throw new RangeError("a tensor comes in parts");
      if (field.number === 8) name = textOf(field);
      if (field.number === 13 || (field.number === 14 && field.value !== 0)) {
        throw new RangeError(`the numbers of ${JSON.stringify(name.slice(0, 40))} are in another file`);
      }
    }
    numbersIn(shape, `the tensor ${JSON.stringify(name.slice(0, 40))}`);
    return name;
  }

  #port(message: Uint8Array): Port {
    let name = "";
    let type: Omit<Port, "name"> = { elementType: 0, shape: [] };
    for (const field of this.#fieldsOf(message)) {
      if (field.number === 1) name = textOf(field);
      if (field.number === 2) type = this.#type(bytesOf(field));
    }
    return { name, ...type };
  }

  #type(message: Uint8Array): Omit<Port, "name"> {
    let elementType = 0;
    const shape: (number | undefined)[] = [];
    for (const field of this.#fieldsOf(message)) {
      if (field.number !== 1) throw new RangeError("an input or output is no tensor");
      for (const part of this.#fieldsOf(bytesOf(field))) {
        if (part.number === 1) elementType = part.value;
        if (part.number !== 2) continue;
        for (const dimension of this.#fieldsOf(bytesOf(part))) {
          if (dimension.number === 1) shape.push(this.#size(bytesOf(dimension)));
        }
      }
    }
    return { elementType, shape };
  }

  #size(message: Uint8Array): number | undefined {
    let size: number | undefined;
    for (const field of this.#fieldsOf(message)) if (field.number === 1) size = field.value;
    return size;
  }
}

function requireStandard(domain: string): void {
  if (domain !== "" && domain !== "ai.onnx") {
    throw new RangeError(`operators of the domain ${JSON.stringify(domain.slice(0, 40))} are not taken`);
  }
}

function bytesOf({ bytes }: Field): Uint8Array {
  if (bytes === undefined) throw new RangeError("a message is a number");
  return bytes;
}
