import { h, name } from "./dom.js";
import { count, counted } from "./format.js";
import { get } from "./fleet-api.js";
import { levels, timeOf } from "./fleet-parts.js";

const shownMax = 50;

/** What a gateway says of a rollout, in words; what needs somebody first. */
const words = {
  failed: "out of service",
  refused: "refused",
  "rolled-back": "rolled back",
  received: "not begun",
  downloading: "fetching the package",
  canary: "canary",
  shadow: "shadow",
  live: "live",
  imported: "in its store",
  ended: "ended",
  withdrawn: "withdrawn",
};
const states = Object.keys(words);
const needLook = new Set(["failed", "refused", "rolled-back"]);

export function rolloutsView() {
  return { title: "Rollouts", load, render };
}

async function load() {
  const { now, rollouts, next } = await get("model-rollouts", { limit: shownMax });
  return { now, rollouts, hasMore: next !== null };
}

function render({ rollouts, hasMore }, { now }) {
  return [
    levels({ list: "Rollouts" }),
    h("h1", {}, "Rollouts of models"),
    h("p", { class: "quiet" }, "Which version of a model is to run where, and what each gateway says of it."),
    hasMore && h("p", { class: "quiet" }, `The first ${shownMax} are shown; the API has the others.`),
    rollouts.length === 0
      ? h(
          "p",
          {},
          "There is no rollout. One is made with ",
          h("code", {}, "tidegate-cloud model rollout publish"),
          ", where the signing key is.",
        )
      : h(
          "div",
          { class: "panels" },
          rollouts.map((rollout) => rolloutPanel(rollout, now)),
        ),
  ];
}

function rolloutPanel(rollout, now) {
  const { rollout: id, model, version, gateways, gatewaysMore, silent } = rollout;
  return h(
    "section",
    { class: "panel", "aria-label": `Rollout ${id}`, "data-key": `rollout ${id}` },
    h(
      "div",
      { class: "panel-head" },
      h("h2", {}, name(`${model} ${version}`)),
      h("span", { class: "quiet" }, id === model ? "" : name(id), stateText(rollout, now)),
    ),
    h("p", {}, targetText(rollout)),
    h(
      "p",
      { class: "quiet" },
      "By ",
      name(rollout.issuedBy),
      ", ",
      timeOf(rollout.issued, now),
      `, signed by key ${rollout.signedBy}`,
    ),
    h("p", {}, countsText(rollout)),
    gateways.length > 0 &&
      h(
        "ul",
        { class: "rows" },
        gateways
          .toSorted((a, b) => states.indexOf(a.state) - states.indexOf(b.state))
          .map((status) => gatewayRow(status, rollout, now)),
      ),
    gatewaysMore &&
      h("p", { class: "quiet" }, `The first ${gateways.length} gateways by name are shown; the API has the others.`),
    silent?.length > 0 &&
      h(
        "p",
        { class: "quiet" },
        "Not heard yet: ",
        silent.flatMap((gateway, i) => [i > 0 && ", ", name(gateway)]),
      ),
  );
}

function stateText({ rollout, model, state, expires }, now) {
  const before = rollout === model ? "" : ", ";
  if (state === "withdrawn") return `${before}withdrawn`;
  if (state === "over") return `${before}over: no gateway begins with it any more`;
  return [`${before}open until `, timeOf(expires, now)];
}

function targetText({ stage, target, canary }) {
  if (stage === null) return "Only its withdrawal is left on the topic.";
  const { gateways, labels = {}, percent } = target;
  const chosen = [
    gateways && counted(gateways.length, "named gateway"),
    ...Object.entries(labels).map(([key, value]) => `gateways with ${key} ${value}`),
  ].filter(Boolean);
  const who = chosen.length === 0 ? "all gateways" : chosen.join(", ");
  const part = percent === undefined ? "" : `, ${percent} of 100 of them`;
  return [h("strong", {}, stageText(stage, canary)), ` on ${who}${part}.`];
}

function stageText(stage, canary) {
  if (stage === "import") return "Into the store";
  if (stage !== "canary") return stage === "live" ? "Live" : "As a shadow";
  const { devices, paths, percent } = canary;
  const where = [
    devices.length > 0 && counted(devices.length, "device"),
    paths.length > 0 && paths.join(", "),
    percent !== undefined && `${percent} of 100 devices`,
  ];
  return `As a canary for ${where.filter(Boolean).join(", ")}`;
}

function countsText({ states: counts, silent }) {
  const parts = states.filter((state) => counts[state] > 0).map((state) => `${count(counts[state])} ${words[state]}`);
  if (silent?.length > 0) parts.push(`${count(silent.length)} not heard`);
  return parts.length === 0 ? "No gateway has said anything yet." : `Gateways: ${parts.join(", ")}.`;
}

function gatewayRow({ gateway, state, code, detail, time, rolloutRevision }, rollout, now) {
  // 0: it could not be read, so nobody knows which one it was.
  const isEarlier = rolloutRevision !== 0 && rolloutRevision < rollout.revision;
  const facts = [isEarlier && "of an earlier revision", code, detail].filter(Boolean).join(": ");
  return h(
    "li",
    { "data-key": gateway },
    h(
      "div",
      { class: "panel-head" },
      h("strong", {}, name(gateway)),
      h("span", { class: needLook.has(state) ? "badge needs-look" : "" }, words[state] ?? name(state)),
    ),
    h("span", { class: "quiet" }, timeOf(time, now), facts && [" · ", name(facts)]),
  );
}
