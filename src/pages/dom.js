/*
 * Elements from code. Names of devices, topics and metrics are foreign text: they only ever become text nodes and
 * attribute values, never markup.
 */

/** An HTML element. Attributes that are undefined or false are left out; functions become handlers. */
export function h(tag, attributes, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function s(tag, attributes, ...children) {
  return build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

/** A foreign name: its direction of writing must not reorder what stands around it. */
export function name(text) {
  return h("bdi", {}, text);
}

function build(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== undefined && child !== false && child !== ""));
  return element;
}

/** A place whose content lives by itself: drawing around it leaves it alone. `fill` puts the content there, once. */
export function island(id) {
  return h("div", { "data-island": id });
}

export function fill(id, content) {
  const place = document.querySelector(`[data-island="${id}"]`);
  if (place !== null && content.parentNode !== place) place.replaceChildren(content);
}

/**
 * Makes the children of `parent` equal to `next`, and touches only what differs: focus, selection, scroll position
 * and open details stay. Children with a `data-key` are moved rather than rewritten; islands are left alone.
 */
export function patch(parent, ...next) {
  const keyed = new Map();
  for (const child of parent.children) if (child.dataset?.key) keyed.set(child.dataset.key, child);
  let at = parent.firstChild;
  for (const wanted of next.flat(3)) {
    if (wanted === undefined || wanted === false || wanted === "") continue;
    const node = typeof wanted === "string" ? document.createTextNode(wanted) : wanted;
    const found = node.dataset?.key ? keyed.get(node.dataset.key) : at;
    if (!isSame(found, node)) {
      parent.insertBefore(node, at);
      continue;
    }
    if (found === at) at = at.nextSibling;
    else parent.insertBefore(found, at);
    adopt(found, node);
  }
  while (at !== null) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

function isSame(found, node) {
  if (!found || found.nodeType !== node.nodeType || found.nodeName !== node.nodeName) return false;
  return found.dataset?.key === node.dataset?.key;
}

function adopt(found, node) {
  if (found.nodeType === Node.TEXT_NODE) {
    if (found.data !== node.data) found.data = node.data;
    return;
  }
  if (found.dataset.island !== undefined) return;
  for (const name of found.getAttributeNames()) {
    if (!node.hasAttribute(name) && !(name === "open" && found.nodeName === "DETAILS")) found.removeAttribute(name);
  }
  for (const { name, value } of node.attributes)
    if (found.getAttribute(name) !== value) found.setAttribute(name, value);
  for (const handler of ["onclick", "oninput", "onsubmit", "onchange"]) {
    if (found[handler] !== node[handler]) found[handler] = node[handler];
  }
  patch(found, ...node.childNodes);
}
