import type { ScoreQuality } from "../detector.ts";
import type { Feature } from "../features/feature.ts";
import { FeaturePipeline } from "../features/pipeline.ts";
import { FittedDetector, type RowModel } from "../fitted-detector.ts";
import type { StateReader, StateWriter } from "../state.ts";

/** A model of rows together with the way from a row to what the model looks at. */
export interface RowRecipe {
  readonly inputs: readonly string[];
  readonly features: readonly Feature[];
  readonly model: RowModel;
}

/** A feature further from normal than this many deviations is cut: squares of it must stay numbers. */
const deviationsMax = 1e6;

/**
 * Rows of one device → features → score. Training, golden vectors and serving all run this, so that they cannot differ.
 * The score is in units of the limit: 1 is at the limit.
 */
export class RowScorer {
  readonly #recipe: RowRecipe;
  readonly #detector: FittedDetector;
  readonly #row: Float64Array;
  readonly #shares: Float64Array;
  readonly #sources: readonly (readonly number[])[];
  #pipeline: FeaturePipeline;

  constructor(recipe: RowRecipe) {
    this.#recipe = recipe;
    this.#detector = new FittedDetector(recipe.model);
    this.#pipeline = new FeaturePipeline(recipe.inputs, recipe.features);
    this.#row = new Float64Array(recipe.features.length);
    this.#shares = new Float64Array(recipe.features.length);
    this.#sources = recipe.features.map((feature) => inputsOf(feature).map((input) => recipe.inputs.indexOf(input)));
  }

  /** True until enough rows came since the start or a gap; scores are 0 and say nothing. */
  get learning(): boolean {
    return this.#detector.learning;
  }

  /** How many rows that is. */
  get settlingRows(): number {
    return this.#detector.settlingRows;
  }

  /** Of the score given last. */
  get quality(): ScoreQuality {
    return this.#detector.quality;
  }

  observe(row: Float64Array): number {
    this.#pipeline.observe(row, this.#row);
    this.#cut();
    return this.#detector.observe(this.#row);
  }

  #cut(): void {
    const { means, deviations } = this.#recipe.model.scaling;
    for (let i = 0; i < this.#row.length; i++) {
      const reach = deviationsMax * deviations[i]!;
      const value = this.#row[i]!;
      if (value > means[i]! + reach) this.#row[i] = means[i]! + reach;
      else if (value < means[i]! - reach) this.#row[i] = means[i]! - reach;
    }
  }

  /** The share of each input (not feature) in the score given last; together 1. */
  contributions(into: Float64Array): void {
    this.#detector.contributions(this.#shares);
    into.fill(0);
    this.#sources.forEach((inputs, f) => {
      for (const input of inputs) into[input]! += this.#shares[f]! / inputs.length;
    });
  }

  gap(): void {
    this.#pipeline = new FeaturePipeline(this.#recipe.inputs, this.#recipe.features);
    this.#detector.forgetContext();
  }

  save(to: StateWriter): void {
    this.#pipeline.save(to);
    this.#detector.save(to);
  }

  load(from: StateReader): void {
    this.#pipeline.load(from);
    this.#detector.load(from);
  }
}

function inputsOf(feature: Feature): readonly string[] {
  if (feature.kind === "age") return [];
  return "input" in feature ? [feature.input] : [feature.left, feature.right];
}
