import { h } from "./dom.js";

/**
 * Asks before something that cannot be undone; resolves to whether the person said yes. Escape and closing mean no.
 * The dialog is the browser's own: it keeps the focus inside, gives it back afterwards and is named for screen readers.
 */
export function confirmed({ title, text, yes, no }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "confirm-title" }, title),
        h("p", { id: "confirm-text" }, text),
        h(
          "div",
          { class: "row" },
          h("button", { value: "no", autofocus: true }, no),
          h("button", { value: "yes", class: "danger" }, yes),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
