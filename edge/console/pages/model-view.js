import { makeTrend } from "./chart.js";
import { fill, h, island, name } from "./dom.js";
import { rangeText, time, unit, value, zone } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";
import { fetchOnce } from "./live.js";
import { driftPanel } from "./model-drift.js";
import { stageText } from "./models-view.js";
import { readingOfModel } from "./model-words.js";

const againMs = 10_000;

/** One version of a model: what it said lately of a device, what made that up, and whether its data is what it knows. */
export function modelView(model, stage, device) {
  const path = `/api/v1/models/${encodeURIComponent(model)}/${encodeURIComponent(stage)}`;
  let trend;
  let timer;
  /** "loading", "shown", "empty", "missing", "failed" */
  let state = "loading";
  let scores;
  /** Time of the stretch whose parts are shown; undefined: the newest. */
  let pickedMs;
  let redraw = () => {};

  const show = () =>
    trend
      .show({
        timesMs: scores.timesMs,
        low: scores.low,
        high: scores.high,
        line: scores.last,
        marksMs: scores.raisedMs,
        pickedMs: scores.predicts ? undefined : scores.timesMs[pickedAt(scores, pickedMs)],
      })
      .catch(() => (state = "failed"));
  const pick = (at) => {
    pickedMs = scores.timesMs[at];
    redraw();
    void show();
  };
  const load = async () => {
    const answer = await fetchOnce(`${path}/scores${device ? `?${new URLSearchParams({ device })}` : ""}`);
    if (timer === undefined) return;
    timer = setTimeout(load, againMs);
    scores = answer.ok ?? scores;
    if (answer.failed) state = "failed";
    else if (answer.missing) state = "missing";
    else state = answer.ok.timesMs.length === 0 ? "empty" : "shown";
    if (scores !== undefined) trend ??= makeTrend({ ...subjectOf(scores), onPick: pick });
    redraw();
    if (state === "shown") await show();
  };

  return {
    title: `Model ${model} ${stage}${device === undefined ? "" : ` on ${device}`}`,
    screen: { stream: `of=model&${new URLSearchParams({ name: model, stage })}`, get: path },
    missing: "No version of this model runs in this stage. It may have been promoted, rolled back or ended.",
    render(screen, context) {
      ({ redraw } = context);
      return page(screen, { state, scores, pickedMs, pick });
    },
    drawn() {
      if (trend !== undefined) fill("score-chart", trend.element);
      const slider = document.getElementById("score-at");
      if (slider !== null) slider.value = String(pickedAt(scores, pickedMs));
      if (timer === undefined) timer = setTimeout(load, 0);
    },
    close() {
      clearTimeout(timer);
      timer = undefined;
      trend?.destroy();
    },
  };
}

function subjectOf({ predicts, normal }) {
  return {
    label: predicts?.name ?? "Score, in units of its limit",
    unit: predicts?.unit ?? "1",
    range: normal,
    isScore: predicts === undefined,
    lineLabel: "Last",
  };
}

/** Number of the stretch that was chosen, or of the newest that can be explained. */
function pickedAt({ timesMs, explained }, pickedMs) {
  const at = timesMs.indexOf(pickedMs);
  return at >= 0 ? at : Math.max(0, explained.findLastIndex(Boolean));
}

function page({ gateway, model }, { state, scores, pickedMs, pick }) {
  const isShown = scores !== undefined && state !== "missing" && scores.timesMs.length > 0;
  return [
    levels(gateway, { list: "Models", item: `${model.name} ${model.version}, ${model.stage}` }),
    h("h1", {}, name(model.name), ` ${model.version} `, h("span", { class: "quiet" }, stageText(model))),
    h(
      "div",
      { class: "panels" },
      h(
        "section",
        { class: "panel", "aria-labelledby": "scores" },
        h(
          "div",
          { class: "panel-head" },
          h("h2", { id: "scores" }, scores?.predicts ? "Predictions of the last hours" : "Scores of the last hours"),
          isShown && deviceChoice(model, scores),
        ),
        stateLine(state, model),
        isShown && nowLine(scores),
        h("div", { hidden: !isShown }, isShown && legend(scores), island("score-chart")),
      ),
      isShown && !scores.predicts && partsPanel(scores, pickedAt(scores, pickedMs), pick),
      driftPanel(model.drift),
    ),
  ];
}

function deviceChoice(model, { devices, device }) {
  const choose = (event) => (location.hash = address("models", model.name, model.stage, event.target.value));
  // The chosen one may be beyond the worst ones.
  const others = devices.some((one) => one.device === device) ? devices : [{ device }, ...devices];
  return h(
    "span",
    {},
    h("label", { for: "score-device" }, "Device "),
    h(
      "select",
      { id: "score-device", onchange: choose },
      others.map((one) =>
        h(
          "option",
          { value: one.device, selected: one.device === device },
          one.isOpen ? `${one.device} (alert)` : one.device,
        ),
      ),
    ),
  );
}

function stateLine(state, { learning, devices }) {
  if (state === "loading") return h("p", { role: "status" }, "Loading the scores …");
  if (state === "failed")
    return h("p", { role: "status" }, "The scores could not be loaded; trying again every 10 seconds.");
  if (state === "missing")
    return h("p", { role: "status" }, "This version does not watch the device, or has not seen it since the start.");
  if (state !== "empty") return undefined;
  if (devices === 0)
    return h(
      "p",
      {},
      "It watches no device yet. Devices come with their first message, where a rule gives them to it.",
    );
  return h("p", {}, learning > 0 ? "Still learning: nothing was judged yet." : "Nothing was judged yet.");
}

function nowLine(scores) {
  const newest = scores.last.findLast((point) => point !== null);
  if (newest === undefined) return undefined;
  return h(
    "p",
    {},
    h("a", { href: address("device", scores.device) }, name(scores.device)),
    ": ",
    h("b", {}, readingOfModel(newest, scores)),
  );
}

function legend({ predicts, normal, compared, stretchMs }) {
  const ucum = predicts?.unit;
  const minutes = Math.round(stretchMs / 60_000);
  const of = { low: "; the low end of its interval is compared", high: "; the high end of its interval is compared" };
  return h(
    "p",
    { class: "legend" },
    h("span", { class: "is-line" }, `last of each ${minutes} minutes${unit(ucum) && `, ${unit(ucum)}`}`),
    h("span", { class: "is-data" }, "lowest to highest"),
    normal &&
      h(
        "span",
        { class: "is-range" },
        predicts
          ? `no alert within ${rangeText(normal, ucum)}${of[compared] ?? ""}`
          : "below 1, the limit from which it is abnormal",
      ),
    predicts ? undefined : "Far beyond 1 each line is ten times the one below. ",
    `${normal ? "Dashed line: an alert was raised. " : "No rule makes alerts of it. "}Gap: nothing was judged. Times: ${zone()}.`,
  );
}

/** What made up the score of a stretch of time, chosen by the slider or in the chart. */
function partsPanel({ timesMs, explained }, at, pick) {
  const one = explained[at];
  const when = time(timesMs[at]);
  return h(
    "section",
    { class: "panel", "aria-labelledby": "parts" },
    h("h2", { id: "parts" }, "What made the score"),
    h(
      "p",
      { class: "field" },
      h("label", { for: "score-at" }, "When (or click into the chart)"),
      h("input", {
        id: "score-at",
        type: "range",
        min: "0",
        max: String(timesMs.length - 1),
        step: "1",
        "aria-valuetext": one ? `${when}, score ${value(one.score)}` : `${when}, no score`,
        oninput: (event) => pick(Number(event.target.value)),
      }),
    ),
    h(
      "p",
      { role: "status" },
      one
        ? ["From ", h("b", {}, when), `: score ${value(one.score)}, among the highest of these minutes, by`]
        : ["From ", h("b", {}, when), ": nothing was judged."],
    ),
    one &&
      h(
        "ul",
        { class: "shares" },
        one.shares.map(({ metric, share }) =>
          h(
            "li",
            {},
            h("span", { class: "share-name" }, name(metric)),
            h("meter", { min: "0", max: "1", value: String(share), "aria-label": `share of ${metric}` }),
            h("span", { class: "quiet" }, `${Math.round(share * 100)} %`),
          ),
        ),
      ),
  );
}
