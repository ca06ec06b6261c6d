import { h, name } from "./dom.js";
import { address } from "./frame.js";
import { get, Missing } from "./fleet-api.js";
import { below, completeness, lastData, levels, linesOf, placeRow, recordsText } from "./fleet-parts.js";

const step = 100;
const shownMax = 1000;
const searchFrom = 12;

export function lineView(path) {
  let search = "";
  let limit = step;
  const load = async () => {
    const [{ now, lines }, { devices, next }] = await Promise.all([
      get("lines"),
      get("devices", { line: path, search, limit }),
    ]);
    const line = lines.find((candidate) => candidate.path === path);
    if (line === undefined) throw new Missing();
    return { now, line, devices, hasMore: next !== null };
  };
  const render = ({ line, devices, hasMore }, context) => [
    levels({ site: line.site, line: path }),
    h("h1", {}, "Line ", name(below(path, line.site))),
    h(
      "p",
      { class: "quiet" },
      linesOf({ devices: line.devices }),
      " · ",
      lastData(line.lastTime, context.serverNow),
      " · ",
      completeness(line, context.now),
    ),
    line.devices > searchFrom &&
      searchField((event) => {
        search = event.target.value;
        void context.load();
      }),
    h(
      "section",
      { class: "panel", "aria-labelledby": "devices" },
      h("h2", { id: "devices" }, "Devices"),
      devices.length === 0 && h("p", { role: "status" }, "No device has this in its name."),
      h(
        "ul",
        { class: "rows" },
        (hasMore ? devices : devices.toSorted((a, b) => b.alertsOpen - a.alertsOpen)).map((device) =>
          deviceRow(device, context),
        ),
      ),
      hasMore &&
        moreButton(limit, () => {
          limit = Math.min(shownMax, limit + step);
          void context.load();
        }),
    ),
  ];
  return { title: `Line ${path}`, load, render, missing: "No record has arrived from a line of this name." };
}

function deviceRow(device, context) {
  const facts = [device.profile ?? "profile not known yet", recordsText(device.records)].join(", ");
  return placeRow({ href: address("device", device.device), title: device.device, facts, item: device }, context);
}

function moreButton(limit, onclick) {
  if (limit >= shownMax) return h("p", { class: "quiet" }, `The first ${shownMax} are shown; find others by name.`);
  return h("p", {}, h("button", { onclick }, "Show more"));
}

function searchField(oninput) {
  return h(
    "p",
    { class: "field" },
    h("label", { for: "search" }, "Find a device by a part of its name"),
    h("input", { id: "search", type: "search", maxlength: "128", autocomplete: "off", oninput }),
  );
}
