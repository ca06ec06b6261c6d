import { h, s } from "./dom.js";
import { bytes, count, counted, duration, time } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";

/** The buffer on disk, lane by lane: how full, what waits, until when it lasts, and what happens then. */
export function bufferView() {
  return { title: "Buffer", screen: { stream: "of=buffer", get: "/api/v1/buffer" }, render };
}

const laneWords = {
  critical: ["Critical records", "ledger, audit, device data, commands, sessions"],
  insight: ["Alerts and scores", "what the models found"],
  telemetry: ["Measurements", "what is published to Kafka"],
  history: ["Local history", "kept here only, for charts and models"],
};

export function laneTitle(lane) {
  return laneWords[lane][0];
}

function render({ gateway, buffer }, { now, elapsedMs }) {
  return [
    levels(gateway, { list: "Buffer" }),
    h("h1", {}, "Buffer on disk"),
    h("p", {}, situation(buffer, now)),
    h(
      "p",
      {},
      `${bytes(buffer.bytesUsed)} of ${bytes(buffer.bytesQuota)} used. `,
      buffer.fullInSeconds !== undefined && h("strong", {}, `Full in about ${duration(buffer.fullInSeconds * 1000)}.`),
    ),
    fillBar(buffer.bytesUsed, buffer.bytesQuota),
    h(
      "div",
      { class: "panels" },
      buffer.lanes.map((lane) => lanePanel(lane, elapsedMs)),
    ),
    h(
      "p",
      { class: "quiet" },
      "What had to go stands in the ",
      h("a", { href: address("ledger") }, "ledger"),
      ". ",
      h("code", {}, "tidegate buffer inspect"),
      " reads the same from the files of a stopped gateway.",
    ),
  ];
}

function situation(buffer, now) {
  if (buffer.holdingSenders)
    return "Nothing is acknowledged now: the buffer or the disk refuses, and senders keep their data.";
  if (buffer.bufferingSinceMicros !== undefined) {
    return `Kafka is away since ${time(buffer.bufferingSinceMicros / 1000, { now })}: everything is kept here until it is back.`;
  }
  return buffer.recordsUnsent === 0
    ? "Kafka has everything."
    : `${counted(buffer.recordsUnsent, "record")} on the way to Kafka.`;
}

function lanePanel(lane, elapsedMs) {
  const [title, what] = laneWords[lane.lane];
  const facts = [
    ["On disk", `${bytes(lane.bytesUsed)} of ${bytes(lane.bytesQuota)}`],
    ["To send", lane.lane === "history" ? "stays here" : counted(lane.recordsUnsent, "record")],
    ["Oldest to send", lane.oldestUnsentAgeMs === undefined ? "none" : duration(lane.oldestUnsentAgeMs + elapsedMs)],
    ["Grows by", lane.bytesPerSecond >= 1 ? `${bytes(lane.bytesPerSecond)}/s` : "nothing"],
    ["Full in", lane.fullInSeconds === undefined ? "not filling" : `about ${duration(lane.fullInSeconds * 1000)}`],
    ["Records", count(lane.records)],
  ];
  return h(
    "section",
    { class: "panel", "data-key": lane.lane, "aria-labelledby": `lane-${lane.lane}` },
    h("div", { class: "panel-head" }, h("h2", { id: `lane-${lane.lane}` }, title), h("span", { class: "quiet" }, what)),
    fillBar(lane.bytesUsed, lane.bytesQuota),
    h(
      "dl",
      { class: "facts" },
      facts.map(([word, text]) => h("div", {}, h("dt", {}, word), h("dd", {}, text))),
    ),
    h("p", { class: "quiet" }, `When full: ${lane.whenFull}.`),
  );
}

/** The text beside it says the same. */
export function fillBar(used, quota) {
  const share = quota > 0 ? Math.min(1, used / quota) : 0;
  return h(
    "div",
    { class: share > 0.8 ? "bar nearly-full" : "bar", "aria-hidden": "true" },
    s(
      "svg",
      { viewBox: "0 0 100 1", preserveAspectRatio: "none" },
      s("rect", { width: (share * 100).toFixed(2), height: "1" }),
    ),
  );
}
