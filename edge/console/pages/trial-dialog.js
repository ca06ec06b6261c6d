import { h } from "./dom.js";
import { send } from "./live.js";

/** A network has to answer before it may run, and its library takes its time. */
const trialMs = 60_000;

/**
 * Asks which version is to be tried and how, and begins the trial. `options` as the gateway gives them. Resolves to
 * whether one has begun; what was refused is said in the dialog, which stays open.
 */
export function beginTrial({ versions, devices, paths }) {
  return new Promise((resolve) => {
    const version = h(
      "select",
      { id: "trial-version" },
      versions.map((each, at) => h("option", { value: String(at) }, `${each.name} ${each.version}`)),
    );
    const how = h(
      "select",
      { id: "trial-how", onchange: () => show() },
      h("option", { value: "shadow" }, "Shadow: raises no alerts"),
      h("option", { value: "canary" }, "Canary: live on some devices"),
    );
    const place = h("input", {
      id: "trial-place",
      maxlength: "256",
      autocomplete: "off",
      list: "trial-places",
      "aria-describedby": "trial-place-help",
      oninput: () => place.setCustomValidity(""),
    });
    const placeField = h(
      "div",
      { class: "field" },
      h("label", { for: "trial-place" }, "On this device, or all at or below this asset path"),
      place,
      h(
        "datalist",
        { id: "trial-places" },
        [...paths, ...devices].map((value) => h("option", { value })),
      ),
      h(
        "span",
        { id: "trial-place-help", class: "quiet" },
        "Of these, the devices that the configuration gives to the model.",
      ),
    );
    const reason = h("input", { id: "trial-reason", maxlength: "200", autocomplete: "off" });
    const said = h("p", { role: "alert", class: "problem", hidden: true });
    const begin = h("button", { value: "yes" }, "Begin");
    const explained = h("p", { id: "trial-text" });

    const isCanary = () => how.value === "canary";
    const show = () => {
      placeField.hidden = !isCanary();
      place.required = isCanary();
      place.setCustomValidity("");
      explained.replaceChildren(
        isCanary()
          ? "In the place of the live version it raises the alerts of these devices from now on. Another canary of the model ends."
          : "It runs on the same data as the live version, beside it. Another shadow of the model ends.",
      );
    };
    const scope = () => {
      const text = place.value.trim();
      const isDevice = devices.includes(text);
      return { devices: isDevice ? [text] : [], paths: isDevice ? [] : [text] };
    };
    const submit = async (event) => {
      event.preventDefault();
      if (isCanary() && ![...devices, ...paths].includes(place.value.trim())) {
        place.setCustomValidity("The gateway knows no such device and no such asset path.");
        return place.reportValidity();
      }
      begin.disabled = true;
      begin.textContent = "Trying it …";
      said.hidden = true;
      const body = { ...versions[Number(version.value)], reason: reason.value.trim(), ...(isCanary() ? scope() : {}) };
      const { message } = await send(`/api/v1/models/${how.value}`, body, trialMs);
      begin.disabled = false;
      begin.textContent = "Begin";
      if (message === undefined) return dialog.close("begun");
      said.hidden = false;
      // A button that was disabled has lost the focus.
      begin.focus();
      return said.replaceChildren(`Not begun: ${message}`);
    };

    const dialog = h(
      "dialog",
      { "aria-labelledby": "trial-title", "aria-describedby": "trial-text" },
      h(
        "form",
        { method: "dialog", onsubmit: (event) => void submit(event) },
        h("h2", { id: "trial-title" }, "Try another version"),
        field("trial-version", "Version", version),
        field("trial-how", "Kind of trial", how),
        placeField,
        explained,
        field("trial-reason", "Why, for the audit (optional)", reason),
        said,
        h("div", { class: "row" }, h("button", { type: "button", onclick: () => dialog.close("") }, "Cancel"), begin),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "begun");
    });
    show();
    document.body.append(dialog);
    dialog.showModal();
  });
}

function field(id, label, control) {
  return h("div", { class: "field" }, h("label", { for: id }, label), control);
}
