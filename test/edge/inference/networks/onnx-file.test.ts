// Goal: of ONNX files only those reach a library that hold a graph of known operators, end, and name no other file.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readOnnx } from "../../../../edge/inference/networks/onnx-file.ts";
import { runSeed } from "../../../support/seed.ts";
import { denseNetwork } from "../../../support/networks/networks.ts";
import {
  attribute,
  bytes,
  floats,
  int,
  integers,
  node,
  onnx,
  port,
  type Graph,
} from "../../../support/networks/onnx-writer.ts";

const shape = { inputShape: [4], outputs: 1 };
const weights = floats("w", [4, 1], [1, 2, 3, 4]);
const sound: Graph = {
  nodes: [node("MatMul", ["x", "w"], ["y"])],
  initializers: [weights],
  inputs: [port("x", [-1, 4])],
  outputs: [port("y", [-1, 1])],
};
const withNode = (...given: Parameters<typeof node>): Buffer =>
  onnx({ ...sound, nodes: [...sound.nodes, node(...given)] });

test("a sound file is taken, with the names of its ends", () => {
  const named = { input: "x", output: "y", isSingleRow: false };
  assert.deepEqual(readOnnx(onnx(sound), shape), named);
  assert.deepEqual(readOnnx(denseNetwork("onnx", [4, 8, 1]).files["model.onnx"]!, shape), named);
  const listed = onnx({ ...sound, inputs: [...sound.inputs, port("w", [4, 1])] });
  assert.deepEqual(readOnnx(listed, shape), named, "weights may be listed among the inputs");
});

test("a batch of a fixed size of 1 is asked row by row; sizes that are left open are the manifest's", () => {
  const single = onnx({ ...sound, inputs: [port("x", [1, 4])], outputs: [port("y", [1, 1])] });
  assert.equal(readOnnx(single, shape).isSingleRow, true);
  const open = onnx({ ...sound, inputs: [port("x", [-1, -1, 2])] });
  assert.equal(readOnnx(open, { inputShape: [2, 2], outputs: 1 }).isSingleRow, false);
});

const external = bytes(13, Buffer.concat([bytes(1, "location"), bytes(2, "../../etc/passwd")]));
const refused: readonly { name: string; file: Uint8Array; says: RegExp }[] = [
  { name: "nothing", file: new Uint8Array(), says: /holds 0 graphs/ },
  { name: "text", file: Buffer.from("a model, on my word"), says: /./ },
  { name: "the runtime's own format", file: Buffer.from("\x20\0\0\0ORTM\0\0\0\0"), says: /in ORT format/ },
  {
    name: "an operator of somebody's domain",
    file: withNode("Relu", ["y"], ["z"], bytes(7, "com.acme")),
    says: /domain "com.acme"/,
  },
  {
    name: "an operator set of somebody's domain",
    file: onnx(sound, bytes(8, bytes(1, "com.microsoft"))),
    says: /"com.microsoft"/,
  },
  { name: "a loop", file: withNode("Loop", ["n"], ["z"]), says: /operator "Loop"/ },
  {
    name: "an operator that makes as much as it is told",
    file: withNode("ConstantOfShape", ["s"], ["z"]),
    says: /"ConstantOfShape"/,
  },
  {
    name: "an operator with a graph inside",
    file: withNode("Relu", ["y"], ["z"], bytes(5, bytes(6, bytes(2, "inner")))),
    says: /graph of its own/,
  },
  { name: "functions", file: onnx(sound, bytes(25, bytes(1, "f"))), says: /defines functions/ },
  { name: "a training graph", file: onnx(sound, bytes(20, bytes(1, ""))), says: /training graph/ },
  { name: "two graphs", file: Buffer.concat([onnx(sound), onnx(sound)]), says: /holds 2 graphs/ },
  {
    name: "numbers in another file",
    file: onnx({ ...sound, initializers: [Buffer.concat([weights, external])] }),
    says: /numbers of "w" are in another file/,
  },
  {
    name: "numbers said to be in another file",
    file: onnx({ ...sound, initializers: [Buffer.concat([weights, int(14, 1)])] }),
    says: /in another file/,
  },
  {
    name: "the same inside an attribute",
    file: withNode("Constant", [], ["z"], bytes(5, bytes(5, Buffer.concat([weights, external])))),
    says: /in another file/,
  },
  {
    name: "sparse tensors",
    file: Buffer.concat([onnx({ ...sound, nodes: [] }).subarray(0, 2), bytes(7, bytes(15, ""))]),
    says: /sparse/,
  },
  {
    name: "a tensor of more numbers than a file can hold",
    file: onnx({ ...sound, initializers: [floats("w", [60_000, 60_000], [])] }),
    says: /"w" has 3600000000 numbers/,
  },
  {
    name: "a tensor of a negative size",
    file: onnx({ ...sound, initializers: [floats("w", [-1], [])] }),
    says: /a size of -1/,
  },
  {
    name: "text as numbers",
    file: onnx({ ...sound, initializers: [Buffer.concat([int(1, 1), int(2, 8), bytes(8, "w")])] }),
    says: /of type 8/,
  },
  {
    name: "padding without end",
    file: withNode("AveragePool", ["y"], ["z"], attribute("pads", [0, 1_000_000_000])),
    says: /attribute is 1000000000/,
  },
  {
    name: "too many nodes",
    file: onnx({ ...sound, nodes: Array.from({ length: 2001 }, () => node("Relu", ["x"], ["y"])) }),
    says: /more than 2000 nodes/,
  },
  {
    name: "two inputs",
    file: onnx({ ...sound, inputs: [port("x", [-1, 4]), port("u", [-1, 4])] }),
    says: /2 inputs, not one/,
  },
  { name: "no output", file: onnx({ ...sound, outputs: [] }), says: /0 outputs, not one/ },
  {
    name: "an input of whole numbers",
    file: onnx({ ...sound, inputs: [port("x", [-1, 4], 7)] }),
    says: /input x is not of 32-bit/,
  },
  {
    name: "another width than the manifest says",
    file: onnx({ ...sound, inputs: [port("x", [-1, 5])] }),
    says: /\[5\] per row, the manifest says \[4\]/,
  },
  {
    name: "another number of outputs than the manifest says",
    file: onnx({ ...sound, outputs: [port("y", [-1, 3])] }),
    says: /3 numbers per row, the manifest says 1/,
  },
  { name: "a fixed batch", file: onnx({ ...sound, inputs: [port("x", [32, 4])] }), says: /not that of a batch/ },
];

for (const { name, file, says } of refused) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => readOnnx(file, shape),
      (error) => error instanceof RangeError && says.test(error.message),
    );
  });
}

test("damaged files are read or refused in little time, and never otherwise", (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const whole = Buffer.concat([
    onnx(sound, bytes(14, integers("notes", [1, 2, 3]))),
    denseNetwork("onnx", [4, 30, 1]).files["model.onnx"]!,
  ]);
  const startMs = performance.now();
  for (let i = 0; i < 3000; i++) {
    const file = Buffer.from(whole.subarray(0, Math.ceil(random.next() * whole.length)));
    for (let flips = Math.floor(random.next() * 4); flips > 0; flips--) {
      file[Math.floor(random.next() * file.length)]! ^= 1 << Math.floor(random.next() * 8);
    }
    try {
      readOnnx(file, shape);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  }
  assert.ok(performance.now() - startMs < 20_000);
});
