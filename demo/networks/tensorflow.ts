import { find } from "../../edge/inference/networks/libraries/library.ts";
import { seededRandom } from "../../src/random.ts";
import type { PackageFile } from "../../src/model-package/limits.ts";

/* Trains small dense networks with TensorFlow.js, and gives them as the files of a package. */

interface Tensor {
  dispose(): void;
}

interface Model {
  compile(options: object): void;
  trainOnBatch(inputs: Tensor, targets: Tensor): Promise<number>;
  predictOnBatch(inputs: Tensor): Tensor & { data(): Promise<Float32Array> };
  save(to: object): Promise<unknown>;
}

interface Core {
  readonly io: { readonly withSaveHandler: (save: (artifacts: Artifacts) => Promise<object>) => object };
  readonly train: { readonly adam: (rate: number) => { learningRate: number } };
  /** Keeps it from advertising. */
  enableProdMode(): void;
  setBackend(name: string): Promise<boolean>;
  tensor2d(values: Float32Array, shape: readonly [number, number]): Tensor;
}

interface Layers {
  readonly sequential: () => Model & { add(layer: object): void };
  readonly layers: { readonly dense: (options: object) => object };
  readonly initializers: { readonly glorotUniform: (options: { seed: number }) => object };
}

interface Artifacts {
  readonly modelTopology: object;
  readonly weightSpecs: object[];
  readonly weightData: ArrayBuffer;
}

export interface Training {
  /** Numbers of each layer, the input and the output among them. */
  readonly sizes: readonly number[];
  readonly activation: "tanh" | "relu";
  readonly epochs: number;
  readonly batchRows: number;
  /** Of Adam; it falls to a twentieth on a line. */
  readonly rate: number;
  readonly seed: number;
}

/** A network in the library that trained it. */
export class TrainedDense {
  readonly files: ReadonlyMap<PackageFile, Uint8Array>;
  readonly #tf: Core;
  readonly #model: Model;

  constructor(tf: Core, model: Model, files: ReadonlyMap<PackageFile, Uint8Array>) {
    this.#tf = tf;
    this.#model = model;
    this.files = files;
  }

  async predict(rows: readonly Float32Array[]): Promise<Float32Array> {
    const inputs = tensorOf(this.#tf, rows);
    const answer = this.#model.predictOnBatch(inputs);
    const values = await answer.data();
    inputs.dispose();
    answer.dispose();
    return values;
  }
}

/** Minimises the mean squared error. The same rows and options give the same network on the same machine. */
export async function trainDense(
  rows: readonly Float32Array[],
  targets: readonly Float32Array[],
  { sizes, activation, epochs, batchRows, rate, seed }: Training,
): Promise<TrainedDense> {
  const tf = await library<Core>("tfjs-core");
  const tfl = await library<Layers>("tfjs-layers");
  await library<object>("tfjs-backend-cpu");
  tf.enableProdMode();
  await tf.setBackend("cpu");
  const model = tfl.sequential();
  for (const [l, units] of sizes.slice(1).entries()) {
    const isLast = l === sizes.length - 2;
    const kernelInitializer = tfl.initializers.glorotUniform({ seed: seed + l });
    const inputShape = l === 0 ? { inputShape: [sizes[0]] } : {};
    model.add(
      tfl.layers.dense({ units, activation: isLast ? "linear" : activation, kernelInitializer, ...inputShape }),
    );
  }
  const optimizer = tf.train.adam(rate);
  model.compile({ optimizer, loss: "meanSquaredError" });
  const random = seededRandom(seed);
  const order = rows.map((_, r) => r);
  for (let epoch = 0; epoch < epochs; epoch++) {
    optimizer.learningRate = rate * (1 - (0.95 * epoch) / epochs);
    shuffle(order, random);
    for (let at = 0; at < order.length; at += batchRows) {
      const batch = order.slice(at, at + batchRows);
      const inputs = tensorOf(
        tf,
        batch.map((r) => rows[r]!),
      );
      const wanted = tensorOf(
        tf,
        batch.map((r) => targets[r]!),
      );
      await model.trainOnBatch(inputs, wanted);
      inputs.dispose();
      wanted.dispose();
    }
  }
  return new TrainedDense(tf, model, await filesOf(tf, model));
}

async function library<Module>(part: string): Promise<Module> {
  const found = find(`@tensorflow/${part}`, "tensorflow");
  if (found === undefined) {
    throw new Error("TensorFlow.js is not installed: npm ci --ignore-scripts --prefix libraries/tensorflow");
  }
  const module = (await import(found.url(""))) as Module & { readonly default?: Module };
  return module.default ?? module;
}

/** Fisher and Yates. */
function shuffle(order: number[], random: () => number): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
}

function tensorOf(tf: Core, rows: readonly Float32Array[]): Tensor {
  const width = rows[0]!.length;
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, r) => values.set(row, r * width));
  return tf.tensor2d(values, [rows.length, width]);
}

async function filesOf(tf: Core, model: Model): Promise<ReadonlyMap<PackageFile, Uint8Array>> {
  const { promise, resolve } = Promise.withResolvers<Artifacts>();
  await model.save(
    tf.io.withSaveHandler(async (artifacts) => {
      resolve(artifacts);
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
    }),
  );
  const { modelTopology, weightSpecs, weightData } = await promise;
  const json = {
    format: "layers-model",
    modelTopology,
    weightsManifest: [{ paths: ["weights.bin"], weights: weightSpecs }],
  };
  return new Map<PackageFile, Uint8Array>([
    ["model.json", Buffer.from(`${JSON.stringify(json)}\n`)],
    ["weights.bin", new Uint8Array(weightData)],
  ]);
}
