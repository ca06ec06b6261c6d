import { clearThreshold, raiseThreshold } from "../episode.ts";

/**
 * A score in units of its limit, on the scale that episodes and alerts use: the limit becomes the raise threshold,
 * `clear` the clear threshold, and what is far above comes near to 1. Keeps the order, so nothing is lost.
 */
export function onAlertScale(score: number, clear: number): number {
  if (score < clear) return (clearThreshold * score) / clear;
  if (score < 1) return clearThreshold + ((raiseThreshold - clearThreshold) * (score - clear)) / (1 - clear);
  return 1 - (1 - raiseThreshold) / score;
}
