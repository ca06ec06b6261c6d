import { parseWireTime } from "../../../src/observation/time.ts";
import type { PredictionRecord } from "../../../src/wire/predictions.ts";
import type { Purpose } from "./served-model.ts";

/** Micros in a unit of time (UCUM). A life in cycles or in hours of work cannot be told from when it ended. */
export const timeUnits: Readonly<Record<string, number>> = {
  s: 1_000_000,
  min: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/**
 * By how much each prediction of a remaining life was too long, in the unit of the output, where the life began at
 * `fromMicros` and ended at `endMicros`. Empty where no remaining time is predicted.
 */
export function errorsOfLife(
  purpose: Purpose,
  last: PredictionRecord | undefined,
  fromMicros: number,
  endMicros: number,
): number[] {
  if (purpose.kind !== "predicts" || purpose.output.kind !== "quantity" || last === undefined) return [];
  const unitMicros = timeUnits[purpose.output.unit];
  if (unitMicros === undefined) return [];
  const [, most] = purpose.output.range;
  return [...last.trend, last].flatMap(({ time, value }) => {
    const timeMicros = parseWireTime(time)!;
    if (timeMicros <= fromMicros || timeMicros > endMicros) return [];
    // What is predicted is cut to the range; the truth is, too.
    return [value - Math.min((endMicros - timeMicros) / unitMicros, most)];
  });
}
