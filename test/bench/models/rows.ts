import type { FittedDetector } from "../../../edge/inference/fitted-detector.ts";
import { rowOf, type Matrix } from "../../../edge/inference/learn/matrix.ts";
import { StateWriter } from "../../../edge/inference/state.ts";
import { cpuMicrosPer } from "./cpu.ts";

/** The score of every row, in order. */
export function scoresOf(detector: FittedDetector, rows: Matrix): Float64Array {
  return Float64Array.from({ length: rows.rows }, (_, r) => detector.observe(rowOf(rows, r)));
}

export function stateBytesOf(detector: FittedDetector): number {
  const to = new StateWriter();
  detector.save(to);
  return to.done().length;
}

export function cpuMicrosPerRow(detector: FittedDetector, rows: Matrix): number {
  const passes = Math.ceil(20_000 / rows.rows);
  return cpuMicrosPer(passes * rows.rows, () => {
    for (let pass = 0; pass < passes; pass++) scoresOf(detector, rows);
  });
}
