import { fill, h, island, name, patch } from "./dom.js";
import { bytes, count, exactTime, time, wireMs } from "./format.js";
import { address, notice } from "./frame.js";
import { levels } from "./levels.js";

/** What a person can do about each reason. */
const reasons = {
  unroutable: ["No device fits the topic", "Add the topic to `devices` in the configuration, or stop the sender."],
  "device-limit": [
    "Too many devices",
    "The source has created as many devices as it may: raise `devicesMax`, or look for a sender that invents names.",
  ],
  "too-large": ["Too large", "Let the sender split its messages, or raise the limit of the profile."],
  "too-deep": ["Nested too deeply", "Let the sender flatten its messages, or raise the limit of the profile."],
  "not-json": ["Not JSON", "Check the sender, or choose the profile that fits what it sends."],
  "not-text": ["Not text", "Check the sender, or choose the profile that fits what it sends."],
  empty: ["Empty", "Check the sender: an empty retained message often only deletes a topic."],
  "wrong-shape": ["Not what the profile expects", "Compare the payload with the examples of the profile."],
  "no-values": ["No value found", "Compare the payload with the examples of the profile."],
  "bad-time": ["Time cannot be read", "Compare the time in the payload with the profile's time format."],
  "refused-by-kafka": ["Refused by Kafka", "See the detail; often the record is larger than the topic allows."],
};

function reasonOf(reason) {
  return Object.hasOwn(reasons, reason) ? reasons[reason] : [reason, ""];
}

export function quarantineView() {
  return { title: "Quarantine", screen: { stream: "of=quarantine", get: "/api/v1/quarantine" }, render };
}

function render({ gateway, messages, total }, { now }) {
  return [
    levels(gateway, { list: "Quarantine" }),
    h("h1", {}, "Quarantine"),
    h(
      "p",
      { class: "quiet" },
      "Messages that were received and stored, but could not become measurements. Their senders have been acknowledged; their neighbours were not held up.",
    ),
    messages.length === 0
      ? h("p", { class: "notice" }, "The quarantine is empty.")
      : h(
          "section",
          { class: "panel", "aria-labelledby": "messages" },
          h(
            "h2",
            { id: "messages" },
            total > messages.length ? `The newest ${count(messages.length)} of ${count(total)}` : "Newest first",
          ),
          h(
            "ul",
            { class: "rows" },
            messages.map((message) => messageRow(message, now)),
          ),
        ),
  ];
}

function messageRow(message, now) {
  const [title] = reasonOf(message.reason);
  return h(
    "li",
    { "data-key": String(message.id) },
    h(
      "span",
      {},
      h("a", { href: address("quarantine", String(message.id)) }, title),
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
    ),
  );
}

/** One message. It does not change, so it is asked for once. */
export function quarantinedView(id, fetchOnce) {
  const place = h("div", {}, h("p", { class: "notice" }, "Loading …"));
  void fetchOnce(`/api/v1/quarantine/${encodeURIComponent(id)}`).then((answer) => patch(place, content(id, answer)));
  return {
    title: `Quarantined message ${id}`,
    // The list keeps the connection, and with it the sentence that it is lost.
    screen: { stream: "of=quarantine", get: "/api/v1/quarantine" },
    render: ({ gateway }) => [levels(gateway, { list: "Quarantine", item: `Message ${id}` }), island("message")],
    drawn: () => fill("message", place),
  };
}

function content(id, answer) {
  const back = h("p", {}, h("a", { href: address("quarantine") }, "To the quarantine"));
  if (answer.missing)
    return notice(
      "This message is not in the quarantine any more",
      "The quarantine is bounded: its oldest messages make room for new ones.",
      back,
    );
  if (answer.failed) return notice("The message could not be loaded", "Reload the page to try again.", back);
  const { reason, detail, address: topic, source, time: at, bytes: size, preview } = answer.ok;
  const [title, advice] = reasonOf(reason);
  const facts = [
    ["Topic or address", topic],
    ["Through", source],
    ["Received", exactTime(wireMs(at))],
    ["Size", bytes(size)],
    ["Message", id],
  ];
  return [
    h("h1", {}, title),
    h("p", {}, name(detail)),
    advice && h("p", {}, h("strong", {}, "What to do: "), advice),
    h("div", { class: "panels" }, [
      h(
        "section",
        { class: "panel", "aria-label": "Facts" },
        h(
          "dl",
          { class: "facts" },
          facts.map(([word, text]) => h("div", {}, h("dt", {}, word), h("dd", {}, name(text)))),
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
    back,
  ];
}
