import { priorityMark, priorityWord } from "./alert.js";
import { h, name } from "./dom.js";
import { age, counted } from "./format.js";
import { address } from "./frame.js";
import { readingRow } from "./reading.js";

/** A device with its first metrics; quiet, unless it is silent or has an alert. */
export function deviceCard(device, elapsedMs) {
  const more = device.metricCount - device.metrics.length;
  return h(
    "li",
    { class: device.silent ? "device silent" : "device", "data-key": device.id },
    h(
      "div",
      { class: "device-head" },
      device.alert && priorityMark(device.alert, device.alertState),
      h("h3", {}, h("a", { href: address("device", device.id) }, name(device.id))),
      device.alert && h("span", { class: `priority-${device.alert}` }, `${priorityWord(device.alert)} alert`),
      h("span", { class: "quiet age" }, deviceAge(device, elapsedMs)),
    ),
    h(
      "ul",
      { class: "readings" },
      device.metrics.map((metric) => readingRow(metric, elapsedMs, device.silent)),
    ),
    more > 0 && h("p", { class: "quiet" }, `and ${counted(more, "more metric", "more metrics")}`),
  );
}

export function deviceAge(device, elapsedMs) {
  if (device.ageMs === undefined) return "never heard";
  return `${device.silent ? "Silent, last " : ""}${age(device.ageMs + elapsedMs)}`;
}
