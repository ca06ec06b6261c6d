import { alertItem } from "./alert.js";
import { h, name } from "./dom.js";
import { count, counted, duration, time, wireMs } from "./format.js";
import { address } from "./frame.js";
import { get } from "./fleet-api.js";
import { worstPredictions } from "./fleet-predictions.js";
import { alertOf, below, levels, linesOf, panel, placeRow, timeOf } from "./fleet-parts.js";

const alertsShown = 5;
const predictionsShown = 3;
/** A few sites show their lines at once; many are a list to choose from. */
const sitesWithLinesMax = 6;

export function overviewView() {
  return { title: "Overview", load, render };
}

async function load() {
  const [{ now, sites }, { alerts }, predictions, totals, status, { gateways }] = await Promise.all([
    get("sites"),
    get("alerts", { limit: alertsShown }),
    get("predictions", { limit: predictionsShown }),
    get("totals"),
    get("status"),
    get("completeness", { limit: 1 }),
  ]);
  const lines = sites.length <= sitesWithLinesMax ? (await get("lines")).lines : [];
  return { now, sites, lines, alerts, predictions, totals, status, gateways };
}

function render(data, context) {
  return [
    levels(),
    h("h1", {}, "Fleet"),
    promisesPanel(data, context),
    h(
      "div",
      { class: "panels two" },
      h(
        "div",
        { class: "panels" },
        alertsPanel(data, context),
        worstPredictions(data.predictions, context.serverNow),
        sitesPanels(data, context),
      ),
      h("div", { class: "panels" }, gatewaysPanel(data, context), recordsPanel(data)),
    ),
  ];
}

function promisesPanel({ sites, totals, status }, { now, serverNow }) {
  const sentences = [
    ...status.alarms.map(({ message, hint }) => promise(true, h("strong", {}, message), hint ? ` ${hint}` : "")),
    complete(sites, totals, now, serverNow),
    reading(status, totals, now),
    losses(totals),
    totals.rejected > 0 &&
      promise(
        true,
        h("strong", {}, `${counted(totals.rejected, "record")} could not be read`),
        " and is in no figure; the API lists them under rejects.",
      ),
  ];
  return panel("promises", "Data", h("ul", { class: "promises" }, sentences));
}

function promise(needsLook, ...text) {
  return h("li", { class: needsLook ? "needs-look" : "" }, h("span", {}, text));
}

/** The fleet is as complete as its least complete site. */
function complete(sites, totals, now, serverNow) {
  if (sites.length === 0) return promise(false, "No record has arrived yet.");
  const missing =
    totals.missing > 0
      ? ` ${counted(totals.missing, "record")} known to exist ${totals.missing === 1 ? "has" : "have"} not arrived.`
      : "";
  const unproven = sites.filter(({ completeUpTo }) => completeUpTo === null).length;
  if (unproven > 0)
    return promise(
      totals.missing > 0,
      h("strong", {}, "Completeness is not proven yet"),
      ` for ${counted(unproven, "site")}: of a device there is no manifest so far of which everything arrived.${missing}`,
    );
  const oldest = sites.map(({ completeUpTo }) => completeUpTo).toSorted()[0];
  const behindMs = serverNow - wireMs(oldest);
  return promise(
    totals.missing > 0,
    h("strong", {}, "Complete up to ", timeOf(oldest, now, { seconds: true })),
    `, ${duration(behindMs)} behind.${missing}`,
  );
}

function reading({ kafka }, { lag }, now) {
  if (kafka.state === "reading")
    return promise(false, lag > 0 ? `Catching up: ${counted(lag, "record")} to read.` : "Everything in Kafka is read.");
  const word =
    {
      connecting: "Connecting to Kafka",
      waiting: "Kafka does not answer",
      stopped: "Reading was stopped",
    }[kafka.state] ?? kafka.state;
  return promise(
    kafka.state !== "connecting",
    h("strong", {}, word),
    kafka.since ? ` since ${time(wireMs(kafka.since), { now })}` : "",
    kafka.detail ? `: ${kafka.detail}` : "",
    ". The figures below stand still until then.",
  );
}

function losses({ ledgered, lossesAtSource }) {
  const lost = ledgered + lossesAtSource;
  if (lost === 0) return promise(false, "Nothing lost.");
  return promise(
    true,
    h("strong", {}, `${counted(lost, "record")} will never arrive`),
    ", each named in the ledger with its reason.",
  );
}

function alertsPanel({ alerts, totals }, { now }) {
  const rest = totals.alertsOpen - alerts.length;
  return panel(
    "alerts",
    "Alerts",
    alerts.length === 0
      ? h("p", { class: "quiet" }, "No open alert.")
      : h(
          "ul",
          {},
          alerts.map((alert) => alertItem(alertOf(alert), now)),
        ),
    rest > 0 && h("p", {}, h("a", { href: address("alerts") }, `All ${count(totals.alertsOpen)} open alerts`)),
  );
}

function sitesPanels({ sites, lines }, context) {
  if (sites.length === 0) {
    return panel(
      "sites",
      "Sites",
      h("p", {}, "No site yet."),
      h(
        "p",
        { class: "quiet" },
        "A site appears with the first record of its gateway. Check that a gateway runs, that its topics exist, and that both name the same Kafka and topic prefix.",
      ),
    );
  }
  if (sites.length > sitesWithLinesMax) {
    return panel(
      "sites",
      "Sites",
      h(
        "ul",
        { class: "rows" },
        sites.map((site) => siteRow(site, context)),
      ),
    );
  }
  return sites.map((site) =>
    h(
      "section",
      { class: "panel", "aria-label": `Site ${site.path}`, "data-key": `site ${site.path}` },
      h(
        "div",
        { class: "panel-head" },
        h("h2", {}, h("a", { href: address("site", site.path) }, name(site.path))),
        h("span", { class: "quiet" }, linesOf(site)),
      ),
      h(
        "ul",
        { class: "rows" },
        lines.filter(({ site: path }) => path === site.path).map((line) => lineRow(line, context)),
      ),
    ),
  );
}

function siteRow(site, context) {
  return placeRow({ href: address("site", site.path), title: site.path, facts: linesOf(site), item: site }, context);
}

export function lineRow(line, context) {
  return placeRow(
    {
      href: address("line", line.path),
      title: below(line.path, line.site),
      facts: linesOf({ devices: line.devices }),
      item: line,
    },
    context,
  );
}

function gatewaysPanel({ gateways }, { now }) {
  return panel(
    "gateways",
    "Gateways",
    gateways.length === 0
      ? h("p", { class: "quiet" }, "No gateway has been heard yet.")
      : h(
          "ul",
          { class: "rows" },
          gateways.map((gateway) => gatewayRow(gateway, now)),
        ),
  );
}

function gatewayRow(gateway, now) {
  const facts = [
    counted(gateway.devices, "device"),
    counted(gateway.epochs, "start"),
    gateway.ledgered > 0 && `${count(gateway.ledgered)} in the ledger`,
    gateway.missing > 0 && `${count(gateway.missing)} missing`,
    gateway.repair.state === "asked" && "asked to send them again",
    gateway.repair.resent > 0 && `${count(gateway.repair.resent)} sent again on request`,
  ];
  return h(
    "li",
    { "data-key": gateway.gateway },
    h(
      "span",
      {},
      h("strong", {}, name(gateway.gateway)),
      " ",
      h("span", { class: "quiet" }, facts.filter(Boolean).join(", ")),
    ),
    h(
      "span",
      { class: "quiet" },
      gateway.completeUpTo === null
        ? "completeness not proven yet"
        : ["complete up to ", timeOf(gateway.completeUpTo, now, { seconds: true })],
    ),
    gateway.clone !== null &&
      h(
        "span",
        { class: "flag needs-look" },
        "Two senders use this id since ",
        timeOf(gateway.clone.since, now),
        ": look for a copied disk. Nothing is asked of it until one of them is stopped.",
      ),
  );
}

function recordsPanel({ totals }) {
  const facts = [
    ["Distinct records", totals.distinctRecords],
    ["In the rollups", totals.recordsInRollups],
    ["Sent twice, counted once", totals.duplicates],
    ["Implausible time", totals.implausible],
    ["In the ledger", totals.ledgered],
    ["Quarantined at gateways", totals.quarantined],
  ];
  return panel(
    "records",
    "Records",
    h(
      "dl",
      { class: "facts" },
      facts.map(([word, number]) => h("div", {}, h("dt", {}, word), h("dd", {}, count(number)))),
    ),
  );
}
