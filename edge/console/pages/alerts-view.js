import { alertItem } from "./alert.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";

export function alertsView() {
  return { title: "Alerts", screen: { stream: "of=alerts", get: "/api/v1/alerts" }, render };
}

function render({ gateway, alerts }, { now }) {
  const isOpen = (alert) => alert.state !== "returned";
  const lists = [
    ["Open", "No open alert.", alerts.filter(isOpen)],
    ["Returned to normal", "None lately.", alerts.filter((alert) => !isOpen(alert))],
  ];
  return [
    levels(gateway, { list: "Alerts" }),
    h("h1", {}, "Alerts"),
    h(
      "div",
      { class: "panels" },
      lists.map(([title, none, list]) =>
        h(
          "section",
          { class: "panel", "aria-label": title, "data-key": title },
          h("h2", {}, title, list.length > 0 && h("span", { class: "quiet" }, ` ${counted(list.length, "alert")}`)),
          list.length === 0
            ? h("p", { class: "quiet" }, none)
            : h(
                "ul",
                {},
                list.map((alert) => alertItem(alertOf(alert), now)),
              ),
        ),
      ),
    ),
  ];
}

/** An alert of the console's API as the shared list draws it. */
export function alertOf({ record, state, raisedMicros, clearedMicros }) {
  return {
    ...record,
    state,
    raisedMs: raisedMicros / 1000,
    clearedMs: clearedMicros === undefined ? undefined : clearedMicros / 1000,
    href: address("device", record.device, record.metric),
  };
}
