import { alertItem } from "./alert.js";
import { h, name } from "./dom.js";
import { age, count, counted, rangeText, unit, value, wireMs } from "./format.js";
import { address } from "./frame.js";
import { get } from "./fleet-api.js";
import { devicePredictions } from "./fleet-predictions.js";
import { alertOf, completeness, lastData, levels, panel } from "./fleet-parts.js";

export const deviceMissing = "No record has arrived from a device of this name.";

export function deviceView(id) {
  const load = async () => {
    const [device, { alerts }, { predictions }, { now }] = await Promise.all([
      get(`devices/${encodeURIComponent(id)}`),
      get("alerts", { device: id, state: "recent", limit: 20 }),
      get("predictions", { device: id, limit: 20 }),
      get("status"),
    ]);
    return { now, device, alerts, predictions };
  };
  return { title: `Device ${id}`, load, render, missing: deviceMissing };
}

function render({ device, alerts, predictions }, { now, serverNow }) {
  return [
    levels({ site: device.site, line: device.line, device: device.device }),
    h("h1", {}, name(device.device)),
    h(
      "p",
      { class: "quiet" },
      lastData(device.lastTime, serverNow),
      " · through ",
      name(device.gateway),
      " · profile ",
      name(device.profile ?? "not known yet"),
    ),
    h(
      "div",
      { class: "panels" },
      alerts.length > 0 &&
        panel(
          "alerts",
          "Alerts",
          h(
            "ul",
            {},
            alerts.map((alert) => alertItem(alertOf(alert), now)),
          ),
        ),
      devicePredictions(predictions, serverNow),
      h(
        "section",
        { "aria-label": "Metrics", "data-key": "metrics" },
        device.metrics.length === 0 && h("p", {}, "No value yet."),
        h(
          "ul",
          { class: "metrics" },
          device.metrics.map((metric) => metricCard(device.device, metric, serverNow)),
        ),
      ),
      completenessPanel(device, now),
    ),
  ];
}

function metricCard(device, metric, serverNow) {
  return h(
    "li",
    { class: "metric", "data-key": metric.name },
    h("h2", {}, h("a", { href: address("device", device, metric.name) }, name(metric.label))),
    reading(metric),
    h(
      "p",
      { class: "quiet" },
      [
        metric.last && age(serverNow - wireMs(metric.last.time)),
        metric.range && `normal ${rangeText(metric.range, metric.unit)}`,
      ]
        .filter(Boolean)
        .join(" · "),
    ),
    outside(metric),
  );
}

export function reading({ last, unit: ucum }, size = "") {
  return h(
    "span",
    { class: `reading ${size}` },
    last === null ? "no value" : value(last.value),
    unit(ucum) && last !== null && h("span", { class: "unit" }, `\u00a0${unit(ucum)}`),
  );
}

export function outside({ last, range, unit: ucum }) {
  if (!range || typeof last?.value !== "number") return undefined;
  const word = last.value > range[1] ? "Above" : last.value < range[0] ? "Below" : undefined;
  return word && h("span", { class: "flag needs-look" }, `${word} the normal ${rangeText(range, ucum)}`);
}

function completenessPanel(device, now) {
  const facts = [
    ["Distinct records", device.records],
    ["Sent twice, counted once", device.duplicates],
    ["In the ledger", device.ledgered],
    ["Missing", device.missing],
  ];
  return panel(
    "completeness",
    "Completeness",
    h("p", {}, completeness(device, now)),
    device.ledgered > 0 &&
      h(
        "p",
        { class: "quiet" },
        `${counted(device.ledgered, "record")} will never arrive; the gateway has named each in its ledger.`,
      ),
    h(
      "dl",
      { class: "facts" },
      facts.map(([word, number]) => h("div", {}, h("dt", {}, word), h("dd", {}, count(number)))),
    ),
  );
}
