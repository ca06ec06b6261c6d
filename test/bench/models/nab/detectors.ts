import { ContextSurprise } from "../../../../edge/inference/context-surprise.ts";
import { StateWriter } from "../../../../edge/inference/state.ts";
import { probationRows } from "./scoring.ts";
import type { LabelledSeries } from "./series.ts";

/** After an alarm comes a rest of this part of the probation, as detectors that are measured on this benchmark do. */
const restPart = 0.15;
const restFrom = 0.3;

export type RangeRule =
  /** The smallest and largest value of the whole series, as the benchmark hands them to every detector. */
  | "given"
  /** Nothing is known before the first value. */
  | "causal";

/** The default detector with its defaults. It never sees the name of the series, its labels or its length. */
export function contextSurprise(rule: RangeRule): (series: LabelledSeries) => Float64Array {
  return ({ values, timesMicros }) => {
    const detector = new ContextSurprise(rule === "given" ? rangeOf(values) : undefined);
    const scores = values.map((value, i) => detector.observe(value, timesMicros[i]!, true));
    return rest(scores, Math.floor(restPart * probationRows(values.length)));
  };
}

export function contextSurpriseStateBytes(series: LabelledSeries): number {
  const detector = new ContextSurprise(rangeOf(series.values));
  for (let i = 0; i < series.values.length; i++) detector.observe(series.values[i]!, series.timesMicros[i]!, true);
  const to = new StateWriter();
  detector.save(to);
  return to.done().length;
}

/** Nothing is said for `rows` rows after a score that counts as an alarm. */
function rest(scores: Float64Array, rows: number): Float64Array {
  let left = 0;
  return scores.map((score) => {
    if (left > 0) {
      left--;
      return 0;
    }
    if (score >= restFrom) left = rows;
    return score;
  });
}

function rangeOf(values: Float64Array): readonly [number, number] {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}
