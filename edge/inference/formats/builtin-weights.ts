import { Type, type Static } from "typebox";
import type { RowModel } from "../fitted-detector.ts";
import { pastMax } from "../learn/fit-rows.ts";
import type { Matrix } from "../learn/matrix.ts";
import type { Pca } from "../learn/pca.ts";
import { featuresMax } from "../package/manifest.ts";

/*
 * Numbers as JSON: a double that JSON carries comes back with the same bits, and a person can read the file. What must
 * not be 0 or negative is refused here, so that a model cannot divide by it.
 */
const closed = { additionalProperties: false } as const;
const numbers = Type.Array(Type.Number(), { maxItems: featuresMax });
const positives = Type.Array(Type.Number({ exclusiveMinimum: 0 }), { maxItems: featuresMax });
const square = Type.Array(Type.Number(), { maxItems: featuresMax * featuresMax });
const smoothing = Type.Number({ minimum: 0.002, maximum: 1 });

const lags = Type.Integer({ minimum: 1, maximum: 16 });
const pastSquare = Type.Array(Type.Number(), { maxItems: pastMax * pastMax });

const pca = Type.Object({ variances: positives, loadings: square }, closed);
export const weightsSchema = Type.Object(
  {
    means: numbers,
    deviations: positives,
    limits: positives,
    chart: Type.Union([
      Type.Object({ kind: Type.Literal("mspc"), smoothing, raw: pca, smoothed: pca }, closed),
      Type.Object({ kind: Type.Literal("var"), smoothing, coefficients: square, lower: square }, closed),
      Type.Object({ kind: Type.Literal("cva"), smoothing, lags, lower: pastSquare, states: pastSquare }, closed),
    ]),
  },
  closed,
);
export type Weights = Static<typeof weightsSchema>;

export function weightsOf({ scaling, chart, limits }: RowModel): Weights {
  return {
    means: [...scaling.means],
    deviations: [...scaling.deviations],
    limits: [...limits],
    chart: chartWeights(chart),
  };
}

function chartWeights(chart: RowModel["chart"]): Weights["chart"] {
  const { smoothing } = chart;
  switch (chart.kind) {
    case "mspc":
      return { kind: "mspc", smoothing, raw: pcaWeights(chart.raw), smoothed: pcaWeights(chart.smoothed) };
    case "var":
      return { kind: "var", smoothing, coefficients: [...chart.coefficients.data], lower: [...chart.lower.data] };
    case "cva": {
      const { lags, lower, states } = chart;
      return { kind: "cva", smoothing, lags, lower: [...lower.data], states: [...states.data] };
    }
  }
}

function pcaWeights({ variances, loadings }: Pca): { variances: number[]; loadings: number[] } {
  return { variances: [...variances], loadings: [...loadings.data] };
}

/** The model of so many features. Throws a RangeError that says which part has the wrong shape. */
export function modelOf({ means, deviations, limits, chart }: Weights, features: number): RowModel {
  requireLength("means", means, features);
  requireLength("deviations", deviations, features);
  requireLength("limits", limits, chart.kind === "var" ? 2 : 4);
  const scaling = { means: Float64Array.from(means), deviations: Float64Array.from(deviations) };
  return { scaling, limits: Float64Array.from(limits), chart: chartOf(chart, features) };
}

function chartOf(chart: Weights["chart"], n: number): RowModel["chart"] {
  const { smoothing } = chart;
  if (chart.kind === "mspc") {
    return { kind: "mspc", smoothing, raw: pcaOf("raw", chart.raw, n), smoothed: pcaOf("smoothed", chart.smoothed, n) };
  }
  if (chart.kind === "cva") {
    const length = n * chart.lags;
    const states = matrix("states", chart.states, Math.floor(chart.states.length / length), length);
    if (states.rows < 1 || states.rows > length) throw new RangeError(`there are ${states.rows} states`);
    return { kind: "cva", smoothing, lags: chart.lags, lower: triangle(chart.lower, length), states };
  }
  const coefficients = matrix("coefficients", chart.coefficients, n, n);
  return { kind: "var", smoothing, coefficients, lower: triangle(chart.lower, n) };
}

function triangle(data: readonly number[], n: number): Matrix {
  const lower = matrix("lower", data, n, n);
  for (let i = 0; i < n; i++) if (!(lower.data[i * n + i]! > 0)) throw new RangeError("lower has no positive diagonal");
  return lower;
}

function pcaOf(name: string, { variances, loadings }: Static<typeof pca>, inputs: number): Pca {
  const components = variances.length;
  if (components < 1 || components > inputs) throw new RangeError(`${name} has ${components} components`);
  const directions = matrix(`${name}.loadings`, loadings, components, inputs);
  return { inputs, components, variances: Float64Array.from(variances), loadings: directions };
}

function matrix(name: string, data: readonly number[], rows: number, columns: number): Matrix {
  requireLength(name, data, rows * columns);
  return { rows, columns, data: Float64Array.from(data) };
}

function requireLength(name: string, values: readonly number[], length: number): void {
  if (values.length !== length) throw new RangeError(`${name} has ${values.length} numbers instead of ${length}`);
}
