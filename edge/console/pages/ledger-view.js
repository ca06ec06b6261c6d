import { h, name } from "./dom.js";
import { count, counted, exactTime, time, wireMs } from "./format.js";
import { levels } from "./levels.js";

/** What will never arrive, and why. */
export function ledgerView() {
  return { title: "Ledger", screen: { stream: "of=ledger", get: "/api/v1/ledger" }, render };
}

function render({ gateway, total, reasons, latest }, { now }) {
  return [
    levels(gateway, { list: "Ledger" }),
    h("h1", {}, "Ledger"),
    h(
      "p",
      { class: "quiet" },
      "Records that will never arrive, each named with its reason. The full account, with every range of numbers, travels to Kafka; here is the sum, and what happened lately.",
    ),
    h("div", { class: "panels" }, reasonsPanel(total, reasons), latestPanel(latest, now)),
  ];
}

function reasonsPanel(total, reasons) {
  return total === 0
    ? h("p", { class: "notice" }, "Nothing was lost since this journal was made.")
    : h(
        "section",
        { class: "panel", "aria-labelledby": "reasons", "data-key": "reasons" },
        h("h2", { id: "reasons" }, `${counted(total, "record")} since this journal was made`),
        h(
          "ul",
          { class: "rows" },
          reasons.map(({ reason, records, meaning }) =>
            h(
              "li",
              { "data-key": reason },
              h("strong", {}, `${count(records)} · ${reason}`),
              h("span", {}, sentence(meaning)),
            ),
          ),
        ),
      );
}

function latestPanel(latest, now) {
  return (
    latest.length > 0 &&
    h(
      "section",
      { class: "panel", "aria-labelledby": "latest", "data-key": "latest" },
      h("h2", { id: "latest" }, "Lately"),
      h(
        "ul",
        { class: "rows" },
        latest.map((loss) => lossRow(loss, now)),
      ),
    )
  );
}

function lossRow({ id, reason, stream, device, records, from, to, since, until, meaning }, now) {
  return h(
    "li",
    { "data-key": String(id) },
    h(
      "span",
      {},
      h("strong", {}, counted(records, "record")),
      ` of ${stream}`,
      device === "" ? ", several devices" : [", ", name(device)],
      h("span", { class: "quiet" }, ` · ${reason}`),
    ),
    h("span", {}, sentence(meaning)),
    h("span", { class: "quiet" }, "Lost ", span(since, until, now), "; the data is from ", span(from, to, now)),
  );
}

function span(from, to, now) {
  const at = (wire) =>
    h("time", { datetime: wire, title: exactTime(wireMs(wire)) }, time(wireMs(wire), { seconds: true, now }));
  return from === to ? [at(from)] : [at(from), " to ", at(to)];
}

function sentence(text) {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
