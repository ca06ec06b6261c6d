import { formatWireTime } from "../../../src/observation/time.ts";
import type { AlertFeedback, AlertState, AlertView, Suppression } from "../../console/view.ts";
import { plainText, timeText } from "../words.ts";

/* Alerts as the commands print them; the words of ANSI/ISA-18.2. */

export const stateTexts: Readonly<Record<AlertState, string>> = {
  unacknowledged: "unacknowledged",
  acknowledged: "acknowledged",
  "returned-unacknowledged": "returned, not acknowledged",
  returned: "returned to normal",
};

export function microsText(micros: number): string {
  return timeText(formatWireTime(micros));
}

export function suppressionText({ kind, reason, by, sinceMicros, untilMicros }: Suppression): string {
  const until = untilMicros === undefined ? "" : `, until ${microsText(untilMicros)}`;
  const word = kind === "shelved" ? "shelved" : "out of service";
  return `${word} since ${microsText(sinceMicros)}${until}, by the ${by}: ${plainText(reason)}`;
}

export function feedbackText({ verdict, note, micros, by }: AlertFeedback): string {
  return `${verdict}, ${microsText(micros)} by the ${by}${note === "" ? "" : `: ${plainText(note)}`}`;
}

/** For a column. */
export function stateText({ state, suppression }: AlertView): string {
  if (suppression === undefined) return stateTexts[state];
  return `${stateTexts[state]}, ${suppression.kind === "shelved" ? "shelved" : "out of service"}`;
}

export function scopeText({
  device,
  metric,
}: {
  readonly device: string;
  readonly metric: string | undefined;
}): string {
  return metric === undefined ? `all metrics of ${plainText(device)}` : `${plainText(metric)} of ${plainText(device)}`;
}
