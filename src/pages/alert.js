import { h, name, s } from "./dom.js";
import { counted, exactTime, shortDuration, time, value } from "./format.js";

/*
 * An alert is told by colour, shape and text together, so that it survives colour blindness and a printout.
 * The shape says how urgent it is; it is filled until somebody has seen it, and hollow from then on.
 */
const shapes = {
  critical: "M5 1h10l4 4v10l-4 4H5l-4-4V5z",
  high: "M10 1.5 19 18H1z",
  medium: "M10 1l9 9-9 9-9-9z",
  low: "M10 1.5a8.5 8.5 0 1 1 0 17a8.5 8.5 0 1 1 0-17z",
};
const words = { critical: "Critical", high: "High", medium: "Medium", low: "Low" };
const states = {
  open: "Open",
  unacknowledged: "Unacknowledged",
  acknowledged: "Acknowledged",
  "returned-unacknowledged": "Returned to normal, not acknowledged",
  returned: "Returned to normal",
};

export function priorityMark(priority, state = "unacknowledged") {
  const shape = Object.hasOwn(shapes, priority) ? priority : "low";
  const filled = state === "unacknowledged" || state === "open";
  return s(
    "svg",
    {
      class: `mark mark-${shape}${filled ? " mark-filled" : ""} mark-${state}`,
      viewBox: "0 0 20 20",
      "aria-hidden": "true",
    },
    s("path", { d: shapes[shape] }),
    filled && s("path", { class: "mark-sign", d: "M9 6h2v6H9zM9 13.5h2v2H9z" }),
  );
}

export function priorityWord(priority) {
  return Object.hasOwn(words, priority) ? words[priority] : "Low";
}

/** Lists of alerts, one panel each. `groups`: title, what to say where there is none, and the items. */
export function alertPanels(groups) {
  return h(
    "div",
    { class: "panels" },
    groups.map(([title, none, items]) =>
      h(
        "section",
        { class: "panel", "aria-label": title, "data-key": title },
        h("h2", {}, title, items.length > 0 && h("span", { class: "quiet" }, ` ${counted(items.length, "alert")}`)),
        items.length === 0 ? h("p", { class: "quiet" }, none) : h("ul", {}, items),
      ),
    ),
  );
}

/** One alert with its explanation. `alert` has the fields of an alert record, and `state`, `raisedMs`, `clearedMs`, `href`; where known who has `seen` it, as what it was `judged`, and why it is `suppressed`, and where its readings are `recorded`. `action` is what can be done about it here. */
export function alertItem(alert, now, action) {
  const isOver = alert.clearedMs !== undefined;
  return h(
    "li",
    { class: `alert alert-${alert.state.startsWith("returned") ? "returned" : "open"}`, "data-key": alert.episode },
    priorityMark(alert.priority, alert.suppressed && alert.state === "unacknowledged" ? "acknowledged" : alert.state),
    h(
      "div",
      { class: "alert-text" },
      h(
        "p",
        { class: "alert-head" },
        h("strong", { class: `priority-${alert.priority}` }, priorityWord(alert.priority)),
        " ",
        h("a", { href: alert.href }, name(alert.device)),
        " ",
        h("span", { class: "quiet" }, name(alert.metric)),
      ),
      h("p", { class: "alert-why" }, name(alert.explanation)),
      !isOver &&
        alert.consequence &&
        !alert.explanation.includes(alert.consequence) &&
        h("p", { class: "alert-then" }, h("span", { class: "quiet" }, "What it may mean: "), name(alert.consequence)),
      !isOver &&
        alert.action &&
        h("p", { class: "alert-then" }, h("span", { class: "quiet" }, "What to do: "), name(alert.action)),
      h(
        "p",
        { class: "quiet" },
        states[alert.state] ?? "",
        isOver ? ", from " : ", since ",
        span(alert, now),
        alert.seen && `; ${alert.seen}`,
      ),
      alert.judged && h("p", {}, alert.judged),
      alert.suppressed && h("p", { class: "flag" }, alert.suppressed),
      action,
      alert.recorded && h("p", {}, h("a", { href: alert.recorded }, "Readings before and after")),
      details(alert),
    ),
  );
}

/** From when to when, and for how long. */
function span({ raisedMs, clearedMs }, now) {
  const at = (ms) => h("time", { datetime: new Date(ms).toISOString(), title: exactTime(ms) }, time(ms, { now }));
  const length = ` (${shortDuration((clearedMs ?? now) - raisedMs)})`;
  return clearedMs === undefined ? [at(raisedMs), length] : [at(raisedMs), " to ", at(clearedMs), length];
}

function details(alert) {
  return h(
    "details",
    {},
    h("summary", {}, "Why this alert"),
    h(
      "p",
      { class: "quiet" },
      `Model ${alert.model}, version ${alert.version}: score ${value(alert.score)}, alert from ${value(alert.threshold)}.`,
    ),
    h(
      "ul",
      { class: "shares" },
      alert.contributions.map((part) =>
        h(
          "li",
          {},
          h(
            "span",
            {},
            name(part.metric),
            `: ${value(part.value)}`,
            h("span", { class: "quiet" }, `, normal ${part.normal}`),
          ),
          h("meter", { min: "0", max: "1", value: String(part.share), "aria-label": `share of ${part.metric}` }),
          h("span", { class: "quiet" }, `${Math.round(part.share * 100)} %`),
        ),
      ),
    ),
  );
}
