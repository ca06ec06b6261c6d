import { h, patch } from "./dom.js";
import { shortDuration, time, zone } from "./format.js";

/** The parts of the address behind `#/`, decoded; a part that cannot be decoded is taken as it is. */
export function addressParts(hash = location.hash) {
  return hash
    .replace(/^#\/?/, "")
    .split("/")
    .filter((part) => part !== "")
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}

/** The address of a view, for a link. */
export function address(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Where the reader is: each level links to the one above. */
export function trail(levels) {
  return h(
    "nav",
    { "aria-label": "Path", class: "trail" },
    h(
      "ol",
      {},
      levels.map(({ text, href }, at) =>
        h(
          "li",
          {},
          at === levels.length - 1
            ? h("span", { "aria-current": "page" }, h("bdi", {}, text))
            : h("a", { href }, h("bdi", {}, text)),
        ),
      ),
    ),
  );
}

/** The title of the window, and focus on the heading of the new view, so that a screen reader begins there. */
export function announce(title, isFirst) {
  document.title = title;
  if (isFirst) return;
  const heading = document.querySelector("main h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/**
 * Says in words whether what is shown is live. `link`: { state: "loading" | "live" | "polling" | "lost", sinceMs, what }.
 * The sentence is written once per change, since screen readers speak it; only the age beside it runs.
 */
export function showLink(element, link, now = Date.now()) {
  document.body.classList.toggle("lost", link.state === "lost");
  element.hidden = link.state !== "lost";
  patch(
    element,
    h(
      "p",
      {},
      h("strong", {}, `The connection to ${link.what} is lost.`),
      ` What you see is from ${time(link.sinceMs, { seconds: true, now })}.`,
    ),
    h("p", { "aria-hidden": "true" }, `Trying again by itself, for ${shortDuration(now - link.sinceMs)} now.`),
    h("p", {}, `If this stays: check that ${link.what} runs, and that this device is in its network.`),
  );
}

/** The time in the head of the page, and the zone that holds for all times on it. */
export function showClock(element, link, now = Date.now()) {
  const word = { loading: "Loading", live: "Live", polling: "Every 5 s", lost: "Lost" }[link.state];
  patch(
    element,
    h("span", { class: `link link-${link.state}` }, word),
    " ",
    h("time", { datetime: new Date(now).toISOString() }, time(now, { seconds: true, now })),
    h("span", { class: "quiet" }, ` ${zone(now)}`),
  );
}

/** A view that is not there yet, or cannot be shown: what happened and what to do next. */
export function notice(title, ...next) {
  return h(
    "section",
    { class: "notice" },
    h("h1", {}, title),
    next.map((text) => (typeof text === "string" ? h("p", {}, text) : text)),
  );
}
