import { h, name } from "./dom.js";
import { count, counted } from "./format.js";
import { address } from "./frame.js";
import { levels } from "./levels.js";
import { makeModelActions } from "./model-actions.js";
import { stateMark } from "./model-drift.js";
import { driftWords, readingOfModel } from "./model-words.js";
import { predictedName, predictionItem } from "./prediction.js";
import { spark } from "./spark.js";

/** Which packaged models run, live, as canaries and as shadows, and what they have said so far. */
export function modelsView(session) {
  const actions = makeModelActions(session);
  const render = (screen, context) => contentOf(screen, actions, context);
  return { title: "Models", screen: { stream: "of=models", get: "/api/v1/models" }, render };
}

function contentOf({ gateway, models, predictions }, actions, context) {
  return [
    levels(gateway, { list: "Models" }),
    h("h1", {}, "Models"),
    actions.outcome(),
    h(
      "p",
      { class: "quiet" },
      "Models of several metrics together, from signed packages, that find what is not normal or predict. The detectors of single metrics come with the device profiles and run in any case.",
    ),
    actions.trial(context),
    models.length === 0
      ? h("p", { class: "notice" }, "No packaged model runs on this gateway.")
      : h(
          "div",
          { class: "panels" },
          models.map((model) => modelPanel(model, actions.ofModel(model, context))),
        ),
    predictions.length > 0 && predictionsPanel(predictions, gateway.nowMicros / 1000 + context.elapsedMs),
  ];
}

function predictionsPanel(predictions, nowMs) {
  return h(
    "section",
    { class: "panel", "aria-labelledby": "predictions" },
    h("h2", { id: "predictions" }, "Predictions"),
    h(
      "ul",
      { class: "rows" },
      predictions.map((record) => {
        const device = h("a", { href: address("device", record.device) }, name(record.device));
        return predictionItem(record, nowMs, [device, ": ", predictedName(record)]);
      }),
    ),
  );
}

function modelPanel(model, buttons) {
  const key = `${model.name}-${model.stage}`;
  return h(
    "section",
    { class: "panel", "data-key": key, "aria-labelledby": `model-${key}` },
    h(
      "div",
      { class: "panel-head" },
      h("h2", { id: `model-${key}` }, `${model.name} ${model.version}`),
      h("span", { class: "quiet" }, stageText(model)),
    ),
    h(
      "dl",
      { class: "facts" },
      factsOf(model).map(([word, text]) => h("div", {}, h("dt", {}, word), h("dd", {}, text))),
    ),
    worstLine(model),
    h(
      "p",
      {},
      h(
        "a",
        { href: address("models", model.name, model.stage), "aria-label": `Charts of ${model.name} ${model.version}` },
        model.predicts === undefined ? "Scores, what made them, and drift" : "Predictions over time, and drift",
      ),
    ),
    buttons,
  );
}

/** The device that is worst now: it says how near the model is to an alert. */
function worstLine({ name: model, stage, worst }) {
  if (worst === undefined) return undefined;
  return h(
    "div",
    { class: "worst" },
    h(
      "span",
      {},
      "Worst now: ",
      h("a", { href: address("models", model, stage, worst.device) }, name(worst.device)),
      ` ${readingOfModel(worst.newest, worst)}`,
    ),
    worst.predicts ? spark(worst.spark, undefined) : spark(worst.spark.map(squeezed), worst.normal.map(squeezed)),
  );
}

/** Scores go from 0 to thousands: what is beyond the limit must not flatten what is below. */
function squeezed(score) {
  return score === null ? null : Math.asinh(score);
}

export function stageText({ stage, state, scope }) {
  if (state === "failed") return "has failed, and is out of service";
  if (stage === "live") return "live";
  if (stage === "shadow") return "shadow: counts, raises no alerts";
  return `canary: live on ${scopeText(scope)}`;
}

function scopeText({ devices, paths }) {
  return [...devices.map((device) => `device ${device}`), ...paths.map((path) => `path ${path}`)].join(", ");
}

function factsOf({ stage, predicts, devices, learning, openEpisodes, hours, rows, abnormalRows, episodes, ...rest }) {
  const { compared, onlyLive, onlyShadow, microsMean, microsMax, network, drift } = rest;
  const isShadow = stage === "shadow";
  const facts = [
    ...(predicts === undefined ? [] : [["Predicts", predicts]]),
    [
      "Watches",
      learning > 0 ? `${counted(devices, "device")}, ${count(learning)} still learning` : counted(devices, "device"),
    ],
    [isShadow ? "Would be open" : "Open alerts", count(openEpisodes)],
    ["Has judged", counted(rows, "row")],
    ["Hours of machines", hours.toFixed(1)],
    [predicts === undefined ? "Abnormal" : "Beyond the limit", part(abnormalRows, rows)],
    [isShadow ? "Would have raised" : "Has raised", counted(episodes, "alert")],
    ["Time per message", `${microsMean.toFixed(1)}\u00A0µs, at most ${count(microsMax)}\u00A0µs`],
  ];
  facts.push(["Its data", [stateMark(drift.state), driftWords[drift.state].split(":")[0]]]);
  if (network !== undefined) {
    facts.push(["Network, run by", network.library], ["Without an answer", counted(network.droppedRows, "row")]);
  }
  if (isShadow) {
    facts.push(
      ["Alert only in the live one", part(onlyLive, compared)],
      ["Alert only in the shadow", part(onlyShadow, compared)],
    );
  }
  return facts;
}

function part(some, all) {
  return all === 0 ? "nothing yet" : `${((100 * some) / all).toFixed(2)} %`;
}
