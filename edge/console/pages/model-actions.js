import { confirmed } from "./confirm.js";
import { h } from "./dom.js";
import { fetchOnce, send } from "./live.js";
import { beginTrial } from "./trial-dialog.js";

const done = "Done; the models follow within some seconds.";

async function tried() {
  const { ok } = await fetchOnce("/api/v1/models/trial-options");
  if (ok === undefined) return "The versions in the store could not be asked for; try again.";
  if (ok.versions.length === 0)
    return "There is no version to try: import a package with tidegate model import, and name its model in the configuration below models.use.";
  return (await beginTrial(ok)) ? done : "";
}

/** What a person may do about a model that runs. A viewer gets no buttons, and the gateway checks each action anyway. */
export function makeModelActions(session) {
  /** What became of the last action. */
  let said = "";
  const act = async (kind, body, question, { redraw }) => {
    if (!(await confirmed({ ...question, no: "Cancel" }))) return;
    const { message } = await send(`/api/v1/models/${kind}`, body);
    said = message === undefined ? done : `Not done: ${message}`;
    redraw();
  };
  const button = (text, label, onclick) => h("button", { onclick, "aria-label": label }, text);

  return {
    ofModel({ name, version, stage }, context) {
      if (session.role !== "operator") return undefined;
      const which = `${name} ${version}`;
      const promote = {
        title: `Promote ${which}?`,
        text: "It raises the alerts of all its devices from now on. The version that is live is kept for a rollback.",
        yes: "Promote",
      };
      const back = {
        title: `Roll back ${which}?`,
        text: "The version that was live before raises the alerts again, or none where there was none. Open alerts of this version are closed.",
        yes: "Roll back",
      };
      const end = {
        title: `End the ${stage} ${which}?`,
        text:
          stage === "canary"
            ? "Its devices go back to the live version. Its open alerts are closed."
            : "It is in the store still, and counts no more.",
        yes: `End the ${stage}`,
      };
      const on = (kind, body, question) => () => void act(kind, body, question, context);
      const buttons =
        stage === "live"
          ? [button("Roll back …", `Roll back ${which}`, on("rollback", { name }, back))]
          : [
              button("Promote …", `Promote ${which}`, on("promote", { name, version }, promote)),
              button(`End ${stage} …`, `End the ${stage} ${which}`, on(`end-${stage}`, { name }, end)),
            ];
      return h("p", { class: "row" }, buttons);
    },

    /** Begins a shadow or a canary. */
    trial({ redraw }) {
      if (session.role !== "operator") return undefined;
      const begin = async () => {
        said = await tried();
        redraw();
      };
      return h("p", { class: "page-actions" }, h("button", { onclick: () => void begin() }, "Try another version …"));
    },

    outcome: () => h("p", { role: "status" }, said),
  };
}
