import assert from "node:assert/strict";
import { TidegateError } from "../../../src/errors.ts";
import { NetworkModel } from "../formats/network.ts";
import { intervalAt } from "../package/interval.ts";
import type { ModelPackage } from "../package/model-package.ts";
import { joinRows, type RowExplanation } from "./row-explanation.ts";
import { inputsOf, RowScorer } from "./row-scorer.ts";
import type { Reading } from "./row-table.ts";

/** What belongs to no metric, among the contributions. */
const ageName = "age";

interface LastRow {
  asked: Float32Array | undefined;
  values: Float64Array;
  timeMicros: number;
  rows: number;
}

/**
 * As `explainLastRow`, of a network that was brought up. Of a reconstruction the contribution of a metric is its share in
 * the error. Of a value it is by how much the output changes when all features of the metric are put to their means: the
 * mean of taking it out of the row, and of putting it alone into a row of means. For both the network is asked at most 132
 * rows at once, in its thread and within its time. Throws MODEL_INVALID where it gives no answer.
 */
export async function explainNetworkRow(
  { manifest, recipe }: Pick<ModelPackage, "manifest" | "recipe">,
  readings: Iterable<Reading>,
): Promise<RowExplanation | undefined> {
  const { model } = recipe;
  assert(model instanceof NetworkModel && model.remote !== undefined);
  const scorer = new RowScorer(recipe);
  const last: LastRow = { asked: undefined, values: new Float64Array(), timeMicros: 0, rows: 0 };
  joinRows(manifest, readings, {
    row: (values, timeMicros) => {
      last.asked = scorer.ask(values);
      last.values = values.slice();
      last.timeMicros = timeMicros;
      last.rows++;
    },
    gap: () => scorer.gap(),
  });
  if (last.rows === 0) return undefined;
  const { asked, values, timeMicros, rows } = last;
  const isReconstruction = model.reading.answer.kind === "reconstruction";
  const said =
    asked === undefined
      ? { output: Number.NaN, base: Number.NaN, contributions: recipe.inputs.map(() => Number.NaN) }
      : isReconstruction
        ? await shares(scorer, model.remote, asked, recipe.inputs.length)
        : await effects(scorer, model.remote, asked, groupsOf(recipe));
  const interval = manifest.prediction?.interval;
  const hasInterval = interval !== undefined && Number.isFinite(said.output);
  return {
    timeMicros,
    rows,
    learning: asked === undefined && scorer.quality !== "bad",
    quality: scorer.quality,
    output: said.output,
    interval: hasInterval ? intervalAt(interval, said.output) : {},
    base: said.base,
    statistics: [],
    inputs: said.contributions.map((contribution, i) => ({
      metric: recipe.inputs[i] ?? ageName,
      value: values[i] ?? Number.NaN,
      contribution,
    })),
    features: [],
  };
}

interface Said {
  readonly output: number;
  /** Of a row in which everything is as on average. */
  readonly base: number;
  /** By metric; then of the age, where there is one. */
  readonly contributions: readonly number[];
}

type Remote = NonNullable<NetworkModel["remote"]>;

async function shares(scorer: RowScorer, remote: Remote, asked: Float32Array, inputs: number): Promise<Said> {
  const [output] = await outputsOf(scorer, remote, [asked]);
  const contributions = new Float64Array(inputs);
  scorer.contributions(contributions);
  return { output: output!, base: 0, contributions: [...contributions] };
}

/** Places of the features that have to do with each metric, and of the age. */
function groupsOf({ inputs, features }: ModelPackage["recipe"]): number[][] {
  const placesOf = (isOf: (sources: readonly string[]) => boolean): number[] =>
    features.flatMap((feature, f) => (isOf(inputsOf(feature)) ? [f] : []));
  const age = placesOf((sources) => sources.length === 0);
  return [...inputs.map((input) => placesOf((sources) => sources.includes(input))), ...(age.length === 0 ? [] : [age])];
}

/** Zeros are means: what the network is asked is scaled. */
async function effects(
  scorer: RowScorer,
  remote: Remote,
  asked: Float32Array,
  groups: readonly (readonly number[])[],
): Promise<Said> {
  const means = new Float32Array(asked.length);
  const without = groups.map((group) => asked.map((value, f) => (group.includes(f) ? 0 : value)));
  const alone = groups.map((group) => asked.map((value, f) => (group.includes(f) ? value : 0)));
  const [output, base, ...others] = await outputsOf(scorer, remote, [asked, means, ...without, ...alone]);
  const contributions = groups.map((_, g) => (output! - others[g]! + others[groups.length + g]! - base!) / 2);
  return { output: output!, base: base!, contributions };
}

async function outputsOf(scorer: RowScorer, remote: Remote, rows: readonly Float32Array[]): Promise<number[]> {
  const answers = await remote.answer(rows);
  if (answers === undefined) {
    throw new TidegateError("MODEL_INVALID", `the network gave no answer: ${remote.fault ?? "it was late or failed"}`);
  }
  return rows.map((row, r) => scorer.judge(row, answers[r]!));
}
