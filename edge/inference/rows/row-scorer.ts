import assert from "node:assert/strict";
import type { ScoreQuality } from "../detector.ts";
import type { Feature } from "../features/feature.ts";
import { FeaturePipeline } from "../features/pipeline.ts";
import { isAsking, type AskingRun, type FittedModel, type ModelRun } from "../formats/format.ts";
import type { StateReader, StateWriter } from "../state.ts";

/** A model of rows together with the way from a row to what the model looks at. */
export interface RowRecipe<Model extends FittedModel = FittedModel> {
  readonly inputs: readonly string[];
  readonly features: readonly Feature[];
  readonly model: Model;
}

/**
 * Rows of one device → features → output of the model. Training, golden vectors and serving all run this, so that they
 * cannot differ.
 */
export class RowScorer {
  readonly pipeline: FeaturePipeline;
  readonly run: ModelRun;
  /** Of the row observed last. */
  readonly features: Float64Array;
  readonly #shares: Float64Array;
  readonly #sources: readonly (readonly number[])[];

  constructor(recipe: RowRecipe) {
    this.run = recipe.model.start();
    this.pipeline = new FeaturePipeline(recipe.inputs, recipe.features);
    this.features = new Float64Array(recipe.features.length);
    this.#shares = new Float64Array(recipe.features.length);
    this.#sources = recipe.features.map((feature) => inputsOf(feature).map((input) => recipe.inputs.indexOf(input)));
  }

  /** True until enough rows came since the start or a gap; outputs say nothing. */
  get learning(): boolean {
    return this.run.learning;
  }

  /** How many rows that is. */
  get settlingRows(): number {
    return this.run.settlingRows;
  }

  /** Of the output given last. */
  get quality(): ScoreQuality {
    return this.run.quality;
  }

  observe(row: Float64Array): number {
    this.pipeline.observe(row, this.features);
    return this.run.observe(this.features);
  }

  /** For a model in another thread, instead of `observe`: the row as it wants it, if there is anything to ask. */
  ask(row: Float64Array): Float32Array | undefined {
    this.pipeline.observe(row, this.features);
    return this.#asking.ask(this.features);
  }

  /** The output that follows from the answer to what was asked. In the order of the rows. */
  judge(asked: Float32Array, answer: Float32Array): number {
    return this.#asking.judge(asked, answer);
  }

  get #asking(): AskingRun {
    assert(isAsking(this.run), "its model is in this thread");
    return this.run;
  }

  /**
   * What each input (not feature) has to do with the output given last, as the model's run says it. Returns what belongs
   * to none: the age of the machine.
   */
  contributions(into: Float64Array): number {
    this.run.contributions(this.#shares);
    into.fill(0);
    let age = 0;
    this.#sources.forEach((inputs, f) => {
      for (const input of inputs) into[input]! += this.#shares[f]! / inputs.length;
      if (inputs.length === 0) age += this.#shares[f]!;
    });
    return age;
  }

  gap(): void {
    this.pipeline.forgetContext();
    this.run.forgetContext();
  }

  /** The machine is as new. */
  beginLife(): void {
    this.pipeline.forgetLife();
    this.run.forgetContext();
  }

  save(to: StateWriter): void {
    this.pipeline.save(to);
    this.run.save(to);
  }

  load(from: StateReader): void {
    this.pipeline.load(from);
    this.run.load(from);
  }
}

/** The metrics that a feature is made of; none of the machine's age. */
export function inputsOf(feature: Feature): readonly string[] {
  if (feature.kind === "age") return [];
  return "input" in feature ? [feature.input] : [feature.left, feature.right];
}
