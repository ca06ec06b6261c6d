import { h, name } from "./dom.js";
import { age, count, counted, exactTime, time, wireMs } from "./format.js";
import { address, trail } from "./frame.js";

/** No news for this long is worth a word. The service does not know how often a device sends. */
const silentAfterMs = 300_000;

/** fleet / site / line / device / metric: the way up. */
export function levels({ site, line, device, metric, list } = {}) {
  const all = [{ text: "Fleet", href: "#/" }];
  if (site) all.push({ text: site, href: address("site", site) });
  if (line) all.push({ text: below(line, site), href: address("line", line) });
  if (device) all.push({ text: device, href: address("device", device) });
  if (metric) all.push({ text: metric, href: "" });
  if (list) all.push({ text: list, href: "" });
  return trail(all);
}

/** A line below a site needs not repeat the site. */
export function below(path, base) {
  return base && path.startsWith(`${base}/`) ? path.slice(base.length + 1) : path;
}

export function timeOf(wire, now, options) {
  return h("time", { datetime: wire, title: exactTime(wireMs(wire)) }, time(wireMs(wire), { now, ...options }));
}

/** The promise of a site, a line or a device, in words. */
export function completeness({ completeUpTo, missing }, now) {
  if (completeUpTo === null) return "completeness not proven yet";
  const gap =
    missing > 0 ? h("span", { class: "badge needs-look" }, `${counted(missing, "record")} missing, `) : undefined;
  return [gap, "complete up to ", timeOf(completeUpTo, now, { seconds: true })];
}

export function lastData(lastTime, serverNow) {
  if (lastTime === null || lastTime === undefined) return "no data yet";
  const ageMs = serverNow - wireMs(lastTime);
  return ageMs > silentAfterMs ? `silent, last data ${age(ageMs)}` : `last data ${age(ageMs)}`;
}

/** A site, a line or a device as a row: what it is, whether it needs somebody, and how complete its data is. */
export function placeRow({ href, title, facts, item }, { now, serverNow }) {
  return h(
    "li",
    { "data-key": href },
    h(
      "div",
      { class: "panel-head" },
      h("span", {}, h("strong", {}, h("a", { href }, name(title))), h("span", { class: "quiet" }, ` ${facts}`)),
      item.alertsOpen > 0 && h("span", { class: "badge needs-look" }, counted(item.alertsOpen, "open alert")),
    ),
    h("span", { class: "quiet" }, lastData(item.lastTime, serverNow), " · ", completeness(item, now)),
  );
}

export function panel(id, title, ...content) {
  return h("section", { class: "panel", "aria-labelledby": id, "data-key": id }, h("h2", { id }, title), content);
}

export function linesOf({ lines, devices }) {
  return [lines !== undefined && counted(lines, "line"), counted(devices, "device")].filter(Boolean).join(", ");
}

export function recordsText(records) {
  return `${count(records)} ${records === 1 ? "record" : "records"}`;
}

/** An alert of the cloud's API as the shared list draws it. Of what people do at the gateway the cloud knows who has seen it. */
export function alertOf(alert) {
  return {
    ...alert,
    state: alert.cleared === null ? (alert.acknowledged ? "acknowledged" : "open") : "returned",
    seen: alert.acknowledged && `seen ${time(wireMs(alert.acknowledged))}`,
    raisedMs: wireMs(alert.raised),
    clearedMs: alert.cleared === null ? undefined : wireMs(alert.cleared),
    href: address("device", alert.device, alert.metric),
  };
}
