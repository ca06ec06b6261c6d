import { makeTrend } from "./chart.js";
import { fill, h, island, name } from "./dom.js";
import { rangeText, unit, wireMs, zone } from "./format.js";
import { address, notice } from "./frame.js";
import { get, getAll } from "./fleet-api.js";
import { deviceMissing, outside, reading } from "./fleet-device.js";
import { lastData, levels } from "./fleet-parts.js";

const minuteMs = 60_000;
const spans = [
  { hours: 1, text: "1 hour" },
  { hours: 6, text: "6 hours" },
  { hours: 24, text: "24 hours" },
];

export function metricView(id, metricName) {
  let hours = 1;
  let trend;

  const load = async () => {
    const { now } = await get("status");
    const toMs = wireMs(now);
    const fromMs = Math.floor(toMs / minuteMs - hours * 60) * minuteMs;
    const query = { level: "device", key: id, from: new Date(fromMs).toISOString().replace("Z", "000Z") };
    const [device, { alerts }, { items }] = await Promise.all([
      get(`devices/${encodeURIComponent(id)}`),
      get("alerts", { device: id, state: "recent", limit: 100 }),
      getAll("rollups", "rollups", query, 2),
    ]);
    const metric = device.metrics.find((candidate) => candidate.name === metricName);
    return { now, device, metric, trend: trendOf(items, metric, fromMs, toMs, alerts) };
  };

  const render = (data, { serverNow, load }) => {
    if (data.metric === undefined) return [noMetric(id, metricName)];
    const isCounter = data.metric.kind === "counter";
    trend ??= makeTrend({ ...subjectOf(data.metric), lineLabel: isCounter ? "Increase" : "Mean" });
    const choose = (event) => {
      hours = Number(event.target.value);
      void load();
    };
    return page(data, { serverNow, hours, choose, isEmpty: data.trend.line.every((point) => point === null) });
  };

  const drawn = ({ trend: points }) => {
    if (trend === undefined || points === undefined) return;
    fill("trend-chart", trend.element);
    void trend.show(points).catch(() => undefined);
  };
  return {
    title: `${metricName} of ${id}`,
    load,
    render,
    drawn,
    close: () => trend?.destroy(),
    missing: deviceMissing,
  };
}

/** A counter's own value says little: its increase per minute does, and that has no normal range. */
function subjectOf({ label, unit, range, kind }) {
  return kind === "counter"
    ? { label: `${label}, increase per minute`, unit, range: undefined }
    : { label, unit, range: range ?? undefined };
}

/** One point per minute, null where no record fell into it: a gap is a gap. */
function trendOf(rollups, metric, fromMs, toMs, alerts) {
  if (metric === undefined) return undefined;
  const byWindow = new Map(rollups.map((rollup) => [wireMs(rollup.window), rollup.metrics[metric.name]]));
  const timesMs = Array.from(
    { length: Math.max(1, Math.floor((toMs - fromMs) / minuteMs) + 1) },
    (_, at) => fromMs + at * minuteMs,
  );
  const column = (pick) =>
    timesMs.map((ms) => byWindow.get(ms)).map((window) => (window === undefined ? null : (pick(window) ?? null)));
  const isCounter = metric.kind === "counter";
  return {
    timesMs,
    low: column(isCounter ? ({ increase }) => increase : ({ min }) => min),
    high: column(isCounter ? ({ increase }) => increase : ({ max }) => max),
    line: column(isCounter ? ({ increase }) => increase : ({ mean }) => mean),
    marksMs: alerts.filter((alert) => alert.metric === metric.name).map(({ raised }) => wireMs(raised)),
  };
}

function page({ device, metric }, { serverNow, hours, choose, isEmpty }) {
  return [
    levels({ site: device.site, line: device.line, device: device.device, metric: metric.label }),
    h("h1", {}, name(metric.label), " ", h("span", { class: "quiet" }, "of ", name(device.device))),
    h(
      "div",
      { class: "panels" },
      h(
        "section",
        { class: "panel", "aria-label": "Last value" },
        h(
          "p",
          {},
          reading(metric, "large"),
          " ",
          h("span", { class: "quiet" }, lastData(metric.last?.time, serverNow)),
        ),
        outside(metric),
      ),
      h(
        "section",
        { class: "panel", "aria-labelledby": "trend" },
        h("div", { class: "panel-head" }, h("h2", { id: "trend" }, "By the minute"), spanChoice(hours, choose)),
        isEmpty &&
          h(
            "p",
            { role: "status" },
            "No record within this time. Choose a longer one, or look at the device's last data.",
          ),
        h("div", { hidden: isEmpty }, legend(metric), island("trend-chart")),
      ),
    ),
  ];
}

function spanChoice(hours, onchange) {
  return h(
    "span",
    {},
    h("label", { for: "span" }, "The last "),
    h(
      "select",
      { id: "span", onchange },
      spans.map((span) => h("option", { value: String(span.hours), selected: span.hours === hours }, span.text)),
    ),
  );
}

function legend(metric) {
  const isCounter = metric.kind === "counter";
  return h(
    "p",
    { class: "legend" },
    h(
      "span",
      { class: "is-line" },
      `${isCounter ? "increase" : "time-weighted mean"}${unit(metric.unit) && `, ${unit(metric.unit)}`}`,
    ),
    !isCounter && h("span", { class: "is-data" }, "lowest to highest"),
    !isCounter && metric.range && h("span", { class: "is-range" }, `normal ${rangeText(metric.range, metric.unit)}`),
    `Dashed line: an alert was raised. Gap: no record. Times: ${zone()}.`,
  );
}

function noMetric(id, metricName) {
  return notice(
    `${id} has no metric ${metricName}`,
    h("p", {}, h("a", { href: address("device", id) }, "To its other metrics")),
  );
}
