import type { ScoreQuality } from "../detector.ts";
import { TreeAttribution } from "../trees/attribution.ts";
import { predict, probability, type Trees } from "../trees/trees.ts";
import { qualityOf, type FittedModel, type Format, type ModelRun } from "./format.ts";
import { readTrees, writeTrees } from "./gbdt-weights.ts";
import type { PackageFile } from "../../../src/model-package/limits.ts";

/** From the sum of the trees to the output: it is cut to a range, or it is log odds and becomes a probability. */
export type Link =
  | { readonly kind: "range"; readonly low: number; readonly high: number }
  | { readonly kind: "logistic" };

/** Boosted trees over features. */
export class GbdtModel implements FittedModel {
  readonly trees: Trees;
  readonly #link: Link;
  readonly #attribution: TreeAttribution;

  constructor(trees: Trees, link: Link) {
    this.trees = trees;
    this.#link = link;
    this.#attribution = new TreeAttribution(trees);
  }

  /** Of a probability: log odds. */
  get base(): number {
    return this.#attribution.base;
  }

  start(): ModelRun {
    return new GbdtRun(this.trees, this.#link, this.#attribution);
  }

  files(): ReadonlyMap<PackageFile, Uint8Array> {
    return new Map([["weights.bin", writeTrees(this.trees)]]);
  }
}

/** Keeps nothing from row to row: what was before is in the features. */
class GbdtRun implements ModelRun {
  readonly learning = false;
  readonly settlingRows = 0;
  readonly #trees: Trees;
  readonly #link: Link;
  readonly #attribution: TreeAttribution;
  readonly #row: Float64Array;
  #quality: ScoreQuality = "good";

  constructor(trees: Trees, link: Link, attribution: TreeAttribution) {
    this.#trees = trees;
    this.#link = link;
    this.#attribution = attribution;
    this.#row = new Float64Array(trees.inputs);
  }

  get quality(): ScoreQuality {
    return this.#quality;
  }

  observe(features: Float64Array): number {
    this.#row.set(features);
    this.#quality = qualityOf(
      features.reduce((count, value) => count + Number(Number.isNaN(value)), 0),
      features.length,
    );
    const sum = predict(this.#trees, this.#row);
    if (this.#link.kind === "logistic") return probability(sum);
    return Math.min(Math.max(sum, this.#link.low), this.#link.high);
  }

  contributions(into: Float64Array): void {
    this.#attribution.attribute(this.#row, into);
  }

  forgetContext(): void {}
  save(): void {}
  load(): void {}
}

export const gbdtFormat: Format = {
  methods: ["gbdt"],
  outputs: ["quantity", "probability"],
  files: ["weights.bin"],
  load({ features, output }, files) {
    const trees = readTrees(files.get("weights.bin")!, features.length);
    const [low, high] = output.kind === "quantity" ? output.range : [];
    if (low === undefined || high === undefined) return new GbdtModel(trees, { kind: "logistic" });
    if (!(low < high)) throw new RangeError(`the range of the output is ${low} to ${high}`);
    return new GbdtModel(trees, { kind: "range", low, high });
  },
};
