import { Type, type Static } from "typebox";
import type { RowModel } from "../fitted-detector.ts";
import type { Matrix } from "../learn/matrix.ts";
import type { Pca } from "../learn/pca.ts";
import { featuresMax } from "./manifest.ts";

/*
 * Numbers as JSON: a double that JSON carries comes back with the same bits, and a person can read the file. What must
 * not be 0 or negative is refused here, so that a model cannot divide by it.
 */
const closed = { additionalProperties: false } as const;
const numbers = Type.Array(Type.Number(), { maxItems: featuresMax });
const positives = Type.Array(Type.Number({ exclusiveMinimum: 0 }), { maxItems: featuresMax });
const square = Type.Array(Type.Number(), { maxItems: featuresMax * featuresMax });
const smoothing = Type.Number({ minimum: 0.002, maximum: 1 });

const pca = Type.Object({ variances: positives, loadings: square }, closed);
export const weightsSchema = Type.Object(
  {
    means: numbers,
    deviations: positives,
    limits: positives,
    chart: Type.Union([
      Type.Object({ kind: Type.Literal("mspc"), smoothing, raw: pca, smoothed: pca }, closed),
      Type.Object({ kind: Type.Literal("var"), smoothing, coefficients: square, lower: square }, closed),
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
    chart:
      chart.kind === "mspc"
        ? { kind: "mspc", smoothing: chart.smoothing, raw: pcaWeights(chart.raw), smoothed: pcaWeights(chart.smoothed) }
        : {
            kind: "var",
            smoothing: chart.smoothing,
            coefficients: [...chart.coefficients.data],
            lower: [...chart.lower.data],
          },
  };
}

function pcaWeights({ variances, loadings }: Pca): { variances: number[]; loadings: number[] } {
  return { variances: [...variances], loadings: [...loadings.data] };
}

/** The model of so many features. Throws a RangeError that says which part has the wrong shape. */
export function modelOf({ means, deviations, limits, chart }: Weights, features: number): RowModel {
  requireLength("means", means, features);
  requireLength("deviations", deviations, features);
  requireLength("limits", limits, chart.kind === "mspc" ? 4 : 2);
  const scaling = { means: Float64Array.from(means), deviations: Float64Array.from(deviations) };
  return { scaling, limits: Float64Array.from(limits), chart: chartOf(chart, features) };
}

function chartOf(chart: Weights["chart"], n: number): RowModel["chart"] {
  const { smoothing } = chart;
  if (chart.kind === "mspc") {
    return { kind: "mspc", smoothing, raw: pcaOf("raw", chart.raw, n), smoothed: pcaOf("smoothed", chart.smoothed, n) };
  }
  const lower = matrix("lower", chart.lower, n, n);
  for (let i = 0; i < n; i++) if (!(lower.data[i * n + i]! > 0)) throw new RangeError("lower has no positive diagonal");
  return { kind: "var", smoothing, coefficients: matrix("coefficients", chart.coefficients, n, n), lower };
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
