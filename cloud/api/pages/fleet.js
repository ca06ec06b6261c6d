import { h, patch } from "./dom.js";
import { count, wireMs } from "./format.js";
import { address, addressParts, announce, notice, showClock, showLink } from "./frame.js";
import { get, listen, Missing, signOut, SignedOut } from "./fleet-api.js";
import { alertsView } from "./fleet-alerts.js";
import { deviceView } from "./fleet-device.js";
import { lineView } from "./fleet-line.js";
import { metricView } from "./fleet-metric.js";
import { overviewView } from "./fleet-overview.js";
import { predictionsView } from "./fleet-predictions.js";
import { rolloutsView } from "./fleet-rollouts.js";
import { signInForm } from "./fleet-sign-in.js";
import { siteView } from "./fleet-site.js";

/*
 * A view is { title, load(), render(data, context), missing, drawn?, close? }. One is open at a time, named by the
 * address behind #. Its data is fetched anew when the service says that something changed, at most once a second.
 */
function viewOf([first, second, third]) {
  switch (first) {
    case undefined:
      return overviewView();
    case "site":
      return siteView(second ?? "");
    case "line":
      return lineView(second ?? "");
    case "device":
      return third === undefined ? deviceView(second ?? "") : metricView(second, third);
    case "alerts":
      return alertsView();
    case "predictions":
      return predictionsView();
    case "rollouts":
      return rolloutsView();
    default:
      return undefined;
  }
}

const againMs = 1000;
const retryMs = 2000;
const main = document.getElementById("content");
const link = { state: "loading", sinceMs: Date.now(), what: "the cloud service" };
let alertsOpen = 0;
let view;
let data;
let receivedMs = 0;
let isFirst = true;
let stopListening;
let timer;
/** Counts the views opened: an answer for one that was left is thrown away. */
let turn = 0;

function show() {
  turn++;
  view?.close?.();
  data = undefined;
  view = viewOf(addressParts());
  if (view === undefined) {
    patch(main, notice("There is no such view", toOverview()));
    return drawFrame();
  }
  patch(main, h("p", { class: "notice" }, "Loading …"));
  document.title = `${view.title} · Tidegate fleet`;
  drawFrame();
  return load();
}

async function load() {
  clearTimeout(timer);
  timer = undefined;
  const mine = turn;
  try {
    const loaded = await view.load();
    if (mine === turn) onLoaded(loaded);
  } catch (error) {
    if (mine === turn) onFailure(error);
  }
}

function onLoaded(loaded) {
  const isNew = data === undefined;
  data = loaded;
  receivedMs = Date.now();
  heard();
  stopListening ??= listen(onEvent, onLost);
  draw();
  if (isNew) announce(`${view.title} · Tidegate fleet`, isFirst);
  if (isNew) isFirst = false;
}

function onFailure(error) {
  if (error instanceof SignedOut) return showSignIn();
  if (error instanceof Missing) {
    data = undefined;
    return patch(main, notice("Not here (any more)", view.missing ?? "", toOverview()));
  }
  return onLost();
}

function onEvent(event) {
  heard();
  alertsOpen = event.totals?.alertsOpen ?? alertsOpen;
  timer ??= setTimeout(load, againMs);
}

function onLost() {
  stopListening?.();
  stopListening = undefined;
  link.state = "lost";
  drawFrame();
  clearTimeout(timer);
  timer = setTimeout(load, retryMs);
}

function heard() {
  link.state = "live";
  link.sinceMs = Date.now();
}

function showSignIn() {
  turn++;
  view?.close?.();
  // Nothing of it may come back by itself: the clock draws what is there.
  view = undefined;
  data = undefined;
  stopListening?.();
  stopListening = undefined;
  clearTimeout(timer);
  document.title = "Sign in · Tidegate fleet";
  heard();
  drawFrame(true);
  main.replaceChildren(signInForm(start));
  main.querySelector("input").focus();
}

function draw() {
  if (data === undefined) return;
  drawFrame();
  const now = Date.now();
  // Ages are told by the service's own clock: that of this device may be wrong.
  const serverNow = data.now === undefined ? now : wireMs(data.now) + (now - receivedMs);
  const content = view.render(data, { now, serverNow, draw, load });
  if (main.firstElementChild?.dataset.view === view.title) patch(main.firstElementChild, ...content);
  else main.replaceChildren(h("div", { "data-view": view.title }, content));
  view.drawn?.(data);
}

function drawFrame(isSignedOut = false) {
  showLink(document.getElementById("link"), link);
  if (isSignedOut) patch(document.getElementById("clock"));
  else showClock(document.getElementById("clock"), link);
  document.getElementById("sign-out").hidden = isSignedOut;
  const here = addressParts()[0];
  const item = (part, text, number) =>
    h(
      "li",
      {},
      h("a", { href: part ? address(part) : "#/", "aria-current": here === part && "page" }, text),
      number > 0 && h("span", { class: "count count-alert" }, ` ${count(number)}`),
    );
  patch(
    document.getElementById("views"),
    isSignedOut
      ? undefined
      : h(
          "ul",
          {},
          item(undefined, "Overview"),
          item("alerts", "Alerts", alertsOpen),
          item("predictions", "Predictions"),
          item("rollouts", "Rollouts"),
        ),
  );
}

function toOverview() {
  return h("p", {}, h("a", { href: "#/" }, "To the overview"));
}

document.getElementById("sign-out").onclick = () => void signOut().then(showSignIn, onLost);
addEventListener("hashchange", () => void show());
setInterval(() => (data === undefined ? undefined : draw()), 1000);

/** One question tells whether somebody is signed in; only then all the others are asked. */
async function start() {
  try {
    alertsOpen = (await get("totals")).alertsOpen;
  } catch (error) {
    if (error instanceof SignedOut) return showSignIn();
  }
  return show();
}

void start();
