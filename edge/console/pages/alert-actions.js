import { h, name } from "./dom.js";
import { time } from "./format.js";
import { address } from "./frame.js";
import { send } from "./live.js";
import { askFeedback } from "./feedback-dialog.js";
import { askSuppression } from "./suppress-dialog.js";

/** What a person may do about alerts. A viewer gets no buttons, and the gateway checks each action anyway. */
export function makeAlertActions(session) {
  /** What became of the last action, where it failed. */
  let said = "";
  const act = async (kind, body, { redraw }) => {
    const { message } = await send(`/api/v1/alerts/${kind}`, body);
    said = message === undefined ? "" : `Not done: ${message}`;
    redraw();
  };
  const suppress = async (kind, target, context) => {
    const body = await askSuppression({ kind, ...target });
    if (body !== undefined) await act(kind, body, context);
  };
  const judge = async ({ episode, device, metric }, context) => {
    const body = await askFeedback({ device, metric });
    if (body !== undefined) await act("feedback", { episode, ...body }, context);
  };
  const mayAct = () => session.role === "operator";
  const button = (text, label, onclick) => h("button", { onclick, "aria-label": label }, text);

  return {
    ofAlert({ record, state, suppression }, context) {
      const { episode, device, metric } = record;
      if (!mayAct()) return undefined;
      const isNew = state === "unacknowledged" || state === "returned-unacknowledged";
      const what = `${metric} of ${device}`;
      const on = (kind) => () => void suppress(kind, { device, metric }, context);
      const buttons = [
        isNew && button("Acknowledge", `Acknowledge ${what}`, () => void act("acknowledge", { episode }, context)),
        suppression === undefined && button("Shelve …", `Shelve ${what}`, on("shelve")),
        suppression === undefined && button("Out of service …", `Take ${what} out of service`, on("out-of-service")),
        button("Feedback …", `Feedback on ${what}`, () => void judge(record, context)),
      ];
      return h("p", { class: "row" }, buttons);
    },

    /** What is shelved or out of service, each with the way back. */
    suppressions(all, context) {
      return all.map((suppression) => {
        const { kind, device, metric } = suppression;
        const back = kind === "shelved" ? "unshelve" : "in-service";
        const word = kind === "shelved" ? "Unshelve" : "Back in service";
        const what = metric === undefined ? `all metrics of ${device}` : `${metric} of ${device}`;
        return h(
          "li",
          { "data-key": JSON.stringify([kind, device, metric]) },
          h(
            "span",
            {},
            h("strong", {}, h("a", { href: address("device", device) }, name(device))),
            " ",
            name(metric ?? "all metrics"),
          ),
          h("span", {}, suppressionText(suppression, context.now)),
          mayAct() &&
            h(
              "p",
              {},
              button(word, `${word}: ${what}`, () => void act(back, { device, metric }, context)),
            ),
        );
      });
    },

    ofDevice(device, isOut, context) {
      if (!mayAct() || isOut) return undefined;
      const onclick = () => void suppress("out-of-service", { device }, context);
      return h("p", {}, h("button", { onclick }, "Take out of service …"));
    },

    outcome: () => h("p", { role: "status" }, said),
  };
}

/** Why an alert is not in the list, in words. */
export function suppressionText({ kind, reason, by, sinceMicros, untilMicros }, now) {
  const at = (micros) => time(micros / 1000, { now });
  const since = `since ${at(sinceMicros)}`;
  const head = kind === "shelved" ? `Shelved ${since} until ${at(untilMicros)}` : `Out of service ${since}`;
  return [`${head}, by the ${by}: `, name(reason)];
}
