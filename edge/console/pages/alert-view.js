import { makeAlertActions } from "./alert-actions.js";
import { alertItem } from "./alert.js";
import { alertOf } from "./alerts-view.js";
import { makeTrend } from "./chart.js";
import { fill, h, island, name } from "./dom.js";
import { counted, rangeText, value, zone } from "./format.js";
import { levels } from "./levels.js";
import { fetchOnce } from "./live.js";

const againMs = 15_000;
/** Of the metrics that contributed: more charts than these nobody compares. */
const metricsMax = 4;

/** One alert with what was measured before, during and after it. */
export function alertView(episode, session) {
  const actions = makeAlertActions(session);
  const path = `/api/v1/alerts/${encodeURIComponent(episode)}`;
  /** "loading", "shown", "failed" */
  let state = "loading";
  let recorded;
  let charts = [];
  let timer;
  let alert;
  let redraw = () => {};

  const load = async () => {
    const answer = await fetchOnce(`${path}/window`);
    if (timer === undefined) return;
    // What is over changes no more.
    timer = setTimeout(load, alert?.clearedMicros === undefined ? againMs : 4 * againMs);
    state = answer.ok ? "shown" : "failed";
    recorded = answer.ok ?? recorded;
    redraw();
    await Promise.all(charts.map(({ chart, trendOf }) => chart.show(trendOf(recorded, alert)))).catch(
      () => (state = "failed"),
    );
  };

  return {
    title: `Alert ${episode}`,
    screen: { stream: `of=alert&${new URLSearchParams({ id: episode })}`, get: path },
    missing: "The gateway keeps the newest 200 alerts. Older ones are in Kafka, and on the fleet page.",
    render(screen, context) {
      ({ alert } = screen);
      ({ redraw } = context);
      if (recorded !== undefined && charts.length === 0) charts = chartsOf(recorded);
      return page(screen, context, { actions, state, recorded, charts });
    },
    drawn() {
      for (const { id, chart } of charts) fill(id, chart.element);
      if (timer === undefined) timer = setTimeout(load, 0);
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
      for (const { chart } of charts) chart.destroy();
    },
  };
}

/** One for each metric that has readings, and one for the score. */
function chartsOf({ metrics, values, scores, threshold }) {
  const ofMetrics = metrics.slice(0, metricsMax).flatMap((metric, at) => {
    if (values[at].every((reading) => reading === null)) return [];
    const { label, unit, range } = metric;
    const trendOf = (recorded, alert) => trend(recorded, recorded.timesMicros, recorded.values[at], alert);
    return [
      { id: `readings-${at}`, title: label, legend: range && `Band: ${rangeText(range, unit)}.`, trendOf, metric },
    ];
  });
  const ofScore = {
    id: "scores",
    title: "Score of the model",
    legend: `Band: below ${value(threshold)}, where the model alerts from.`,
    metric: { label: "Score", unit: "1", range: [0, threshold] },
    trendOf: (recorded, alert) =>
      trend(
        recorded,
        recorded.scores.map(({ timeMicros }) => timeMicros),
        recorded.scores.map(({ score }) => score),
        alert,
      ),
  };
  return [...ofMetrics, ...(scores.length > 0 ? [ofScore] : [])].map((spec) => ({
    ...spec,
    chart: makeTrend({ ...spec.metric, lineLabel: spec.metric.label, isRaw: true }),
  }));
}

function trend({ fromMicros, toMicros }, timesMicros, column, { raisedMicros, clearedMicros }) {
  const points = withGaps(
    timesMicros.map((micros) => micros / 1000),
    column,
  );
  const marksMs = [raisedMicros, clearedMicros].flatMap((micros) => (micros === undefined ? [] : micros / 1000));
  const spanMs = [fromMicros / 1000, Math.min(toMicros / 1000, Date.now())];
  return { ...points, marksMs, spanMs };
}

/** A silence of many times the usual interval is a gap, not a straight line. */
function withGaps(timesMs, column) {
  const intervals = timesMs.slice(1).map((ms, at) => ms - timesMs[at]);
  const usual = intervals.toSorted((a, b) => a - b)[Math.floor(intervals.length / 2)] ?? 0;
  const result = { timesMs: [], line: [] };
  for (const [at, ms] of timesMs.entries()) {
    if (at > 0 && usual > 0 && ms - timesMs[at - 1] > 10 * usual) {
      result.timesMs.push(timesMs[at - 1] + usual);
      result.line.push(null);
    }
    result.timesMs.push(ms);
    result.line.push(column[at]);
  }
  return result;
}

function page({ gateway, alert }, context, { actions, state, recorded, charts }) {
  const { now } = context;
  const { recorded: _itself, ...shown } = alertOf(alert, now);
  return [
    levels(gateway, { list: "Alerts", item: `${alert.record.metric} of ${alert.record.device}` }),
    h(
      "h1",
      {},
      "Alert: ",
      name(alert.record.metric),
      " ",
      h("span", { class: "quiet" }, "of ", name(alert.record.device)),
    ),
    h(
      "div",
      { class: "panels" },
      h(
        "section",
        { class: "panel", "aria-label": "Alert" },
        h("ul", {}, alertItem(shown, now, actions.ofAlert(alert, context))),
        actions.outcome(),
      ),
      h(
        "section",
        { class: "panel", "aria-labelledby": "readings" },
        h("h2", { id: "readings" }, "Readings before and after"),
        recordedLine(state, recorded),
        charts.map(({ id, title, legend }) => [
          h("h3", {}, name(title)),
          h(
            "p",
            { class: "quiet" },
            [legend, "Dashed line: raised, and cleared.", `Times: ${zone()}.`].filter(Boolean).join(" "),
          ),
          island(id),
        ]),
      ),
    ),
  ];
}

function recordedLine(state, recorded) {
  if (recorded === undefined)
    return h(
      "p",
      { role: "status" },
      state === "failed"
        ? "The readings could not be loaded; trying again every 15 seconds."
        : "Loading the readings …",
    );
  const { kept, note, readings, timesMicros } = recorded;
  if (kept === "none") return h("p", {}, note);
  const thinned =
    timesMicros.length < readings ? `, of which the charts show ${counted(timesMicros.length, "extreme")}` : "";
  return [
    h("p", {}, `${counted(readings, "reading")} from the buffer${thinned}.`),
    kept === "part" && h("p", { class: "flag needs-look" }, note),
  ];
}
