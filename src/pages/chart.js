import { h, patch } from "./dom.js";
import { dayText, exactTime, rangeText, time, unit, value } from "./format.js";

let library;

/** The chart library is half of all bytes: only a view with a chart loads it. */
function loadLibrary() {
  library ??= new Promise((resolve, reject) => {
    const beside = (file) => new URL(`vendor/${file}`, import.meta.url).href;
    const sheet = h("link", { rel: "stylesheet", href: beside("uplot.css") });
    const script = h("script", { src: beside("uplot.js"), onload: () => resolve(globalThis.uPlot), onerror: reject });
    document.head.append(sheet, script);
  });
  library.catch(() => (library = undefined));
  return library;
}

/**
 * A trend: the line of the values over the band from lowest to highest, the normal range behind it, alerts as marks,
 * gaps as gaps. `subject`: { label, unit, range, lineLabel, isRaw }; `isRaw`: each point is one reading, so there is no band. `show` takes { timesMs, low, high, line, marksMs },
 * and `spanMs`, from when to when, where it is not from the first point to the last. With `subject.onPick` a click gives it the
 * number of the point, and `pickedMs` marks one; `subject.isScore`: from 0 to thousands, so beyond 1 the scale is a logarithm's, and the range is always in the picture.
 */
export function makeTrend(subject) {
  const place = h("div", {
    class: "chart",
    role: "img",
    "aria-label": `Trend of ${subject.label}; the table below has the figures`,
  });
  const table = h("div", {});
  const element = h("div", {}, place, table);
  place.onclick = () => {
    if (Number.isInteger(chart?.cursor.idx)) subject.onPick?.(chart.cursor.idx);
  };
  let chart;
  let shown;

  const draw = async () => {
    const uPlot = await loadLibrary();
    if (!place.isConnected) return;
    const band = subject.isRaw ? [] : [shown.high, shown.low];
    const data = [shown.timesMs.map((ms) => ms / 1000), ...band, shown.line];
    if (chart) chart.setData(data);
    else
      chart = new uPlot(
        optionsOf(uPlot, subject, place, () => shown),
        data,
        place,
      );
  };
  const restyle = () => {
    chart?.destroy();
    chart = undefined;
    if (shown) void draw();
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", restyle);
  const watcher = new ResizeObserver(() => chart?.setSize(sizeOf(place)));
  watcher.observe(place);

  return {
    element,
    async show(trend) {
      shown = trend;
      patch(table, figures(subject, trend));
      await draw();
    },
    destroy() {
      scheme.removeEventListener("change", restyle);
      watcher.disconnect();
      chart?.destroy();
    },
  };
}

function sizeOf(place) {
  return {
    width: Math.max(200, place.clientWidth),
    height: Math.min(420, Math.max(220, Math.round(innerHeight * 0.45))),
  };
}

function optionsOf(uPlot, subject, place, shown) {
  const style = getComputedStyle(document.documentElement);
  const ink = (variable) => style.getPropertyValue(variable).trim();
  const axis = {
    stroke: ink("--quiet"),
    grid: { stroke: ink("--line"), width: 1 },
    ticks: { stroke: ink("--line"), width: 1 },
    font: "13px system-ui, sans-serif",
  };
  const label = `${subject.label}${unit(subject.unit) && `, ${unit(subject.unit)}`}`;
  const readingText = (number) => (number === null ? "no data" : `${value(number)} ${unit(subject.unit)}`.trim());
  const text = (_chart, number, _series, at) => (at === null ? "" : readingText(number));
  return {
    ...sizeOf(place),
    cursor: { y: false, points: { size: 7 } },
    scales: {
      x: { time: true, range: (_chart, first, last) => span(shown(), first, last) },
      y: {
        range: (_chart, low, high) => extent(low, high, subject),
        ...(subject.isScore ? { distr: 4, asinh: 1 } : {}),
      },
    },
    axes: [
      {
        ...axis,
        values: (_chart, splits) => timesOf(splits),
      },
      {
        ...axis,
        label,
        labelFont: "13px system-ui, sans-serif",
        size: (_chart, texts) => Math.max(64, 36 + 7 * Math.max(0, ...(texts ?? []).map((text) => text?.length ?? 0))),
        values: (_chart, splits) => splits.map(value),
        ...(subject.isScore
          ? { splits: (_chart, _axis, _low, high) => scoreLines(high), filter: (_chart, all) => all }
          : {}),
      },
    ],
    series: [
      { label: "Time", value: (_chart, at) => (at === null ? "point at the chart" : exactTime(at * 1000)) },
      ...(subject.isRaw ? [] : ["Highest", "Lowest"]).map((of) => ({
        label: of,
        stroke: "transparent",
        points: { show: false },
        value: text,
      })),
      { label: subject.lineLabel, stroke: ink("--ink"), width: 1.5, points: { show: false }, value: text },
    ],
    bands: subject.isRaw ? [] : [{ series: [1, 2], fill: ink("--band-data") }],
    hooks: {
      drawClear: [(chart) => drawRange(chart, subject.range, ink("--band"))],
      draw: [
        (chart) => drawMarks(chart, shown().marksMs ?? [], ink("--critical")),
        (chart) => drawPicked(chart, shown().pickedMs, ink("--focus")),
      ],
    },
  };
}

/** Below the first time, and the first of each day, stands which day it is, unless all is of today. */
function timesOf(splits) {
  const days = splits.map((at) => dayText(at * 1000));
  const isOfToday = days.every((day) => day === dayText(Date.now()));
  return splits.map((at, n) => {
    const clock = time(at * 1000, { seconds: splits[1] - splits[0] < 60, now: at * 1000 });
    return isOfToday || days[n] === days[n - 1] ? clock : `${clock}\n${days[n]}`;
  });
}

function span({ spanMs, timesMs }, first, last) {
  if (spanMs) return spanMs.map((ms) => ms / 1000);
  // A single point stands in the middle of a minute.
  return timesMs.length > 1 ? [first, last] : [(first ?? 0) - 30, (last ?? 0) + 30];
}

/** The normal range belongs into the picture, unless it would flatten the line. */
function extent(low, high, { range, isScore }) {
  if (low === null || high === null || low === undefined) return range ?? [0, 1];
  if (isScore) return [0, 1.15 * Math.max(high, range[1])];
  const near = range && range[1] - range[0] <= Math.max(high - low, Math.abs(high) * 0.02, 1e-9) * 20;
  const [bottom, top] = near ? [Math.min(low, range[0]), Math.max(high, range[1])] : [low, high];
  const pad = (top - bottom) * 0.06 || Math.abs(top) * 0.05 || 1;
  return [bottom - pad, top + pad];
}

/** Where lines help to read a score: halves while there are few, else powers of ten. */
function scoreLines(high) {
  if (high <= 5) return Array.from({ length: Math.floor(high * 2) + 1 }, (_, n) => n / 2);
  return [0, ...Array.from({ length: Math.floor(Math.log10(high)) + 1 }, (_, n) => 10 ** n)];
}

function drawRange(chart, range, fill) {
  if (!range) return;
  const { ctx, bbox } = chart;
  const clamp = (at) => Math.min(Math.max(at, bbox.top), bbox.top + bbox.height);
  const [top, bottom] = [clamp(chart.valToPos(range[1], "y", true)), clamp(chart.valToPos(range[0], "y", true))];
  ctx.save();
  ctx.fillStyle = fill;
  ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  ctx.restore();
}

/** An alert is a dashed line with a triangle on top: a shape, not only a colour. */
function drawMarks(chart, marksMs, stroke) {
  const { ctx, bbox } = chart;
  const unitPx = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.fillStyle = stroke;
  ctx.lineWidth = unitPx;
  for (const ms of marksMs) {
    const x = Math.round(chart.valToPos(ms / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.setLineDash([4 * unitPx, 3 * unitPx]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.beginPath();
    ctx.moveTo(x - 6 * unitPx, bbox.top);
    ctx.lineTo(x + 6 * unitPx, bbox.top);
    ctx.lineTo(x, bbox.top + 9 * unitPx);
    ctx.fill();
  }
  ctx.restore();
}

/** The point that the rest of the page speaks of. */
function drawPicked(chart, pickedMs, stroke) {
  if (pickedMs === undefined) return;
  const { ctx, bbox } = chart;
  const x = Math.round(chart.valToPos(pickedMs / 1000, "x", true));
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

const rowsMax = 20;

/** The same in figures, for those who cannot see or hover the picture: at most 20 rows, evenly chosen. */
function figures(subject, { timesMs, low, high, line }) {
  const step = Math.max(1, Math.ceil(timesMs.length / rowsMax));
  const rows = timesMs.map((_, at) => at).filter((at) => (timesMs.length - 1 - at) % step === 0);
  const text = (number) => (number === null ? "no data" : value(number));
  const band = subject.isRaw
    ? []
    : [
        ["Lowest", low],
        ["Highest", high],
      ];
  const columns = [...band, [subject.lineLabel, line]];
  return h(
    "details",
    {},
    h("summary", {}, "Show the figures"),
    subject.range && h("p", { class: "quiet" }, `Normal range: ${rangeText(subject.range, subject.unit)}.`),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Figures" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Time", ...columns.map(([title]) => title)].map((title) => h("th", { scope: "col" }, title)),
          ),
        ),
        h(
          "tbody",
          {},
          rows.toReversed().map((at) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, time(timesMs[at], { seconds: true })),
              columns.map(([, column]) => h("td", {}, text(column[at]))),
            ),
          ),
        ),
      ),
    ),
  );
}
