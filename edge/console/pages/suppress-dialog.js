import { h, name } from "./dom.js";

const times = [
  [3600, "1 hour"],
  [8 * 3600, "8 hours, a shift"],
  [86_400, "1 day"],
  [3 * 86_400, "3 days"],
  [7 * 86_400, "7 days"],
];

/**
 * Asks what is to be put out of the list of alerts, for how long and why. `metric` is absent where only the whole
 * device can be meant. Resolves to the body of the request, or to undefined where the person gave up.
 */
export function askSuppression({ kind, device, metric }) {
  const isShelf = kind === "shelve";
  return new Promise((resolve) => {
    const scope = h(
      "select",
      { id: "suppress-scope", name: "scope" },
      metric !== undefined && h("option", { value: "metric" }, `Only ${metric}`),
      h("option", { value: "device" }, "All metrics of the device"),
    );
    const length = h(
      "select",
      { id: "suppress-time", name: "time" },
      times.map(([seconds, text]) => h("option", { value: String(seconds), selected: seconds === 8 * 3600 }, text)),
    );
    const reason = h("input", {
      id: "suppress-reason",
      required: true,
      maxlength: "200",
      pattern: ".*\\S.*",
      autocomplete: "off",
      placeholder: isShelf ? "for example: bearing is ordered" : "for example: overhaul until Friday",
    });
    const dialog = h(
      "dialog",
      { "aria-labelledby": "suppress-title", "aria-describedby": "suppress-text" },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "suppress-title" }, isShelf ? "Shelve alerts of " : "Take out of service: ", name(device)),
        h(
          "p",
          { id: "suppress-text" },
          isShelf
            ? "They leave the list and come back by themselves. The models go on watching."
            : "Its alerts leave the list until somebody brings it back. The models go on watching.",
        ),
        field("suppress-scope", "What", scope),
        isShelf && field("suppress-time", "For how long", length),
        field("suppress-reason", "Why", reason),
        h(
          "div",
          { class: "row" },
          h("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"),
          h("button", { value: "yes" }, isShelf ? "Shelve" : "Take out of service"),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "yes") return resolve(undefined);
      return resolve({
        device,
        ...(scope.value === "metric" ? { metric } : {}),
        ...(isShelf ? { seconds: Number(length.value) } : {}),
        reason: reason.value.trim(),
      });
    });
    document.body.append(dialog);
    dialog.showModal();
    reason.focus();
  });
}

function field(id, label, control) {
  return h("p", { class: "field" }, h("label", { for: id }, label), control);
}
