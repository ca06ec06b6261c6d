import { clearThreshold, raiseThreshold } from "../episode.ts";
import type { PredictionOptions } from "../options.ts";
import { intervalAt } from "../package/interval.ts";
import { onAlertScale } from "./score-scale.ts";
import type { Predicts, Purpose } from "./served-model.ts";

/** What an output means for alerts. */
export interface Meaning {
  /** On the scale of alerts. */
  readonly score: number;
  /** How far it is from where it should be, in any unit: whether an open episode is worth an update. */
  readonly deviation: number;
  readonly isAbnormal: boolean;
}

/** Says what an output means; undefined where no alert can come of it. Throws a RangeError where it cannot be true. */
export type Judge = (output: number) => Meaning | undefined;

export function judgeOf(purpose: Purpose, options: PredictionOptions | undefined): Judge {
  if (purpose.kind === "detects") return (ratio) => meaningOfScore(ratio, purpose.clear);
  const limit = limitOf(purpose, options?.alert);
  return (output) => {
    requirePossible(output, purpose);
    return limit === undefined ? undefined : limit(output);
  };
}

function meaningOfScore(ratio: number, clear: number): Meaning {
  if (!(ratio >= 0 && ratio < Infinity)) throw new RangeError(`the score of a row is ${ratio}`);
  return { score: onAlertScale(ratio, clear), deviation: ratio, isAbnormal: ratio >= 1 };
}

function requirePossible(output: number, { output: { kind } }: Predicts): void {
  if (Number.isFinite(output) && (kind === "quantity" || (output >= 0 && output <= 1))) return;
  throw new RangeError(`the prediction of a row is ${output}`);
}

/** Without a margin it is normal again at a tenth of the range before the limit. */
const marginPart = 0.1;

function limitOf({ output, interval }: Predicts, alert: PredictionOptions["alert"]): Judge | undefined {
  if (alert === undefined) return undefined;
  const [lowest, highest] = output.kind === "quantity" ? output.range : [0, 1];
  const margin = alert.margin ?? marginPart * (highest - lowest);
  const limit = "below" in alert ? alert.below : alert.above;
  const sign = "below" in alert ? 1 : -1;
  return (prediction) => {
    const { low, high } = interval === undefined ? {} : intervalAt(interval, prediction);
    // Where an end of the interval is open there is only the prediction itself.
    const number = (alert.of === "low" ? low : alert.of === "high" ? high : undefined) ?? prediction;
    const beyond = (sign * (limit - number)) / margin;
    // So that an update comes when it has got worse by half of the margin and more, not by half of next to nothing.
    return { score: scoreBeyond(beyond), deviation: 1 + Math.max(beyond, 0), isAbnormal: beyond >= 0 };
  };
}

/**
 * On the scale of alerts: 0 margins beyond the limit is the raise threshold, a margin before it the clear threshold.
 * Keeps the order.
 */
function scoreBeyond(margins: number): number {
  if (margins >= 0) return 1 - (1 - raiseThreshold) / (1 + margins);
  if (margins >= -1) return raiseThreshold + (raiseThreshold - clearThreshold) * margins;
  return clearThreshold / -margins;
}
