import { alertItem } from "./alert.js";
import { h, name } from "./dom.js";
import { bytes, count, counted, duration, exactTime, shortDuration, time } from "./format.js";
import { address } from "./frame.js";
import { alertOf } from "./alerts-view.js";
import { deviceCard } from "./device-card.js";
import { fillBar, laneTitle } from "./buffer-view.js";
import { levels, shortPath } from "./levels.js";

export function overviewView() {
  return { title: "Overview", screen: { stream: "of=overview", get: "/api/v1/overview" }, render };
}

function render(data, context) {
  return [
    levels(data.gateway),
    h("h1", {}, "Gateway ", name(data.gateway.id)),
    promisesPanel(data, context),
    h(
      "div",
      { class: "panels two" },
      h("div", { class: "panels" }, alertsPanel(data, context), devicesPanel(data, context)),
      h("div", { class: "panels" }, connectionsPanel(data, context), bufferPanel(data), gatewayPanel(data, context)),
    ),
  ];
}

function panel(id, title, ...content) {
  return h("section", { class: "panel", "aria-labelledby": id, "data-key": id }, h("h2", { id }, title), content);
}

/* What the product promises, in sentences. */

function promisesPanel(data, context) {
  const lines = [
    sending(data, context),
    quarantine(data.totals),
    losses(data.totals),
    clockLine(data.gateway),
    ...data.gateway.notices.map((text) => promise(true, text)),
  ];
  return panel("promises", "Data", h("ul", { class: "promises" }, lines));
}

function promise(needsLook, ...text) {
  return h("li", { class: needsLook ? "needs-look" : "" }, h("span", {}, text));
}

function sending({ buffer, connections }, { now, elapsedMs }) {
  const waiting = buffer.oldestUnsentAgeMs === undefined ? undefined : buffer.oldestUnsentAgeMs + elapsedMs;
  if (buffer.holdingSenders) {
    return promise(
      true,
      h("strong", {}, "The buffer is full: senders are held."),
      " Nothing is acknowledged, so nothing is lost as long as they keep it. Restore the connection to Kafka, or raise the quota.",
    );
  }
  if (connections.some(({ kind, state }) => kind === "kafka" && state === "off")) {
    return promise(
      false,
      h("strong", {}, "Buffering only: no Kafka is configured."),
      ` ${counted(buffer.recordsUnsent, "record")} stored. ${forecast(buffer)}`,
    );
  }
  if (buffer.bufferingSinceMicros !== undefined) {
    const since = buffer.bufferingSinceMicros / 1000;
    const data = `${duration(waiting ?? 0)} of data`;
    return promise(
      true,
      h("strong", {}, `Buffering since ${time(since, { now })}`),
      `: ${data}, ${counted(buffer.recordsUnsent, "record")}, wait on disk for Kafka. ${forecast(buffer)}`,
    );
  }
  if (waiting !== undefined && waiting > 10_000) {
    return promise(
      false,
      h("strong", {}, "Catching up"),
      `: ${counted(buffer.recordsUnsent, "record")} to go, the oldest from ${duration(waiting)} ago.`,
    );
  }
  return promise(false, h("strong", {}, "All data is delivered"), " as it comes.");
}

function forecast({ fullInSeconds }) {
  return fullInSeconds === undefined ? "" : `Full in about ${duration(fullInSeconds * 1000)}.`;
}

function quarantine({ inQuarantine }) {
  if (inQuarantine === 0) return promise(false, "No message in quarantine.");
  return promise(
    true,
    h("strong", {}, h("a", { href: address("quarantine") }, `${counted(inQuarantine, "message")} quarantined`)),
    ": stored as received, but not understood.",
  );
}

function losses({ ledgered }) {
  if (ledgered === 0) return promise(false, "Nothing lost.");
  return promise(
    true,
    h("strong", {}, h("a", { href: address("ledger") }, `${counted(ledgered, "record")} will never arrive`)),
    ", each named in the ledger with its reason.",
  );
}

function clockLine({ clock }) {
  return (
    clock === "unset" &&
    promise(
      true,
      h("strong", {}, "The clock of this gateway was never set."),
      " Times are wrong until it reaches a time server.",
    )
  );
}

/* Alerts */

function alertsPanel({ alerts }, { now }) {
  const rest = alerts.open - alerts.first.length;
  return h(
    "section",
    { class: "panel", "aria-labelledby": "alerts", "data-key": "alerts" },
    h(
      "div",
      { class: "panel-head" },
      h("h2", { id: "alerts" }, "Alerts"),
      h("span", { class: "quiet" }, `${count(alerts.lastHour)} in the last hour`),
    ),
    alerts.open === 0
      ? h("p", { class: "quiet" }, "No open alert.")
      : h(
          "ul",
          {},
          alerts.first.map((alert) => alertItem(alertOf(alert, now), now)),
        ),
    rest > 0 && h("p", {}, h("a", { href: address("alerts") }, `All ${count(alerts.open)} open alerts`)),
  );
}

/* Lines and devices */

function devicesPanel({ lines, gateway }, { elapsedMs }) {
  if (lines.length === 0) {
    return panel(
      "devices",
      "Devices",
      h("p", {}, "No device has sent anything yet."),
      h(
        "p",
        { class: "quiet" },
        "Check the connections on this page. A message whose topic fits no device of the configuration goes to the ",
        h("a", { href: address("quarantine") }, "quarantine"),
        ", where you can see its topic.",
      ),
    );
  }
  return h(
    "section",
    { class: "panels", "aria-label": "Devices", "data-key": "devices" },
    lines.map((line) => linePanel(line, gateway, elapsedMs)),
  );
}

function linePanel(line, gateway, elapsedMs) {
  const id = `line ${line.path}`;
  const rest = line.deviceCount - line.devices.length;
  return h(
    "section",
    { class: "panel", "data-key": id, "aria-label": `Line ${line.path}` },
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, h("a", { href: address("line", line.path) }, name(shortPath(line.path, gateway.path)))),
      h("span", { class: "quiet" }, lineFacts(line)),
    ),
    h(
      "ul",
      { class: "devices" },
      line.devices.map((device) => deviceCard(device, elapsedMs)),
    ),
    rest > 0 &&
      h(
        "p",
        {},
        h("a", { href: address("line", line.path) }, `All ${counted(line.deviceCount, "device")} of this line`),
      ),
  );
}

function lineFacts({ deviceCount, silentCount, alertCount }) {
  const facts = [counted(deviceCount, "device")];
  if (alertCount > 0) facts.push(counted(alertCount, "alert"));
  if (silentCount > 0) facts.push(`${count(silentCount)} silent`);
  return facts.join(", ");
}

/* Connections */

const kinds = { mqtt: "MQTT", broker: "MQTT listener", opcua: "OPC UA", kafka: "" };
const stateWords = {
  connecting: "Connecting",
  connected: "Connected",
  listening: "Listening",
  waiting: "Waiting",
  stopped: "Stopped",
  off: "Not configured",
};

function connectionsPanel({ connections }, { now }) {
  return panel(
    "connections",
    "Connections",
    h(
      "ul",
      { class: "rows" },
      connections.map((connection) => connectionRow(connection, now)),
    ),
  );
}

function connectionRow({ name: connection, kind, state, address, detail, sinceMicros }, now) {
  const needsLook = state === "waiting" || state === "stopped";
  return h(
    "li",
    { class: needsLook ? "needs-look" : "", "data-key": `${kind} ${connection}` },
    h(
      "div",
      { class: "panel-head" },
      h(
        "span",
        {},
        h("strong", {}, name(kind === "kafka" ? "Kafka" : connection)),
        h("span", { class: "quiet" }, ` ${kinds[kind]}`),
      ),
      h(
        "span",
        {},
        h("span", { class: "state" }, stateWords[state]),
        state !== "off" && sinceText(sinceMicros / 1000, now),
      ),
    ),
    h("span", { class: needsLook ? "" : "quiet" }, name([address, detail].filter((text) => text !== "").join(" · "))),
  );
}

function sinceText(sinceMs, now) {
  const title = `Since ${exactTime(sinceMs)}`;
  return h(
    "time",
    { class: "quiet", datetime: new Date(sinceMs).toISOString(), title },
    ` for ${shortDuration(now - sinceMs)}`,
  );
}

/* Buffer */

function bufferPanel({ buffer }) {
  return panel(
    "buffer",
    "Buffer on disk",
    h(
      "p",
      {},
      `${bytes(buffer.bytesUsed)} of ${bytes(buffer.bytesQuota)} used. `,
      h("span", { class: "quiet" }, forecast(buffer)),
    ),
    fillBar(buffer.bytesUsed, buffer.bytesQuota),
    h(
      "ul",
      { class: "rows" },
      buffer.lanes.map((lane) =>
        h("li", { "data-key": lane.lane }, h("span", { class: "quiet" }, `${laneTitle(lane.lane)}: ${laneText(lane)}`)),
      ),
    ),
    h("p", {}, h("a", { href: address("buffer") }, "By kind of record, with forecast")),
  );
}

function laneText({ lane, bytesUsed, recordsUnsent }) {
  return lane === "history" ? bytes(bytesUsed) : `${bytes(bytesUsed)}, ${counted(recordsUnsent, "record")} to send`;
}

/* Gateway */

function gatewayPanel({ gateway, totals }, { elapsedMs }) {
  const facts = [
    ["Received", totals.received],
    ["Acknowledged", totals.acknowledged],
    ["Stored", totals.stored],
    ["Delivered", totals.published],
    ["Quarantined", totals.quarantined],
    ["In the ledger", totals.ledgered],
  ];
  return panel(
    "gateway",
    "Since start",
    h(
      "dl",
      { class: "facts" },
      facts.map(([word, number]) => h("div", {}, h("dt", {}, word), h("dd", {}, count(number)))),
    ),
    h(
      "p",
      { class: "quiet" },
      `Running for ${duration(gateway.uptimeMs + elapsedMs)}, version ${gateway.version}, epoch ${gateway.epoch}.`,
    ),
  );
}
