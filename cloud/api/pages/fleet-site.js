import { h, name } from "./dom.js";
import { counted } from "./format.js";
import { get, Missing } from "./fleet-api.js";
import { lineRow } from "./fleet-overview.js";
import { completeness, lastData, levels } from "./fleet-parts.js";

export function siteView(path) {
  const load = async () => {
    const [{ now, sites }, { lines }] = await Promise.all([get("sites"), get("lines", { site: path })]);
    const site = sites.find((candidate) => candidate.path === path);
    if (site === undefined) throw new Missing();
    return { now, site, lines };
  };
  return { title: `Site ${path}`, load, render, missing: "No record has arrived from a site of this name." };
}

function render({ site, lines }, context) {
  return [
    levels({ site: site.path }),
    h("h1", {}, "Site ", name(site.path)),
    h(
      "p",
      { class: "quiet" },
      counted(site.devices, "device"),
      " · ",
      lastData(site.lastTime, context.serverNow),
      " · ",
      completeness(site, context.now),
    ),
    h(
      "section",
      { class: "panel", "aria-labelledby": "lines" },
      h("h2", { id: "lines" }, "Lines"),
      h(
        "ul",
        { class: "rows" },
        lines.map((line) => lineRow(line, context)),
      ),
    ),
  ];
}
