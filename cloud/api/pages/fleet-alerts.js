import { alertItem } from "./alert.js";
import { h } from "./dom.js";
import { counted } from "./format.js";
import { get } from "./fleet-api.js";
import { alertOf, levels } from "./fleet-parts.js";

const shownMax = 200;

export function alertsView() {
  return { title: "Alerts", load, render };
}

async function load() {
  const [open, recent] = await Promise.all([
    get("alerts", { state: "open", limit: shownMax }),
    get("alerts", { state: "recent", limit: shownMax }),
  ]);
  return {
    open: open.alerts,
    hasMore: open.next !== null,
    cleared: recent.alerts.filter(({ cleared }) => cleared !== null),
  };
}

function render({ open, hasMore, cleared }, { now }) {
  const lists = [
    ["Open", "No open alert.", open],
    ["Returned to normal", "None lately.", cleared],
  ];
  return [
    levels({ list: "Alerts" }),
    h("h1", {}, "Alerts"),
    hasMore &&
      h("p", { class: "quiet" }, `The first ${shownMax} open alerts are shown; lines and devices show theirs.`),
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
