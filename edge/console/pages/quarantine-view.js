import { confirmed } from "./confirm.js";
import { h, name } from "./dom.js";
import { bytes, count, counted, exactTime, time, wireMs } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";
import { work } from "./quarantine-work.js";

const fields = [
  ["reason", "Reason", "not-json"],
  ["device", "Device", "press-17"],
  ["source", "Source", "plant"],
];

/** The list, with what can be done to all messages that fit the filter. */
export function quarantineView(session) {
  const filter = { reason: "", device: "", source: "" };
  let before = "";
  /** What is being done or was done: { text, stop? }. */
  let job;
  const filterQuery = () => new URLSearchParams(filter).toString();
  const screenOf = () => {
    const query = `${filterQuery()}&before=${before}`;
    return { stream: `of=quarantine&${query}`, get: `/api/v1/quarantine?${query}` };
  };
  const start = (action, context) => {
    const tell = (text, stop) => {
      job = { text, stop };
      context.redraw();
    };
    const running = work(action, filterQuery(), (text) => tell(text, () => running.stop()));
    void running.finished.then((text) => tell(text));
  };
  const page = (to, context) => {
    before = to;
    context.follow(screenOf());
  };
  return {
    title: "Quarantine",
    screen: screenOf(),
    close: () => job?.stop?.(),
    render: (screen, context) => [
      levels(screen.gateway, { list: "Quarantine" }),
      h("h1", {}, "Quarantine"),
      h(
        "p",
        { class: "quiet" },
        "Messages that were received and stored, but could not become measurements. Their senders have been acknowledged; their neighbours were not held up. When the quarantine is full, its oldest make room, and the ledger says so.",
      ),
      h(
        "div",
        { class: "panels" },
        (screen.total > 0 || isFiltered(filter)) && [
          filterFields(filter, () => page("", context)),
          actions({ screen, filter, job, session, query: filterQuery(), start: (action) => start(action, context) }),
        ],
        // Also when nothing is left to act on: what became of the last message is still to be read.
        h("p", { role: "status" }, job?.text ?? ""),
        list(screen, filter, context.now),
        h(
          "p",
          { class: "row" },
          before !== "" && h("button", { onclick: () => page("", context) }, "Newest"),
          screen.next !== undefined && h("button", { onclick: () => page(String(screen.next), context) }, "Older"),
        ),
      ),
    ],
  };
}

function isFiltered(filter) {
  return Object.values(filter).some((text) => text !== "");
}

function filterFields(filter, changed) {
  const inputs = h(
    "div",
    { class: "row", role: "search", "aria-label": "Filter" },
    fields.map(([key, label, example]) =>
      h(
        "p",
        { class: "field" },
        h("label", { for: `filter-${key}` }, label),
        h("input", {
          id: `filter-${key}`,
          type: "search",
          maxlength: "128",
          autocomplete: "off",
          placeholder: `all, or ${example}`,
          oninput: (event) => {
            filter[key] = event.target.value.trim();
            changed();
          },
        }),
      ),
    ),
  );
  return h("details", { open: isFiltered(filter) }, h("summary", {}, "Filter by reason, device or source"), inputs);
}

function actions({ screen, filter, job, session, query, start }) {
  const all = isFiltered(filter) ? "all that fit" : `all ${count(screen.total)}`;
  const mayAct = session.role === "operator";
  const isBusy = job?.stop !== undefined;
  const remove = async () => {
    const title = `Delete ${isFiltered(filter) ? "all messages that fit the filter" : counted(screen.total, "message")}?`;
    const text = "They cannot be brought back. The ledger and the audit will say that they were deleted, and by whom.";
    if (await confirmed({ title, text, yes: "Delete for good", no: "Keep them" })) start("delete");
  };
  return h(
    "section",
    { "aria-label": "Actions", class: "actions" },
    h(
      "p",
      { class: "row" },
      mayAct && h("button", { onclick: () => start("retry"), disabled: isBusy }, `Retry ${all}`),
      h(
        "a",
        { class: "button", href: `/api/v1/quarantine/export?${query}`, download: "quarantine.ndjson" },
        `Export ${all}`,
      ),
      mayAct && h("button", { class: "danger", onclick: () => void remove(), disabled: isBusy }, `Delete ${all} …`),
      isBusy && h("button", { onclick: job.stop }, "Stop"),
    ),
    !mayAct &&
      h("p", { class: "quiet" }, "Your token may look and not act: retrying and deleting need the operator's token."),
  );
}

function list({ messages, total, next }, filter, now) {
  if (messages.length === 0) {
    const text = isFiltered(filter)
      ? next === undefined
        ? "No message fits the filter."
        : "None of the newest messages fits the filter; older ones may."
      : "The quarantine is empty.";
    return h("p", { class: "notice" }, text);
  }
  const shown = isFiltered(filter) ? counted(messages.length, "message that fits", "messages that fit") : undefined;
  return h(
    "section",
    { class: "panel", "aria-labelledby": "messages" },
    h(
      "h2",
      { id: "messages" },
      shown ??
        (total > messages.length ? `${count(messages.length)} of ${count(total)}, newest first` : "Newest first"),
    ),
    h(
      "ul",
      { class: "rows" },
      messages.map((message) => messageRow(message, now)),
    ),
  );
}

function messageRow(message, now) {
  return h(
    "li",
    { "data-key": String(message.id) },
    h(
      "span",
      {},
      h("a", { href: address("quarantine", String(message.id)) }, name(message.title)),
      " ",
      h("span", { class: "quiet" }, name(message.detail)),
    ),
    h("span", {}, name(message.address)),
    h(
      "span",
      { class: "quiet" },
      h(
        "time",
        { datetime: message.time, title: exactTime(wireMs(message.time)) },
        time(wireMs(message.time), { seconds: true, now }),
      ),
      ` · ${bytes(message.bytes)} · through `,
      name(message.source),
      message.tries > 0 && ` · ${counted(message.tries, "try", "tries")} failed`,
    ),
  );
}
