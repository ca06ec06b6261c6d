import { makeAlertActions, suppressionText } from "./alert-actions.js";
import { alertItem, alertPanels } from "./alert.js";
import { h } from "./dom.js";
import { time } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";

export function alertsView(session) {
  const actions = makeAlertActions(session);
  const render = ({ gateway, alerts, suppressions }, context) => {
    const { now } = context;
    const items = (group) => group.map((alert) => alertItem(alertOf(alert, now), now, actions.ofAlert(alert, context)));
    const listed = alerts.filter(({ suppression }) => suppression === undefined);
    const isOver = ({ state }) => state === "returned";
    const hidden = alerts.filter((alert) => alert.suppression !== undefined && alert.clearedMicros === undefined);
    return [
      levels(gateway, { list: "Alerts" }),
      h("h1", {}, "Alerts"),
      actions.outcome(),
      h(
        "div",
        { class: "panels" },
        alertPanels([["Open", "No open alert.", items(listed.filter((alert) => !isOver(alert)))]]),
        suppressions.length > 0 && suppressed(actions.suppressions(suppressions, context), items(hidden)),
        alertPanels([["Returned to normal", "None lately.", items(listed.filter(isOver))]]),
      ),
    ];
  };
  return { title: "Alerts", screen: { stream: "of=alerts", get: "/api/v1/alerts" }, render };
}

function suppressed(rows, hidden) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "suppressed", "data-key": "suppressed" },
    h("h2", { id: "suppressed" }, "Shelved and out of service"),
    h("ul", { class: "rows" }, rows),
    hidden.length > 0 && [h("h3", {}, "Alerts that are open there"), h("ul", {}, hidden)],
  );
}

/** An alert of the console's API as the shared list draws it. */
export function alertOf({ record, state, raisedMicros, clearedMicros, acknowledged, suppression }, now) {
  return {
    ...record,
    state,
    raisedMs: raisedMicros / 1000,
    clearedMs: clearedMicros === undefined ? undefined : clearedMicros / 1000,
    href: address("device", record.device, record.metric),
    recorded: address("alert", record.episode),
    seen: acknowledged && `seen ${time(acknowledged.micros / 1000, { now })} by the ${acknowledged.by}`,
    suppressed: suppression && suppressionText(suppression, now),
  };
}
