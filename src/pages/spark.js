import { s } from "./dom.js";

const width = 120;
const height = 30;

/**
 * The last hour in a small space: a line over the band of the normal range, gaps as gaps, the last point marked.
 * It repeats what stands beside it in words, so it is hidden from screen readers.
 */
export function spark(points, range) {
  const known = points.filter((point) => point !== null);
  const box = { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  if (known.length === 0) return s("svg", box);
  const scale = scaleOf(known, range);
  return s("svg", box, band(range, scale), lines(points, scale));
}

function scaleOf(known, range) {
  let low = Math.min(...known);
  let high = Math.max(...known);
  // The range is always in the picture: where the line runs within it is what the eye asks for.
  if (range) {
    low = Math.min(low, range[0]);
    high = Math.max(high, range[1]);
  }
  const pad = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  const [bottom, top] = [low - pad, high + pad];
  return (value) => height - ((Math.min(Math.max(value, bottom), top) - bottom) / (top - bottom)) * height;
}

function band(range, scale) {
  if (!range) return undefined;
  const [top, bottom] = [scale(range[1]), scale(range[0])];
  return s("rect", {
    class: "spark-band",
    x: "0",
    y: top.toFixed(1),
    width: String(width),
    height: Math.max(0, bottom - top).toFixed(1),
  });
}

function lines(points, scale) {
  const step = width / Math.max(1, points.length - 1);
  let path = "";
  let isDrawing = false;
  for (const [at, point] of points.entries()) {
    if (point !== null) path += `${isDrawing ? "L" : "M"}${(at * step).toFixed(1)} ${scale(point).toFixed(1)}`;
    // A lone point between two gaps still shows, as a dot of the round line end.
    if (point !== null && !isDrawing) path += "h.1";
    isDrawing = point !== null;
  }
  return s("path", { class: "spark-line", d: path });
}
