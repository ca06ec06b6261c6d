import assert from "node:assert/strict";
import { Type, type Static } from "typebox";
import type { ScoreQuality } from "../detector.ts";
import { networkFiles, numbersIn, type Network, type NetworkFormat } from "../networks/network.ts";
import { readOnnx } from "../networks/onnx-file.ts";
import type { RemoteNetwork } from "../networks/remote-network.ts";
import { readTfjs } from "../networks/tfjs-file.ts";
import { readJson, textOf } from "../package/json.ts";
import { featuresMax, type Manifest, type PackagedFeature } from "../package/manifest.ts";
import type { StateReader, StateWriter } from "../state.ts";
import { qualityOf, type AskingRun, type FittedModel, type Format } from "./format.ts";
import type { PackageFile } from "../../../src/model-package/limits.ts";

/*
 * An imported network with what stands around it. network.json says how features become its input, (x - mean) / deviation,
 * and what its answer means:
 *
 *   reconstruction   it gives the input back; the score is the mean squared difference in units of `limit`
 *   value            one number; the output is scale * number + offset: a score, a quantity or a probability
 */
const closed = { additionalProperties: false } as const;
const size = Type.Integer({ minimum: 1, maximum: featuresMax });
export const networkSchema = Type.Object(
  {
    input: Type.Array(size, { minItems: 1, maxItems: 3, description: "Shape of one row, without the batch." }),
    means: Type.Array(Type.Number(), { maxItems: featuresMax }),
    deviations: Type.Array(Type.Number({ exclusiveMinimum: 0 }), { maxItems: featuresMax }),
    answer: Type.Union([
      Type.Object({ kind: Type.Literal("reconstruction"), limit: Type.Number({ exclusiveMinimum: 0 }) }, closed),
      Type.Object({ kind: Type.Literal("value"), scale: Type.Number(), offset: Type.Number() }, closed),
    ]),
  },
  closed,
);
export type NetworkReading = Static<typeof networkSchema>;

/** What the output is, and what it is cut to. */
interface NetworkOutput {
  readonly kind: Manifest["output"]["kind"];
  readonly low: number;
  readonly high: number;
}

/** A feature further from its mean than this many deviations is cut: networks answer anything far from what they have seen. */
const deviationsMax = 100;

export class NetworkModel implements FittedModel {
  readonly base = 0;
  readonly network: Network;
  readonly reading: NetworkReading;
  readonly output: NetworkOutput;
  /** Rows until every feature that looks back has enough of them. */
  readonly settlingRows: number;
  /** Set when it was brought up; it cannot be asked before. */
  remote?: RemoteNetwork;

  constructor(network: Network, reading: NetworkReading, output: NetworkOutput, settlingRows: number) {
    this.network = network;
    this.reading = reading;
    this.output = output;
    this.settlingRows = settlingRows;
  }

  start(): NetworkRun {
    return new NetworkRun(this);
  }

  files(): ReadonlyMap<PackageFile, Uint8Array> {
    const { files, format } = this.network;
    return new Map<PackageFile, Uint8Array>([
      ["network.json", textOf(this.reading)],
      ...networkFiles[format].map((name) => [name, files[name]!] as const),
    ]);
  }
}

class NetworkRun implements AskingRun {
  readonly #model: NetworkModel;
  readonly #shares: Float64Array;
  #settling: number;
  #quality: ScoreQuality = "good";

  constructor(model: NetworkModel) {
    this.#model = model;
    this.#settling = model.settlingRows;
    this.#shares = new Float64Array(model.reading.means.length);
  }

  get learning(): boolean {
    return this.#settling > 0;
  }

  get settlingRows(): number {
    return this.#model.settlingRows;
  }

  get quality(): ScoreQuality {
    return this.#quality;
  }

  observe(): number {
    assert.fail("a network is asked and answers later");
  }

  /** A missing feature is given as its mean: a network has no other way to be told nothing. */
  ask(features: Float64Array): Float32Array | undefined {
    const { means, deviations } = this.#model.reading;
    const row = new Float32Array(features.length);
    let missing = 0;
    for (let i = 0; i < row.length; i++) {
      const value = features[i]!;
      if (!Number.isFinite(value)) missing++;
      else row[i] = Math.max(-deviationsMax, Math.min(deviationsMax, (value - means[i]!) / deviations[i]!));
    }
    this.#quality = qualityOf(missing, row.length);
    if (this.#settling === 0) return this.#quality === "bad" ? undefined : row;
    this.#settling--;
    return undefined;
  }

  judge(asked: Float32Array, answer: Float32Array): number {
    const { reading, output } = this.#model;
    if (reading.answer.kind === "value") {
      // What the network made of each input is not known. For a score, what is unusual about the row stands in for it; of a
      // prediction nothing is said.
      for (let i = 0; i < asked.length; i++) this.#shares[i] = asked[i]! ** 2;
      const value = reading.answer.scale * answer[0]! + reading.answer.offset;
      // Not cut: NaN must be seen.
      if (value < output.low) return output.low;
      return value > output.high ? output.high : value;
    }
    let sum = 0;
    for (let i = 0; i < asked.length; i++) sum += this.#shares[i] = (answer[i]! - asked[i]!) ** 2;
    return sum / asked.length / reading.answer.limit;
  }

  contributions(into: Float64Array): void {
    if (this.#model.output.kind !== "score") {
      into.fill(0);
      return;
    }
    const total = this.#shares.reduce((sum, share) => sum + share, 0);
    for (let i = 0; i < into.length; i++) into[i] = total > 0 ? this.#shares[i]! / total : 1 / into.length;
  }

  forgetContext(): void {
    this.#settling = this.#model.settlingRows;
  }

  save(to: StateWriter): void {
    to.number(this.#settling);
  }

  load(from: StateReader): void {
    this.#settling = from.number();
  }
}

export function networkFormat(format: NetworkFormat): Format {
  return {
    methods: ["reconstruction", "value"],
    outputs: ["score", "quantity", "probability"],
    files: ["network.json", ...networkFiles[format]],
    load: (manifest, files) => load(format, manifest, files),
  };
}

function load(
  format: NetworkFormat,
  { features, output, method }: Pick<Manifest, "features" | "output" | "method">,
  given: ReadonlyMap<string, Uint8Array>,
): NetworkModel {
  const reading = readJson(networkSchema, given.get("network.json")!, "network.json");
  const { input, means, deviations, answer } = reading;
  if (answer.kind !== method)
    throw new RangeError(`network.json answers by ${answer.kind}, the manifest says ${method}`);
  if (answer.kind === "reconstruction" && output.kind !== "score")
    throw new RangeError("a reconstruction gives a score");
  const numbers = numbersIn(input, "the input of the network");
  for (const [name, count] of Object.entries({ input: numbers, means: means.length, deviations: deviations.length })) {
    if (count !== features.length)
      throw new RangeError(`${name} has ${count} numbers, there are ${features.length} features`);
  }
  const files = Object.fromEntries(networkFiles[format].map((name) => [name, given.get(name)!]));
  const outputs = answer.kind === "reconstruction" ? numbers : 1;
  const network: Network = { format, files, inputShape: input, outputs };
  if (format === "onnx") readOnnx(files["model.onnx"]!, network);
  else readTfjs(format, files["model.json"]!, files["weights.bin"]!.length);
  return new NetworkModel(network, reading, outputOf(output), Math.max(...features.map(rowsBack)));
}

function outputOf(output: Manifest["output"]): NetworkOutput {
  const { kind } = output;
  if (kind === "probability") return { kind, low: 0, high: 1 };
  if (kind === "score") return { kind, low: 0, high: Infinity };
  const [low, high] = output.range;
  if (!(low < high)) throw new RangeError(`the range of the output is ${low} to ${high}`);
  return { kind, low, high };
}

/** A network was trained on full windows: half of one is nothing that it knows. */
function rowsBack(feature: PackagedFeature): number {
  switch (feature.kind) {
    case "lag":
      return feature.rows;
    case "mean":
    case "slope":
      return feature.rows - 1;
    default:
      return 0;
  }
}
