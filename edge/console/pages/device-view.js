import { makeAlertActions } from "./alert-actions.js";
import { alertItem } from "./alert.js";
import { alertOf } from "./alerts-view.js";
import { deviceAge } from "./device-card.js";
import { h, name } from "./dom.js";
import { age, rangeText } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";
import { predictedName, predictionItem } from "./prediction.js";
import { flags, reading } from "./reading.js";
import { spark } from "./spark.js";

export function deviceScreen(id) {
  return { stream: `of=device&${new URLSearchParams({ id })}`, get: `/api/v1/devices/${encodeURIComponent(id)}` };
}

export const deviceMissing =
  "No device of this name has sent anything since the gateway started. Check the name, or the connection that it comes through.";

export function deviceView(id, session) {
  const actions = makeAlertActions(session);
  return {
    title: `Device ${id}`,
    screen: deviceScreen(id),
    missing: deviceMissing,
    render: (data, context) => render(data, context, actions),
  };
}

function render({ gateway, device, alerts, predictions, suppressions }, context, actions) {
  const { now, elapsedMs } = context;
  const isOut = suppressions.some(({ kind, metric }) => kind === "out-of-service" && metric === undefined);
  return [
    levels(gateway, { line: device.path, device: device.id }),
    h("h1", {}, name(device.id)),
    h(
      "p",
      { class: "quiet" },
      `${deviceAge(device, elapsedMs)} · through `,
      name(device.source || "no source yet"),
      " · profile ",
      name(device.profile),
    ),
    h(
      "div",
      { class: "panels" },
      alerts.length > 0 &&
        h(
          "section",
          { class: "panel", "aria-labelledby": "alerts" },
          h("h2", { id: "alerts" }, "Alerts"),
          h(
            "ul",
            {},
            alerts.map((alert) => alertItem(alertOf(alert, now), now, actions.ofAlert(alert, context))),
          ),
        ),
      predictions.length > 0 &&
        h(
          "section",
          { class: "panel", "aria-labelledby": "predictions" },
          h("h2", { id: "predictions" }, "Predictions"),
          h(
            "ul",
            { class: "rows" },
            predictions.map((record) =>
              predictionItem(record, gateway.nowMicros / 1000 + elapsedMs, predictedName(record)),
            ),
          ),
        ),
      suppressions.length > 0 &&
        h(
          "section",
          { class: "panel", "aria-labelledby": "suppressed" },
          h("h2", { id: "suppressed" }, "Alerts that are shelved or out of service"),
          h("ul", { class: "rows" }, actions.suppressions(suppressions, context)),
        ),
      h(
        "section",
        { "aria-label": "Metrics" },
        device.metrics.length === 0 && h("p", {}, "No value yet. The first message shows its metrics here."),
        h(
          "ul",
          { class: "metrics" },
          device.metrics.map((metric) => metricCard(device.id, metric, elapsedMs)),
        ),
      ),
      actions.ofDevice(device.id, isOut, context),
      actions.outcome(),
    ),
  ];
}

function metricCard(device, metric, elapsedMs) {
  const ageMs = metric.ageMs + elapsedMs;
  const isStale = ageMs > metric.staleAfterMs;
  return h(
    "li",
    { class: isStale ? "metric silent" : "metric", "data-key": metric.name },
    h("h2", {}, h("a", { href: address("device", device, metric.name) }, name(metric.label))),
    reading(metric, ageMs),
    h("div", { class: isStale ? "stale-line" : "" }, metric.spark.length > 0 && spark(metric.spark, metric.range)),
    h(
      "p",
      { class: "quiet" },
      [
        age(ageMs),
        metric.quality === "good" && "good quality",
        metric.range && `normal ${rangeText(metric.range, metric.unit)}`,
      ]
        .filter(Boolean)
        .join(" · "),
    ),
    flags(metric, ageMs),
  );
}
