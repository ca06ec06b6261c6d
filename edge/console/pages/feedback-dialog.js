import { h, name } from "./dom.js";

export const verdicts = {
  "true-alarm": "True alarm",
  "false-alarm": "False alarm",
  "maintenance-done": "Maintenance done",
};

/** Asks what an alert was worth. Resolves to `{ verdict, note }`, or to undefined where the person gave up. */
export function askFeedback({ device, metric }) {
  return new Promise((resolve) => {
    const verdict = h(
      "select",
      { id: "feedback-verdict" },
      Object.entries(verdicts).map(([value, text]) => h("option", { value }, text)),
    );
    const note = h("input", {
      id: "feedback-note",
      maxlength: "200",
      autocomplete: "off",
      placeholder: "for example: bearing was dry",
    });
    const dialog = h(
      "dialog",
      { "aria-labelledby": "feedback-title", "aria-describedby": "feedback-text" },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "feedback-title" }, "What was it? ", name(metric), " of ", name(device)),
        h(
          "p",
          { id: "feedback-text" },
          "It is counted for the model that raised the alert. Said again, it replaces what was said before.",
        ),
        h("p", { class: "field" }, h("label", { for: "feedback-verdict" }, "Verdict"), verdict),
        h("p", { class: "field" }, h("label", { for: "feedback-note" }, "Note"), note),
        h(
          "div",
          { class: "row" },
          h("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
          h("button", { value: "yes" }, "Record"),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? { verdict: verdict.value, note: note.value.trim() } : undefined);
    });
    document.body.append(dialog);
    dialog.showModal();
    verdict.focus();
  });
}
