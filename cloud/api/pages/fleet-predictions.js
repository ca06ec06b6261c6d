import { h, name } from "./dom.js";
import { address } from "./frame.js";
import { get } from "./fleet-api.js";
import { levels, panel } from "./fleet-parts.js";
import { predictedName, predictionItem } from "./prediction.js";

const shownMax = 200;
/** Gateways renew a prediction every hour, unless they were told otherwise. */
const oldMs = 86_400_000;

export function predictionsView() {
  return { title: "Predictions", load, render };
}

async function load() {
  const { now, predictions, next } = await get("predictions", { limit: shownMax });
  return { now, predictions, hasMore: next !== null };
}

function render({ predictions, hasMore }, { serverNow }) {
  const of = (output) => predictions.filter((prediction) => prediction.output === output);
  return [
    levels({ list: "Predictions" }),
    h("h1", {}, "Predictions"),
    h(
      "p",
      { class: "quiet" },
      "What the models of the gateways expect of their machines, and how sure they are. The newest of each.",
    ),
    hasMore && h("p", { class: "quiet" }, `The first ${shownMax} are shown; devices show theirs.`),
    h(
      "div",
      { class: "panels" },
      panel(
        "left",
        "What is left",
        h("p", { class: "quiet" }, "The least first, by the low end of what is expected."),
        predictionList(of("quantity"), serverNow) ?? noPrediction(),
      ),
      of("probability").length > 0 &&
        panel(
          "likely",
          "What may happen",
          h("p", { class: "quiet" }, "The likeliest first."),
          predictionList(of("probability"), serverNow),
        ),
    ),
  ];
}

function noPrediction() {
  return h(
    "p",
    {},
    "No prediction of this kind has arrived. They come from gateways on which a model that predicts is live.",
  );
}

/** Undefined where there is none. */
function predictionList(predictions, serverNow) {
  if (predictions.length === 0) return undefined;
  return h(
    "ul",
    { class: "rows" },
    predictions.map((prediction) => {
      const device = h("a", { href: address("device", prediction.device) }, name(prediction.device));
      return item(prediction, serverNow, [device, ": ", predictedName(prediction)]);
    }),
  );
}

function item(prediction, serverNow, title) {
  const isOld = serverNow - Date.parse(prediction.time) > oldMs;
  return predictionItem(
    prediction,
    serverNow,
    title,
    isOld && "No newer one: the device is silent, its gateway is not heard, or the model does not run any more.",
  );
}

/** Those of one device; undefined where there is none. */
export function devicePredictions(predictions, serverNow) {
  if (predictions.length === 0) return undefined;
  return panel(
    "predictions",
    "Predictions",
    h(
      "ul",
      { class: "rows" },
      predictions.map((prediction) => item(prediction, serverNow, predictedName(prediction))),
    ),
  );
}

/** The first ones of the fleet; undefined where there is none. */
export function worstPredictions({ predictions, next }, serverNow) {
  if (predictions.length === 0) return undefined;
  return panel(
    "predictions",
    "Predictions",
    predictionList(predictions, serverNow),
    next !== null && h("p", {}, h("a", { href: address("predictions") }, "All predictions")),
  );
}
