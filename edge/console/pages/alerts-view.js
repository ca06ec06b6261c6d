import { alertItem, alertPanels } from "./alert.js";
import { h } from "./dom.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";
import { send } from "./live.js";

export function alertsView(session) {
  /** What became of the last acknowledgement, where it failed. */
  let said = "";
  const acknowledge = async (episode, { redraw }) => {
    const { message } = await send("/api/v1/alerts/acknowledge", { episode });
    said = message === undefined ? "" : `Not acknowledged: ${message}`;
    redraw();
  };
  const render = (screen, context) => [
    ...lists(screen, context.now, (alert) => {
      const isNew = alert.state === "unacknowledged" || alert.state === "returned-unacknowledged";
      if (!isNew || session.role !== "operator") return undefined;
      const what = `Acknowledge ${alert.record.metric} of ${alert.record.device}`;
      const onclick = () => void acknowledge(alert.record.episode, context);
      return h("p", {}, h("button", { onclick, "aria-label": what }, "Acknowledge"));
    }),
    h("p", { role: "status" }, said),
  ];
  return { title: "Alerts", screen: { stream: "of=alerts", get: "/api/v1/alerts" }, render };
}

function lists({ gateway, alerts }, now, actionOf) {
  const isOpen = (alert) => alert.state !== "returned";
  const items = (group) => group.map((alert) => alertItem(alertOf(alert), now, actionOf(alert)));
  return [
    levels(gateway, { list: "Alerts" }),
    h("h1", {}, "Alerts"),
    alertPanels([
      ["Open", "No open alert.", items(alerts.filter(isOpen))],
      ["Returned to normal", "None lately.", items(alerts.filter((alert) => !isOpen(alert)))],
    ]),
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
