import { Type, type Static } from "typebox";
import { quantileOf } from "../learn/quantile.ts";
import { binOf, bins } from "./psi.ts";

/** How something was distributed in the data of a training: the edges part it into as many as there are bins. */
const histogramSchema = Type.Object(
  {
    edges: Type.Array(Type.Number(), {
      minItems: bins - 1,
      maxItems: bins - 1,
      description: "Upper end of each bin but the last.",
    }),
    parts: Type.Array(Type.Number({ minimum: 0, maximum: 1 }), { minItems: bins, maxItems: bins }),
    minutes: Type.Number({ exclusiveMinimum: 0, description: "Of machine time that it comes from." }),
  },
  { additionalProperties: false },
);
export type Histogram = Static<typeof histogramSchema>;

/** Of fewer values nothing is told. */
const valuesMin = 100;

/**
 * Where the bins of a histogram lie. `even`: all hold as much, to tell any change of a distribution. `beyond`: the first
 * and the last hold 1 % each, to tell what lies outside of it.
 */
const quantiles = {
  even: Array.from({ length: bins - 1 }, (_, i) => (i + 1) / bins),
  beyond: Array.from({ length: bins - 1 }, (_, i) => 0.01 + (0.98 * i) / (bins - 2)),
} as const;

/** Of rows that are `periodMs` apart; NaN is left out. Null where there are too few. */
function histogramOf(values: Float64Array, periodMs: number, kind: keyof typeof quantiles): Histogram | null {
  const known = values.filter(Number.isFinite);
  if (known.length < valuesMin) return null;
  const edges = quantiles[kind].map((share) => quantileOf(known, share));
  const counts = new Float64Array(bins);
  for (const value of known) counts[binOf(edges, value)]!++;
  const parts = Array.from(counts, (count) => count / known.length);
  return { edges, parts, minutes: (known.length * periodMs) / 60_000 };
}

export const expectedSchema = Type.Object(
  {
    inputs: Type.Array(Type.Union([histogramSchema, Type.Null()]), { description: "In the order of `inputs`." }),
    output: Type.Union([histogramSchema, Type.Null()]),
  },
  {
    additionalProperties: false,
    description: "How inputs and output were distributed: what a gateway sees later is compared with it.",
  },
);
export type Expected = Static<typeof expectedSchema>;

/** Of the rows of a training, and of what the model says of rows that it was not fitted on. */
export function expectedOf(
  { inputs, outputs }: { readonly inputs: readonly Float64Array[]; readonly outputs: Float64Array },
  periodMs: number,
  kind: keyof typeof quantiles,
): Expected {
  return {
    inputs: inputs.map((values) => histogramOf(values, periodMs, kind)),
    output: histogramOf(outputs, periodMs, kind),
  };
}
