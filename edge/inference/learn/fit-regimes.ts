import type { RowModel } from "../fitted-detector.ts";
import type { RegimeRow } from "../regime-detector.ts";
import { withLimits, type Fit, type LimitOptions } from "./fit-rows.ts";
import { matrixFrom, rowsOf, type Matrix } from "./matrix.ts";

/** The later part of the rows of a regime sets the limits, the earlier one is fitted. */
const limitsPart = 0.3;
/** Fewer rows per input than this give a model of noise. */
const rowsPerInputMin = 10;

/**
 * Fits one model per regime on rows in order of time. A regime that was seen too rarely is left out: its rows then
 * have no score, and quality says so.
 */
export function fitRegimes(
  rows: readonly RegimeRow[],
  fit: (normal: Matrix) => Fit,
  limits: LimitOptions,
): Map<string, RowModel> {
  const models = new Map<string, RowModel>();
  for (const [regime, members] of Map.groupBy(rows, (row) => row.regime)) {
    const matrix = matrixFrom(members.map(({ row }) => row));
    const fitted = Math.floor(matrix.rows * (1 - limitsPart));
    if (fitted < rowsPerInputMin * matrix.columns) continue;
    const normal = rowsOf(matrix, 0, fitted);
    models.set(regime, withLimits(fit(normal), rowsOf(matrix, fitted, matrix.rows), limits));
  }
  return models;
}
