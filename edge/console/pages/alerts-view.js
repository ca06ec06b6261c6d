import { makeAlertActions, suppressionText } from "./alert-actions.js";
import { alertItem, alertPanels } from "./alert.js";
import { h, name } from "./dom.js";
import { verdicts } from "./feedback-dialog.js";
import { count, time } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";

export function alertsView(session) {
  const actions = makeAlertActions(session);
  const render = ({ gateway, alerts, suppressions, feedback }, context) => {
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
        feedback.length > 0 && judged(feedback),
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

/** How much a model can be trusted, in the eyes of those who looked at the machines. */
function judged(feedback) {
  const words = Object.entries(verdicts);
  return h(
    "section",
    { class: "panel", "aria-labelledby": "judged", "data-key": "judged" },
    h("h2", { id: "judged" }, "What alerts turned out to be"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Feedback by model" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Model", ...words.map(([, word]) => word)].map((word) => h("th", { scope: "col" }, word)),
          ),
        ),
        h(
          "tbody",
          {},
          feedback.map(({ model, verdicts: counts }) =>
            h(
              "tr",
              { "data-key": model },
              h("th", { scope: "row" }, name(model)),
              words.map(([verdict]) => h("td", {}, count(counts[verdict]))),
            ),
          ),
        ),
      ),
    ),
  );
}

/** An alert of the console's API as the shared list draws it. */
export function alertOf({ record, state, raisedMicros, clearedMicros, acknowledged, feedback, suppression }, now) {
  return {
    ...record,
    state,
    raisedMs: raisedMicros / 1000,
    clearedMs: clearedMicros === undefined ? undefined : clearedMicros / 1000,
    href: address("device", record.device, record.metric),
    recorded: address("alert", record.episode),
    seen: acknowledged && `seen ${time(acknowledged.micros / 1000, { now })} by the ${acknowledged.by}`,
    judged: feedback && [
      `${verdicts[feedback.verdict]}, said the ${feedback.by} ${time(feedback.micros / 1000, { now })}`,
      feedback.note !== "" && [": ", name(feedback.note)],
    ],
    suppressed: suppression && suppressionText(suppression, now),
  };
}
