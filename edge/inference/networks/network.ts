/*
 * An imported network: trained elsewhere, brought along in a model package, run by somebody else's library in a thread of
 * its own. It is a pure function from the features of a row to some numbers; all state stays on this side.
 */

export type NetworkFormat = "onnx" | "tfjs-layers" | "tfjs-graph";

/** A network as it travels to its thread: the bytes of the package's files, checked before. */
export interface Network {
  readonly format: NetworkFormat;
  /** By the names in `networkFiles`. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** Shape of what one row gives it, without the batch: [12] or [30, 4]. Its product is the number of features. */
  readonly inputShape: readonly number[];
  /** Numbers that it answers with per row. */
  readonly outputs: number;
}

/** The files of each format: nothing else of a package reaches a library, and nothing by a name that a file gives. */
export const networkFiles = {
  onnx: ["model.onnx"],
  "tfjs-layers": ["model.json", "weights.bin"],
  "tfjs-graph": ["model.json", "weights.bin"],
} as const;

/** Of one tensor: no file of a package holds more 32-bit numbers. */
export const tensorNumbersMax = 3 * 1024 * 1024;
export const nodesMax = 2000;
/** No dimension, window or stride of a network for rows of at most 128 features is larger. */
export const dimensionMax = 65_536;

/** Numbers in a shape. Throws a RangeError where it is no shape of a tensor that is taken. */
export function numbersIn(shape: readonly number[], what: string): number {
  let numbers = 1;
  for (const size of shape) {
    if (!Number.isInteger(size) || size < 0 || size > tensorNumbersMax)
      throw new RangeError(`${what} has a size of ${size}`);
    numbers *= size;
  }
  if (numbers > tensorNumbersMax) throw new RangeError(`${what} has ${numbers} numbers, more than ${tensorNumbersMax}`);
  return numbers;
}
