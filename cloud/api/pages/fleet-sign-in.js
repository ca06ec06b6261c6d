import { h } from "./dom.js";
import { signIn } from "./fleet-api.js";

const words = {
  wrong: "This is not the token of this service. Check that it was copied whole.",
  throttled: "Too many wrong tokens. Wait a minute, then try again.",
  failed: "The service does not answer. Check that it runs, then try again.",
};

export function signInForm(onSignedIn) {
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  const input = h("input", {
    id: "token",
    name: "token",
    type: "password",
    autocomplete: "current-password",
    spellcheck: "false",
    required: true,
    maxlength: "200",
    "aria-describedby": "where",
  });
  const button = h("button", {}, "Sign in");
  const onsubmit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    const outcome = await signIn(input.value.trim());
    button.disabled = false;
    if (outcome === "in") return onSignedIn();
    problem.textContent = words[outcome];
    problem.hidden = false;
    input.select();
    return undefined;
  };
  return h(
    "form",
    { class: "notice", onsubmit },
    h("h1", {}, "Sign in to the fleet"),
    problem,
    h("div", { class: "field" }, h("label", { for: "token" }, "Access token"), input),
    h(
      "p",
      { id: "where", class: "quiet" },
      "The cloud service showed it once, at its first start. Lost? ",
      h("code", {}, "tidegate-cloud token"),
      " makes a new one.",
    ),
    h("p", {}, button),
  );
}
