import { invalid } from "../package/json.ts";
import type { Trees } from "../trees/trees.ts";

/*
 * weights.bin of the format gbdt, little endian:
 *
 *   "TGBT" | u8 version 1 | u8 depth | u16 inputs | u32 trees | f64 base
 *   f64 threshold of each inner node | f64 value of each leaf | u32 training rows of each leaf | u16 input of each inner node
 *
 * Tree after tree, nodes in the order of `Trees`. All sizes follow from the head: a file has one right length.
 */
const magic = 0x54_42_47_54;
const version = 1;
const headBytes = 20;
const treesMax = 2000;
const depthMax = 8;

/** Where each array begins. */
function layoutOf(count: number, depth: number) {
  const inner = count * (2 ** depth - 1);
  const leaves = count * 2 ** depth;
  const leavesAt = headBytes + 8 * inner;
  const rowsAt = leavesAt + 8 * leaves;
  const inputsAt = rowsAt + 4 * leaves;
  return { inner, leaves, thresholdsAt: headBytes, leavesAt, rowsAt, inputsAt, end: inputsAt + 2 * inner };
}

export function writeTrees(trees: Trees): Uint8Array {
  const at = layoutOf(trees.count, trees.depth);
  const bytes = new Uint8Array(at.end);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint8(4, version);
  view.setUint8(5, trees.depth);
  view.setUint16(6, trees.inputs, true);
  view.setUint32(8, trees.count, true);
  view.setFloat64(12, trees.base, true);
  trees.thresholds.forEach((value, i) => view.setFloat64(at.thresholdsAt + 8 * i, value, true));
  trees.leaves.forEach((value, i) => view.setFloat64(at.leavesAt + 8 * i, value, true));
  trees.leafRows.forEach((value, i) => view.setUint32(at.rowsAt + 4 * i, value, true));
  trees.features.forEach((value, i) => view.setUint16(at.inputsAt + 2 * i, value, true));
  return bytes;
}

/** Trees over so many inputs. Throws MODEL_INVALID where the bytes are none, RangeError where a number cannot be. */
export function readTrees(bytes: Uint8Array, inputs: number): Trees {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headBytes || view.getUint32(0, true) !== magic) throw invalid("weights.bin holds no trees");
  if (view.getUint8(4) !== version) throw invalid(`weights.bin is of version ${view.getUint8(4)}, known is ${version}`);
  const depth = view.getUint8(5);
  const count = view.getUint32(8, true);
  const base = view.getFloat64(12, true);
  if (view.getUint16(6, true) !== inputs) {
    throw new RangeError(`the trees look at ${view.getUint16(6, true)} features instead of ${inputs}`);
  }
  if (depth < 1 || depth > depthMax) throw new RangeError(`trees are ${depth} deep; 1 to ${depthMax} are read`);
  if (count < 1 || count > treesMax) throw new RangeError(`there are ${count} trees; 1 to ${treesMax} are read`);
  const at = layoutOf(count, depth);
  if (bytes.length !== at.end) throw invalid(`weights.bin has ${bytes.length} bytes, its head says ${at.end}`);
  const trees = {
    inputs,
    depth,
    count,
    base,
    features: Uint16Array.from({ length: at.inner }, (_, i) => view.getUint16(at.inputsAt + 2 * i, true)),
    thresholds: Float64Array.from({ length: at.inner }, (_, i) => view.getFloat64(at.thresholdsAt + 8 * i, true)),
    leaves: Float64Array.from({ length: at.leaves }, (_, i) => view.getFloat64(at.leavesAt + 8 * i, true)),
    leafRows: Uint32Array.from({ length: at.leaves }, (_, i) => view.getUint32(at.rowsAt + 4 * i, true)),
  };
  requireSound(trees);
  return trees;
}

function requireSound({ inputs, base, features, thresholds, leaves }: Trees): void {
  const stray = features.find((input) => input >= inputs);
  if (stray !== undefined) throw new RangeError(`a tree looks at feature ${stray} of ${inputs}`);
  // Infinity is a branch that ended early.
  if (thresholds.some(Number.isNaN)) throw new RangeError("a threshold is no number");
  if (!Number.isFinite(base) || !leaves.every(Number.isFinite)) throw new RangeError("a leaf is no number");
}
