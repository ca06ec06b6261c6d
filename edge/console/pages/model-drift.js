import { h, name, s } from "./dom.js";
import { counted, percent, value } from "./format.js";
import { driftWords } from "./model-words.js";

const order = ["degraded", "warn", "ok", "learning", "unknown"];
const measures = {
  stability: {
    text: "Stability index of the last 24 hours against training: from 0.1 on the data differs, from 0.25 on it is other data.",
    of: (index) => `index ${value(Number(index.toPrecision(2)))}`,
  },
  beyond: {
    text: "Part of the last 24 hours beyond what 98 % of training was: worth a look from 20 % on, too much from 50 % on.",
    of: (index) => `${percent(index)} beyond training`,
  },
};

/** Whether the inputs and the output of a model are what they were in training, with the numbers behind it. */
export function driftPanel({ state, measure, channels, truth }) {
  const worstFirst = channels.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return h(
    "section",
    { class: "panel", "aria-labelledby": "drift" },
    h("h2", { id: "drift" }, "Drift"),
    h("p", {}, stateMark(state), sentence(driftWords[state])),
    truth && h("p", {}, truthText(truth)),
    channels.length > 0 && h("p", { class: "quiet" }, measures[measure].text),
    h(
      "ul",
      { class: "rows" },
      worstFirst.map((channel) => channelRow(channel, measure)),
    ),
  );
}

function sentence(words) {
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

/** A shape beside the words, so that it is found without reading. */
export function stateMark(state) {
  return (state === "warn" || state === "degraded") && h("span", { class: "badge needs-look" }, "");
}

function channelRow({ name: channel, state, index, edges, expected, seen }, measure) {
  const facts = [driftWords[state], index !== undefined && measures[measure].of(index)].filter(Boolean);
  return h(
    "li",
    { "data-key": channel },
    h(
      "div",
      { class: "panel-head" },
      h("span", {}, stateMark(state), h("strong", {}, channel === "output" ? "What it says" : name(channel))),
      h("span", { class: "quiet" }, facts.join(", ")),
    ),
    histogram(expected, seen),
    figures(channel, edges, expected, seen),
  );
}

function truthText({ lives, bias, error, tested }) {
  const off = value(Number(error.toPrecision(3)));
  const side = bias > 0 ? "too long" : "too short";
  return `Of ${counted(lives, "life", "lives")} that ended: predictions were off by ${off}${
    tested === undefined ? "" : `, when it was tested by ${value(Number(tested.toPrecision(3)))}`
  }; on average ${value(Number(Math.abs(bias).toPrecision(3)))} ${side}.`;
}

const width = 160;
const height = 36;

/** Training as outlines, the last 24 hours as filled bars; the same stands in the figures. */
function histogram(expected, seen) {
  const top = Math.max(...expected, ...seen, 0.01);
  const step = width / expected.length;
  const bar = (kind, part, at) => {
    const tall = (part / top) * (height - 2);
    return s("rect", {
      class: kind,
      x: (at * step + 1).toFixed(1),
      y: (height - tall).toFixed(1),
      width: (step - 2).toFixed(1),
      height: tall.toFixed(1),
    });
  };
  return s(
    "svg",
    { class: "histogram", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    seen.map((part, at) => bar("seen", part, at)),
    expected.map((part, at) => bar("expected", part, at)),
  );
}

function figures(channel, edges, expected, seen) {
  const bins = expected.map((_, at) => {
    if (at === 0) return `up to ${value(edges[0])}`;
    return at === edges.length ? `above ${value(edges[at - 1])}` : `${value(edges[at - 1])} to ${value(edges[at])}`;
  });
  const cell = (part) => h("td", {}, part === 0 ? "0 %" : percent(part));
  return h(
    "details",
    {},
    h("summary", { "aria-label": `Show the figures of ${channel}` }, "Show the figures"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": `Figures of ${channel}` },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Values", "In training", "Last 24 hours"].map((title) => h("th", { scope: "col" }, title)),
          ),
        ),
        h(
          "tbody",
          {},
          bins.map((bin, at) => h("tr", {}, h("th", { scope: "row" }, bin), cell(expected[at]), cell(seen[at]))),
        ),
      ),
    ),
  );
}
