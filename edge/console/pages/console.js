import { h, patch } from "./dom.js";
import { count } from "./format.js";
import { address, addressParts, announce, notice, showClock, showLink } from "./frame.js";
import { fetchOnce, follow, keepSessionWhileUsed } from "./live.js";
import { alertView } from "./alert-view.js";
import { alertsView } from "./alerts-view.js";
import { deviceView } from "./device-view.js";
import { lineView } from "./line-view.js";
import { modelView } from "./model-view.js";
import { modelsView } from "./models-view.js";
import { metricView } from "./metric-view.js";
import { overviewView } from "./overview-view.js";
import { bufferView } from "./buffer-view.js";
import { ledgerView } from "./ledger-view.js";
import { quarantineView } from "./quarantine-view.js";
import { quarantinedView } from "./quarantined-view.js";

/*
 * A view is { title, screen, render(data, context), missing, close? }: which screen of the gateway it shows, and how.
 * One is open at a time, named by the address behind #. It is drawn again when its data came and once a second,
 * since ages run.
 */
function viewOf([first, second, third, fourth]) {
  switch (first) {
    case undefined:
      return overviewView();
    case "line":
      return lineView(second ?? "");
    case "device":
      return third === undefined ? deviceView(second ?? "", session) : metricView(second, third);
    case "alerts":
      return alertsView(session);
    case "alert":
      return alertView(second ?? "", session);
    case "quarantine":
      return second === undefined ? quarantineView(session) : quarantinedView(second, session);
    case "models":
      return second === undefined ? modelsView(session) : modelView(second, third ?? "live", fourth);
    case "buffer":
      return bufferView();
    case "ledger":
      return ledgerView();
    default:
      return undefined;
  }
}

const main = document.getElementById("content");
/** What the signed-in person may do; asked once, and the gateway checks each action anyway. */
const session = { role: undefined };
const link = { state: "loading", sinceMs: Date.now(), what: "the gateway" };
/** What the head shows of the last screen that told: open alerts and quarantined messages. */
const counts = {};
let view;
let stop = () => {};
let data;
let receivedMs = 0;
let isFirst = true;

function show() {
  stop();
  view?.close?.();
  data = undefined;
  view = viewOf(addressParts());
  patch(main, view ? h("p", { class: "notice" }, "Loading …") : noSuchView());
  document.title = `${view?.title ?? "Not found"} · Tidegate`;
  stop = view?.screen ? follow(view.screen, { screen: onScreen, gone: onGone, link: onLink }) : () => {};
  draw();
}

function onScreen(screen) {
  const isNew = data === undefined;
  data = screen;
  receivedMs = Date.now();
  if (screen.alerts?.open !== undefined) counts.alerts = screen.alerts.open;
  if (screen.totals) counts.quarantined = screen.totals.inQuarantine;
  if (screen.messages) counts.quarantined = screen.total;
  draw();
  if (isNew) {
    announce(`${view.title} · ${screen.gateway.id} · Tidegate`, isFirst);
    isFirst = false;
  }
}

function onGone() {
  data = undefined;
  patch(main, notice("Not here (any more)", view.missing, h("p", {}, h("a", { href: "#/" }, "To the overview"))));
}

function onLink(state) {
  if (state === "ended") return location.replace("/login#ended");
  if (state === "live" || state === "polling") link.sinceMs = Date.now();
  link.state = state === "loading" && link.state === "lost" ? "lost" : state;
  return drawFrame();
}

function draw() {
  drawFrame();
  if (data === undefined) return;
  const now = Date.now();
  const element = view.render(data, { now, elapsedMs: now - receivedMs, redraw: draw, follow: refollow });
  if (main.firstElementChild?.dataset.view === view.title) patch(main.firstElementChild, ...element);
  else main.replaceChildren(h("div", { "data-view": view.title }, element));
  view.drawn?.(data);
}

/** The same view on another screen, for example after a search. */
function refollow(screen) {
  stop();
  stop = follow(screen, { screen: onScreen, gone: onGone, link: onLink });
}

function drawFrame() {
  showLink(document.getElementById("link"), link);
  showClock(document.getElementById("clock"), link);
  const here = addressParts()[0];
  const item = (part, text, number, isAlert) =>
    h(
      "li",
      {},
      h("a", { href: part ? address(part) : "#/", "aria-current": here === part && "page" }, text),
      number > 0 && h("span", { class: isAlert ? "count count-alert" : "count" }, ` ${count(number)}`),
    );
  patch(
    document.getElementById("views"),
    h(
      "ul",
      {},
      item(undefined, "Overview"),
      item("alerts", "Alerts", counts.alerts, true),
      item("quarantine", "Quarantine", counts.quarantined),
      item("models", "Models"),
      item("buffer", "Buffer"),
      item("ledger", "Ledger"),
    ),
  );
}

function noSuchView() {
  return notice("There is no such view", h("p", {}, h("a", { href: "#/" }, "To the overview")));
}

addEventListener("hashchange", show);
setInterval(draw, 1000);
keepSessionWhileUsed();
show();
void fetchOnce("/api/v1/session").then(({ ok }) => {
  session.role = ok?.role;
  draw();
});
