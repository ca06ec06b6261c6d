import { makeTrend } from "./chart.js";
import { deviceMissing, deviceScreen } from "./device-view.js";
import { fill, h, island, name } from "./dom.js";
import { age, rangeText, unit, zone } from "./format.js";
import { address, notice } from "./frame.js";
import { levels } from "./levels.js";
import { fetchOnce } from "./live.js";
import { flags, reading } from "./reading.js";

const againMs = 10_000;

export function metricView(id, metricName) {
  let trend;
  let timer;
  /** "loading", "shown", "empty", "failed" */
  let state = "loading";
  let alerts = [];
  let redraw = () => {};

  const load = async () => {
    const path = `/api/v1/devices/${encodeURIComponent(id)}/metrics/${encodeURIComponent(metricName)}/trend`;
    const answer = await fetchOnce(path);
    if (timer === undefined) return;
    timer = setTimeout(load, againMs);
    const isEmpty = !answer.ok || answer.ok.last.every((point) => point === null);
    state = answer.failed ? "failed" : isEmpty ? "empty" : "shown";
    redraw();
    if (state === "shown") await trend.show(trendOf(answer.ok, alerts, metricName)).catch(() => (state = "failed"));
  };

  return {
    title: `${metricName} of ${id}`,
    screen: deviceScreen(id),
    missing: deviceMissing,
    render(data, context) {
      const metric = data.device.metrics.find(({ name }) => name === metricName);
      if (metric === undefined) return [noMetric(data, metricName)];
      ({ redraw } = context);
      ({ alerts } = data);
      trend ??= makeTrend({ label: metric.label, unit: metric.unit, range: metric.range, lineLabel: "Last" });
      return page(data, metric, context.elapsedMs, state);
    },
    drawn() {
      if (trend !== undefined) fill("trend-chart", trend.element);
      if (timer === undefined && trend !== undefined) timer = setTimeout(load, 0);
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
      trend?.destroy();
    },
  };
}

function trendOf({ timesMs, low, high, last }, alerts, metricName) {
  const marksMs = alerts
    .filter(({ record }) => record.metric === metricName)
    .map(({ raisedMicros }) => raisedMicros / 1000);
  return { timesMs, low, high, line: last, marksMs };
}

function page({ gateway, device }, metric, elapsedMs, state) {
  const ageMs = metric.ageMs + elapsedMs;
  return [
    levels(gateway, { line: device.path, device: device.id, metric: metric.label }),
    h("h1", {}, name(metric.label), " ", h("span", { class: "quiet" }, "of ", name(device.id))),
    h(
      "div",
      { class: "panels" },
      h(
        "section",
        { class: "panel", "aria-label": "Now" },
        h("p", {}, reading(metric, ageMs, "large"), " ", h("span", { class: "quiet" }, age(ageMs))),
        flags(metric, ageMs),
      ),
      h(
        "section",
        { class: "panel", "aria-labelledby": "trend" },
        h("h2", { id: "trend" }, "The last hour"),
        stateLine(state),
        h("div", { hidden: state === "empty" }, legend(metric), island("trend-chart")),
      ),
    ),
  ];
}

function stateLine(state) {
  if (state === "loading") return h("p", { role: "status" }, "Loading the trend …");
  if (state === "empty") return h("p", {}, "No numbers within the last hour. The first one starts the trend.");
  return (
    state === "failed" && h("p", { role: "status" }, "The trend could not be loaded; trying again every 10 seconds.")
  );
}

function legend(metric) {
  return h(
    "p",
    { class: "legend" },
    h("span", { class: "is-line" }, `last value${unit(metric.unit) && `, ${unit(metric.unit)}`}`),
    h("span", { class: "is-data" }, "lowest to highest"),
    metric.range && h("span", { class: "is-range" }, `normal ${rangeText(metric.range, metric.unit)}`),
    `Dashed line: an alert was raised. Gap: nothing was received. Times: ${zone()}.`,
  );
}

function noMetric({ device }, metricName) {
  return notice(
    `${device.id} has no metric ${metricName} yet`,
    h("p", {}, h("a", { href: address("device", device.id) }, "To its other metrics")),
  );
}
