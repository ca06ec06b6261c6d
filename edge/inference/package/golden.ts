import { Type, type Static } from "typebox";
import { RowScorer, type RowRecipe } from "../rows/row-scorer.ts";
import { inputsMax } from "./manifest.ts";

/** Rows of training data, some of them disturbed, and the output that each must give: on every machine the same bits. */
export const goldenSchema = Type.Object(
  {
    rows: Type.Array(Type.Array(Type.Union([Type.Number(), Type.Null()]), { maxItems: inputsMax }), {
      minItems: 10,
      maxItems: 1000,
    }),
    scores: Type.Array(Type.Number(), { maxItems: 1000 }),
  },
  { additionalProperties: false },
);
export type Golden = Static<typeof goldenSchema>;

/** Every so many rows one input is missing, and one is far from normal: those ways of the code are held too. */
const missingEvery = 7;
const disturbedEvery = 11;

export function makeGolden(recipe: RowRecipe, rows: readonly Float64Array[]): Golden {
  const given = disturbed(rows);
  return { rows: given, scores: scoresOf(recipe, given) };
}

export function disturbed(rows: readonly Float64Array[]): Golden["rows"] {
  return rows.map((row, r) =>
    Array.from(row, (value, i) => {
      if (r % missingEvery === missingEvery - 1 && i === Math.floor(r / missingEvery) % row.length) return null;
      if (!Number.isFinite(value)) return null;
      const isDisturbed =
        r % disturbedEvery === disturbedEvery - 1 && i === Math.floor(r / disturbedEvery) % row.length;
      return isDisturbed ? value * 1.5 + 1 : value;
    }),
  );
}

/** What is wrong with their shape, before anything is run. */
export function goldenShapeFault({ inputs }: RowRecipe, { rows, scores }: Golden): string | undefined {
  if (rows.length !== scores.length) return `${rows.length} rows have ${scores.length} scores`;
  if (scores.every((score) => score === scores[0])) return `every row gives ${scores[0]}: nothing is proven by them`;
  const wide = rows.findIndex((row) => row.length !== inputs.length);
  return wide < 0 ? undefined : `row ${wide} has ${rows[wide]!.length} values instead of ${inputs.length}`;
}

/** What is wrong; undefined where every row gives its output. */
export function goldenFault(recipe: RowRecipe, { rows, scores }: Golden): string | undefined {
  const given = scoresOf(recipe, rows);
  const wrong = given.findIndex((score, r) => score !== scores[r]);
  return wrong < 0 ? undefined : `row ${wrong} gives ${given[wrong]} instead of ${scores[wrong]}`;
}

function scoresOf(recipe: RowRecipe, rows: Golden["rows"]): number[] {
  const scorer = new RowScorer(recipe);
  return rows.map((row) => scorer.observe(Float64Array.from(row, (value) => value ?? Number.NaN)));
}
