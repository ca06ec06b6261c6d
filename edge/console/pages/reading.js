import { h, name } from "./dom.js";
import { age, rangeText, unit, value } from "./format.js";
import { spark } from "./spark.js";

/** A value with its unit; how much it can be trusted shows by form, and `flags` say it in words. */
export function reading(metric, ageMs, size = "") {
  const state = metric.quality === "bad" ? "bad" : ageMs > metric.staleAfterMs ? "stale" : "";
  const number = metric.value ?? metric.exact;
  return h(
    "span",
    { class: `reading ${size} ${state}` },
    number === undefined || number === null ? "no value" : value(number),
    unit(metric.unit) && h("span", { class: "unit" }, `\u00a0${unit(metric.unit)}`),
  );
}

/** What is not as it should be with a reading, in words; empty where all is well. */
export function flags(metric, ageMs) {
  const found = [];
  const outside = outsideOf(metric);
  if (outside) found.push(flag(`${outside} the normal ${rangeText(metric.range, metric.unit)}`, true));
  if (ageMs > metric.staleAfterMs) found.push(flag(`Stale: last value ${age(ageMs)}`));
  if (metric.quality === "uncertain") found.push(flag("Uncertain: the device doubts this value"));
  if (metric.quality === "bad") found.push(flag("Bad: the device says that this value is wrong"));
  if (metric.drift === "warn") found.push(flag("Drift: differs from what its model learned"));
  if (metric.drift === "degraded")
    found.push(flag("Drift: no longer what its model learned; scores are doubtful", true));
  return found;
}

function flag(text, needsLook = false) {
  return h("span", { class: needsLook ? "flag needs-look" : "flag" }, text);
}

function outsideOf({ range, value: number, quality }) {
  if (!range || typeof number !== "number" || quality === "bad") return undefined;
  if (number > range[1]) return "Above";
  return number < range[0] ? "Below" : undefined;
}

/** One line per metric: name, value, the last hour. That a whole device is silent, its card says once. */
export function readingRow(metric, elapsedMs, isSilent) {
  const ageMs = metric.ageMs + elapsedMs;
  return h(
    "li",
    { "data-key": metric.name },
    h("span", {}, name(metric.label)),
    reading(metric, ageMs),
    h("span", { class: ageMs > metric.staleAfterMs ? "stale-line" : "" }, spark(metric.spark, metric.range)),
    isSilent ? undefined : flags(metric, ageMs),
  );
}
