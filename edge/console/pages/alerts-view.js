import { makeAlertActions, suppressionText } from "./alert-actions.js";
import { alertItem, alertPanels } from "./alert.js";
import { h, name } from "./dom.js";
import { verdicts } from "./feedback-dialog.js";
import { count, counted, time } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";

export function alertsView(session) {
  const actions = makeAlertActions(session);
  const render = ({ gateway, alerts, suppressions, feedback, figures }, context) => {
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
        performance(figures),
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

/** How much the alerts ask of a person; what is too much says so. */
function performance(figures) {
  const { lastTenMinutes, lastHour, lastDay, busiestTenMinutes, isBounded, standing, chattering, worst } = figures;
  const atLeast = (number) => `${isBounded ? "at least " : ""}${count(number)}`;
  const facts = [
    ["Raised in 10 minutes", count(lastTenMinutes)],
    ["Raised in an hour", count(lastHour)],
    ["Raised in a day", atLeast(lastDay)],
    ["Busiest 10 minutes of the day", atLeast(busiestTenMinutes)],
    ["Open for more than 8 hours", count(standing)],
    ["Chattering sources", count(chattering.length)],
  ];
  return h(
    "section",
    { class: "panel", "aria-labelledby": "performance", "data-key": "performance" },
    h("h2", { id: "performance" }, "How much the alerts ask of you"),
    lastHour > 10 &&
      h(
        "p",
        { class: "flag needs-look" },
        "More than ten in an hour: a person cannot look at each of them. Begin with the sources below.",
      ),
    h(
      "dl",
      { class: "facts" },
      facts.map(([word, number]) => h("div", {}, h("dt", {}, word), h("dd", {}, number))),
    ),
    worst.length > 0 && [
      h("h3", {}, "Most frequent in a day"),
      h(
        "ul",
        {},
        worst.map((source) =>
          h("li", { "data-key": JSON.stringify([source.device, source.metric]) }, sourceLine(source, chattering)),
        ),
      ),
    ],
  );
}

function sourceLine({ device, metric, alerts }, chattering) {
  const isChattering = chattering.some((other) => other.device === device && other.metric === metric);
  return [
    h("a", { href: address("device", device, metric) }, name(device)),
    " ",
    name(metric),
    h(
      "span",
      { class: "quiet" },
      `: ${counted(alerts, "alert")}${isChattering ? ", three or more within 10 minutes" : ""}`,
    ),
  ];
}

/** How much a model can be trusted, in the eyes of those who looked at the machines. */
function judged(feedback) {
  const counts = (of) =>
    Object.entries(verdicts)
      .map(([verdict, word]) => `${word} ${count(of[verdict])}`)
      .join(" · ");
  return h(
    "section",
    { class: "panel", "aria-labelledby": "judged", "data-key": "judged" },
    h("h2", { id: "judged" }, "What alerts turned out to be"),
    h(
      "ul",
      { class: "rows" },
      feedback.map(({ model, verdicts: of }) =>
        h("li", { "data-key": model }, h("strong", {}, name(model)), h("span", {}, counts(of))),
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
