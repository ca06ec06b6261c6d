import { h, name } from "./dom.js";
import { age, percent, unit, value } from "./format.js";
import { spark } from "./spark.js";

/** What a model expects of a device, with how sure it is and how it came to it. `nowMs`: since 1970, as on the gateway. `doubt`: why it may not hold any more. */
export function predictionItem(record, nowMs, title, doubt) {
  return h(
    "li",
    { class: "prediction", "data-key": `${record.model} ${record.name} ${record.device}` },
    h("h3", {}, title),
    h("p", {}, h("b", {}, predictionText(record)), " ", h("span", { class: "quiet" }, intervalText(record))),
    record.trend.length > 0 && h("div", { class: "trend" }, spark(evenly(record), undefined)),
    h("p", { class: "quiet" }, facts(record, nowMs)),
    doubt && h("p", { class: "flag" }, doubt),
  );
}

function facts(record, nowMs) {
  const all = [
    age(Math.max(0, nowMs - Date.parse(record.time))),
    beforeText(record, nowMs),
    why(record),
    record.quality && "uncertain: inputs were missing or doubted",
    name(`${record.model} ${record.version}`),
  ].filter(Boolean);
  return all.flatMap((fact, at) => (at === 0 ? [fact] : [" · ", fact]));
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

/** `mostly vibration 4.8 (−23.1 h), age (−12 h)`: what each adds. */
function why({ contributions, output, unit: ucum }) {
  // Of a network it is not known.
  if (contributions.length === 0) return undefined;
  const reasons = contributions.slice(0, reasonsMax).map(({ metric, value: reading, effect }) => {
    const amount = output === "probability" ? oddsText(effect) : amountText(effect, ucum);
    return `${metric}${reading === undefined ? "" : ` ${value(reading)}`} (${amount})`;
  });
  return name(`mostly ${reasons.join(", ")}`);
}

function amountText(effect, ucum) {
  return `${effect > 0 ? "+" : "−"}${value(Math.abs(effect))} ${unit(ucum)}`.trim();
}

/** Effects on a probability come as log odds, which nobody reads. */
function oddsText(effect) {
  const factor = Math.exp(Math.abs(effect)).toPrecision(2);
  return effect > 0 ? `odds × ${Number(factor)}` : `odds ÷ ${Number(factor)}`;
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
