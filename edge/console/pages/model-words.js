import { percent, unit, value } from "./format.js";

/** A score or a prediction in words, with whether it is within what is normal. */
export function readingOfModel(newest, { predicts, normal }) {
  if (!predicts) {
    const score = value(Number(newest.toPrecision(3)));
    return newest >= 1 ? `${score} times its limit, abnormal` : `${score} of its limit`;
  }
  const text =
    predicts.unit === "1" ? percent(newest) : `${value(Number(newest.toPrecision(4)))} ${unit(predicts.unit)}`;
  const isBeyond = normal && (newest < normal[0] || newest > normal[1]);
  return `${text}${isBeyond ? ", beyond the limit" : ""}`;
}

export const driftWords = {
  unknown: "not known: the package does not say what its training data was like",
  learning: "learning, for the first day",
  ok: "as in training",
  warn: "differs from training",
  degraded: "no longer what it was trained on: what it says is doubtful",
};
