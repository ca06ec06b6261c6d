/* Runs inside the page: browser tests ask it how things look. It is injected by test/support/browser.ts. */

const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);

/** Relative luminance after WCAG 2.2. */
function luminance(color) {
  const [r, g, b] = channels(color)
    .slice(0, 3)
    .map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The first background that is not transparent. */
function behind(element) {
  for (let at = element; at !== null; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if (channels(color)[3] !== 0) return color;
  }
  return "rgb(255, 255, 255)";
}

function ratioOf(element) {
  const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function isLarge(element) {
  const { fontSize, fontWeight } = getComputedStyle(element);
  const size = Number.parseFloat(fontSize);
  return size >= 24 || (size >= 18.66 && Number(fontWeight) >= 700);
}

globalThis.looks = {
  /** Pixels that the page is wider than the window. */
  overflow: () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  /** Texts with less contrast than WCAG 2.2 AA asks for. */
  contrastFaults() {
    const faults = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const text = walker.currentNode.textContent.trim();
      if (text === "" || !element.checkVisibility()) continue;
      const ratio = ratioOf(element);
      if (ratio < (isLarge(element) ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)}: ${text}`);
    }
    return faults;
  },
  /** What has the focus, and whether one can see that. */
  focus() {
    const element = document.activeElement;
    const isNothing = element === null || element === document.body;
    return {
      text: isNothing ? "" : element.innerText,
      outline: isNothing ? "" : getComputedStyle(element).outlineStyle,
    };
  },
  style: (selector, property) => getComputedStyle(document.querySelector(selector)).getPropertyValue(property),
};
