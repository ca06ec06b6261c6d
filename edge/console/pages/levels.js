import { address, trail } from "./frame.js";

/** overview / line / device / metric, or overview / a list / one of it: the way up from any of them. */
export function levels(gateway, { line, device, metric, list, item } = {}) {
  const all = [{ text: gateway.path || gateway.id, href: "#/" }];
  if (line !== undefined) all.push({ text: shortPath(line, gateway.path), href: address("line", line) });
  if (device !== undefined) all.push({ text: device, href: address("device", device) });
  if (metric !== undefined) all.push({ text: metric, href: "" });
  if (list !== undefined) all.push({ text: list, href: address(list.toLowerCase()) });
  if (item !== undefined) all.push({ text: item, href: "" });
  return trail(all);
}

/** A line below this gateway's own path needs not repeat it. */
export function shortPath(path, base) {
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : path || "No line";
}
