import { smooth } from "../charts/chart.ts";
import { chartOf, type RowModel } from "../fitted-detector.ts";
import { fitVariates } from "./cva.ts";
import { choleskyOf, covarianceOf, matrixOf, rowOf, type Matrix } from "./matrix.ts";
import { fitPca } from "./pca.ts";
import { tailQuantile } from "./tail.ts";
import { scaled, scaleRow, scalingOf } from "./scaling.ts";
import { fitAutoregression } from "./var.ts";

export interface MspcOptions {
  /** Weight of the newest row in the smoothed inputs. */
  readonly smoothing: number;
  /** Share of the variance that the kept components explain. */
  readonly explained: number;
}

export interface VarOptions {
  readonly smoothing: number;
  /** Added to the variance of every (scaled) input of the regression: holds it steady when rows are few. */
  readonly ridge: number;
}

export interface CvaOptions {
  readonly smoothing: number;
  /** Rows of the past, and of the future that they are to tell. */
  readonly lags: number;
  /** Added to the variance of every (scaled) input of past and future: holds both steady when rows are few. */
  readonly ridge: number;
  /** Directions of the past whose canonical correlation with the future is below are no states. */
  readonly correlation: number;
}

export interface LimitOptions {
  /** Part of normal rows that may be above the limit. */
  readonly falseAlarms: number;
  /** The limits are this many times as wide: for a process that wanders more than the rows at hand show. */
  readonly headroom: number;
}

/** Where a model keeps every direction, Q is what rounding leaves: a limit from that would be one of noise. */
const limitMin = 1e-9;

export const mspcDefaults: MspcOptions = { smoothing: 0.05, explained: 0.98 };
export const varDefaults: VarOptions = { smoothing: 0.1, ridge: 0.01 };

export const cvaDefaults: CvaOptions = { smoothing: 0.1, lags: 3, ridge: 0.01, correlation: 0.5 };

/** A model of normal operation without limits. Rows are in order of time, at an even pace; NaN is missing. */
export type Fit = Omit<RowModel, "limits">;

/** PCA of the raw and of the smoothed inputs. */
export function fitMspc(normal: Matrix, { smoothing, explained }: MspcOptions = mspcDefaults): Fit {
  const scaling = scalingOf(normal);
  const rows = withoutMissing(scaled(scaling, normal));
  const raw = fitPca(rows, explained);
  const smoothed = fitPca(smoothedRows(rows, smoothing), explained);
  return { scaling, chart: { kind: "mspc", smoothing, raw, smoothed } };
}

/** Vector autoregression of order 1. */
export function fitVar(normal: Matrix, { smoothing, ridge }: VarOptions = varDefaults): Fit {
  const scaling = scalingOf(normal);
  const rows = withoutMissing(scaled(scaling, normal));
  const { coefficients, innovations } = fitAutoregression(rows, ridge);
  const lower = choleskyOf(withFloor(covarianceOf(innovations)));
  return { scaling, chart: { kind: "var", smoothing, coefficients, lower } };
}

/** A past is at most so many numbers long: many inputs have fewer lags. */
export const pastMax = 256;

/** Canonical variate analysis. */
export function fitCva(normal: Matrix, options: CvaOptions = cvaDefaults): Fit {
  const scaling = scalingOf(normal);
  const rows = withoutMissing(scaled(scaling, normal));
  const lags = Math.max(1, Math.min(options.lags, Math.floor(pastMax / normal.columns)));
  const variates = fitVariates(rows, { ...options, lags });
  return { scaling, chart: { kind: "cva", smoothing: options.smoothing, lags, ...variates } };
}

/**
 * Sets the limits by normal rows that the model was not fitted on: limits from its own rows are too narrow. First
 * every statistic gets the same chance of a false alarm, then all together the one that is wanted.
 */
export function withLimits(fit: Fit, normal: Matrix, { falseAlarms, headroom }: LimitOptions): RowModel {
  const measured = measure(fit, normal);
  const limits = Float64Array.from(measured, (values) => Math.max(tailQuantile(values, falseAlarms), limitMin));
  const worst = measured[0]!.map((_, r) => Math.max(...measured.map((values, i) => values[r]! / limits[i]!)));
  const together = tailQuantile(worst, falseAlarms);
  return { ...fit, limits: limits.map((limit) => limit * together * headroom) };
}

/** Each statistic of the chart, row by row. */
function measure({ scaling, chart: model }: Fit, rows: Matrix): Float64Array[] {
  const chart = chartOf(model);
  const result = Array.from(chart.statistics, () => new Float64Array(rows.rows));
  const row = new Float64Array(rows.columns);
  for (let r = 0; r < rows.rows; r++) {
    scaleRow(scaling, rowOf(rows, r), row);
    chart.measure(row, missingIn(row));
    chart.statistics.forEach((value, i) => (result[i]![r] = value));
  }
  return result;
}

function missingIn(row: Float64Array): Uint8Array {
  return Uint8Array.from(row, (value) => (Number.isFinite(value) ? 0 : 1));
}

/** A missing number of normal data is taken to be as the one before. */
function withoutMissing(rows: Matrix): Matrix {
  const { columns, data } = rows;
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) data[i] = i < columns ? 0 : data[i - columns]!;
  }
  return rows;
}

function smoothedRows(rows: Matrix, weight: number): Matrix {
  const result = matrixOf(rows.rows, rows.columns);
  const mean = new Float64Array(rows.columns);
  for (let r = 0; r < rows.rows; r++) {
    smooth(mean, rowOf(rows, r), weight);
    rowOf(result, r).set(mean);
  }
  return result;
}

/** An input that follows exactly from the others must not divide by 0. */
function withFloor(covariance: Matrix): Matrix {
  const n = covariance.rows;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += covariance.data[i * n + i]!;
  const floor = Math.max((1e-6 * trace) / n, Number.MIN_VALUE ** 0.25);
  for (let i = 0; i < n; i++) covariance.data[i * n + i]! += floor;
  return covariance;
}
