import { NetworkModel } from "../formats/network.ts";
import { networkLimits, type NetworkLimits } from "../networks/network-thread.ts";
import { RemoteNetwork } from "../networks/remote-network.ts";
import { RowScorer, type RowRecipe } from "../rows/row-scorer.ts";
import { disturbed, type Golden } from "./golden.ts";
import { invalid } from "./json.ts";
import type { ModelPackage } from "./model-package.ts";

/*
 * Networks count with 32-bit numbers, each library and processor in an order of its own. So their golden rows need not give
 * the same bits, but outputs that agree within a part of the output, or of 1 where it is smaller.
 */
const toleranceOfOutput = 1e-3;

/** What is said where nothing is asked: too much is missing, or too few rows came. */
const noOutput = 0;

/**
 * Starts what a package needs in order to score: its network, in a thread, which has to answer the golden rows. Of other packages they were
 * checked when they were opened. Whoever brings a package up closes it. Throws MODEL_LIBRARY and MODEL_INVALID.
 */
export async function bringUp(
  { recipe, golden }: ModelPackage,
  limits: NetworkLimits = networkLimits,
  program?: URL,
): Promise<void> {
  const { model } = recipe;
  if (!(model instanceof NetworkModel) || model.remote !== undefined) return;
  const remote = await RemoteNetwork.open(model.network, limits, program);
  model.remote = remote;
  const outputs = await outputsOf(recipe, remote, golden.rows);
  const fault = typeof outputs === "string" ? outputs : differenceOf(outputs, golden.scores);
  if (fault === undefined) return;
  await closeModel(recipe);
  throw invalid(`golden.json: ${fault}`);
}

/** Ends the thread of a package's network, if it has one. */
export async function closeModel({ model }: RowRecipe): Promise<void> {
  await model.remote?.close();
  if (model instanceof NetworkModel) delete model.remote;
}

/** Has a network answer its golden rows, and ends it again. Throws as `bringUp`. */
export async function prove(opened: ModelPackage): Promise<void> {
  await bringUp(opened);
  await closeModel(opened.recipe);
}

/** As `makeGolden`, for a model in another thread that is not brought up. Throws MODEL_LIBRARY and MODEL_INVALID. */
export async function makeNetworkGolden(
  recipe: RowRecipe<NetworkModel>,
  rows: readonly Float64Array[],
): Promise<Golden> {
  const given = disturbed(rows);
  const remote = await RemoteNetwork.open(recipe.model.network);
  recipe.model.remote = remote;
  try {
    const outputs = await outputsOf(recipe, remote, given);
    if (typeof outputs === "string") throw invalid(outputs);
    return { rows: given, scores: outputs };
  } finally {
    await closeModel(recipe);
  }
}

/** A sentence where it does not answer. */
async function outputsOf(recipe: RowRecipe, remote: RemoteNetwork, rows: Golden["rows"]): Promise<number[] | string> {
  const scorer = new RowScorer(recipe);
  const asked = rows.map((row) => scorer.ask(Float64Array.from(row, (value) => value ?? Number.NaN)));
  const questions = asked.filter((row) => row !== undefined);
  if (questions.length === 0) return "no row has an output: nothing is proven by them";
  const answers = await remote.rehearse(questions);
  if (typeof answers === "string") return answers;
  let next = 0;
  return asked.map((row) => (row === undefined ? noOutput : scorer.judge(row, answers[next++]!)));
}

function differenceOf(given: readonly number[], wanted: readonly number[]): string | undefined {
  const wrong = given.findIndex((output, r) => {
    const difference = Math.abs(output - wanted[r]!);
    return !(difference <= toleranceOfOutput * Math.max(1, Math.abs(wanted[r]!)));
  });
  return wrong < 0 ? undefined : `row ${wrong} gives ${given[wrong]} instead of ${wanted[wrong]}`;
}
