import { alertItem, alertPanels } from "./alert.js";
import { h } from "./dom.js";
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
  const items = (alerts) => alerts.map((alert) => alertItem(alertOf(alert), now));
  return [
    levels({ list: "Alerts" }),
    h("h1", {}, "Alerts"),
    hasMore &&
      h("p", { class: "quiet" }, `The first ${shownMax} open alerts are shown; lines and devices show theirs.`),
    alertPanels([
      ["Open", "No open alert.", items(open)],
      ["Returned to normal", "None lately.", items(cleared)],
    ]),
  ];
}
