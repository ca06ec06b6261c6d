import { confirmed } from "./confirm.js";
import { fill, h, island, name, patch } from "./dom.js";
import { bytes, counted, exactTime, wireMs } from "./format.js";
import { address, notice } from "./frame.js";
import { levels } from "./levels.js";
import { fetchOnce } from "./live.js";
import { workOne } from "./quarantine-work.js";

/** One message. It changes only by what is done here, so it is asked for once and after each action. */
export function quarantinedView(id, session) {
  const place = h("div", {}, h("p", { class: "notice" }, "Loading …"));
  let said = "";
  const load = async () => {
    const answer = await fetchOnce(`/api/v1/quarantine/${encodeURIComponent(id)}`);
    patch(place, content(id, answer, { session, said, act }));
  };
  const act = async (action) => {
    const { text, left } = await workOne(action, Number(id));
    said = text;
    if (left) patch(place, notice(text, backLink()));
    else await load();
  };
  void load();
  return {
    title: `Quarantined message ${id}`,
    // The list keeps the connection, and with it the sentence that it is lost.
    screen: { stream: "of=quarantine", get: "/api/v1/quarantine" },
    render: ({ gateway }) => [levels(gateway, { list: "Quarantine", item: `Message ${id}` }), island("message")],
    drawn: () => fill("message", place),
  };
}

function backLink() {
  return h("p", {}, h("a", { href: address("quarantine") }, "To the quarantine"));
}

function content(id, answer, parts) {
  if (answer.missing)
    return notice(
      "This message is not in the quarantine any more",
      "It was read by a retry, deleted by somebody, or made room for newer ones: the ledger and the audit say which.",
      backLink(),
    );
  if (answer.failed) return notice("The message could not be loaded", "Reload the page to try again.", backLink());
  const { title, advice, detail, bytes: size, bytesKept, preview } = answer.ok;
  return [
    h("h1", {}, name(title)),
    h("p", {}, name(detail)),
    advice !== "" && h("p", {}, h("strong", {}, "What to do: "), advice),
    bytesKept < size &&
      h(
        "p",
        {},
        `Only its first ${bytes(bytesKept)} were kept, so it cannot be tried again: the sender has to send it anew.`,
      ),
    h("div", { class: "panels" }, [
      actions(parts),
      h(
        "section",
        { class: "panel", "aria-label": "Facts" },
        h(
          "dl",
          { class: "facts" },
          factsOf(id, answer.ok).map(([word, text]) => h("div", {}, h("dt", {}, word), h("dd", {}, name(text)))),
        ),
      ),
      h(
        "section",
        { class: "panel", "aria-labelledby": "payload" },
        h(
          "h2",
          { id: "payload" },
          "Payload",
          h("span", { class: "quiet" }, preview.bytesShown < size ? `, the first ${bytes(preview.bytesShown)}` : ""),
        ),
        preview.text === ""
          ? h("p", { class: "quiet" }, "Empty.")
          : h("pre", { class: preview.form, tabindex: "0", "aria-label": "Payload" }, preview.text),
      ),
    ]),
    backLink(),
  ];
}

function factsOf(id, { address: topic, source, device, profile, time, bytes: size, tries, tried }) {
  return [
    ["Topic or address", topic],
    ["Through", source],
    ["Device", device || "none was found"],
    ["Profile", profile || "none has tried"],
    ["Received", exactTime(wireMs(time))],
    ["Size", bytes(size)],
    [
      "Failed retries",
      tried === undefined ? "none" : `${counted(tries, "try", "tries")}, last ${exactTime(wireMs(tried))}`,
    ],
    ["Message", id],
  ];
}

function actions({ session, said, act }) {
  const remove = async () => {
    const text = "It cannot be brought back. The ledger and the audit will say that it was deleted, and by whom.";
    if (await confirmed({ title: "Delete this message?", text, yes: "Delete for good", no: "Keep it" }))
      await act("delete");
  };
  return h(
    "section",
    { "aria-label": "Actions", class: "actions" },
    session.role === "operator"
      ? h(
          "p",
          { class: "row" },
          h("button", { onclick: () => void act("retry") }, "Retry"),
          h("button", { class: "danger", onclick: () => void remove() }, "Delete …"),
        )
      : h("p", { class: "quiet" }, "Your token may look and not act: retrying and deleting need the operator's token."),
    h("p", { role: "status" }, said),
  );
}
