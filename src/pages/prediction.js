import { h, name } from "./dom.js";
import { age, percent, unit, value } from "./format.js";
import { spark } from "./spark.js";

/** What a model expects of a device, with how sure it is and how it came to it. `nowMs`: since 1970, as on the gateway. */
export function predictionItem(record, nowMs, title) {
  return h(
    "li",
    { class: "prediction", "data-key": `${record.model} ${record.device}` },
    h("h3", {}, title),
    h("p", {}, h("b", {}, predictionText(record)), " ", h("span", { class: "quiet" }, intervalText(record))),
    record.trend.length > 0 && h("div", {}, spark(evenly(record), undefined)),
    h(
      "p",
      { class: "quiet" },
      [
        age(Math.max(0, nowMs - Date.parse(record.time))),
        beforeText(record, nowMs),
        whyText(record),
        record.quality && "uncertain: inputs were missing or doubted",
        `${record.model} ${record.version}`,
      ]
        .filter(Boolean)
        .join(" · "),
    ),
  );
}

/** The name of what is predicted, for a title. */
export function predictedName(record) {
  return name(record.name);
}

function predictionText(record) {
  return record.output === "probability" ? percent(record.value) : `${value(record.value)} ${unit(record.unit)}`.trim();
}

/** What the chart shows, in words. */
function beforeText(record, nowMs) {
  const [first] = record.trend;
  if (first === undefined) return undefined;
  return `was ${predictionText({ ...record, value: first.value })} ${age(Math.max(0, nowMs - Date.parse(first.time)))}`;
}

function intervalText({ interval }) {
  if (interval === undefined) return "";
  const { low, high, coverage } = interval;
  const sure = `in ${Math.round(100 * coverage)} of 100 cases`;
  if (low !== undefined && high !== undefined) return `${value(low)} to ${value(high)} ${sure}`;
  if (low !== undefined) return `at least ${value(low)} ${sure}`;
  return high === undefined ? "" : `at most ${value(high)} ${sure}`;
}

const reasonsMax = 3;

/** `mostly vibration 4.8 (−23.1), age (−12)`: what each adds. */
function whyText({ contributions, output }) {
  // Of a network it is not known.
  if (contributions.length === 0) return undefined;
  const reasons = contributions.slice(0, reasonsMax).map(({ metric, value: reading, effect }) => {
    const amount = `${effect > 0 ? "+" : "−"}${value(Math.abs(effect))}`;
    return `${metric}${reading === undefined ? "" : ` ${value(reading)}`} (${amount})`;
  });
  return `mostly ${reasons.join(", ")}${output === "probability" ? ", as log odds" : ""}`;
}

const slots = 60;

/** Predictions hold until the next one; a spark wants its points at an even pace. */
function evenly({ trend, time, value }) {
  const points = [...trend, { time, value }].map((point) => ({ ms: Date.parse(point.time), value: point.value }));
  const [from, to] = [points[0].ms, points.at(-1).ms];
  if (from === to) return [value];
  return Array.from({ length: slots }, (_, i) => {
    const ms = from + ((to - from) * i) / (slots - 1);
    return points.findLast((point) => point.ms <= ms + 1)?.value ?? points[0].value;
  });
}
