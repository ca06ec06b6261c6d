/* The form works without this script; it only says what the last attempt came to. */
const words = {
  wrong: "This is not the token of this gateway. Check that it was copied whole: it has 43 characters.",
  throttled: "Too many wrong tokens came from here. Wait a minute, then try again.",
  full: "Too many browsers are signed in. Sign out elsewhere, or wait 15 minutes.",
  ended: "Your session has ended: nobody used the page for a while, or the gateway was started anew.",
  out: "You are signed out.",
};

const outcome = location.hash.slice(1);
const text = Object.hasOwn(words, outcome) ? words[outcome] : undefined;
if (text !== undefined) {
  const problem = document.getElementById("problem");
  problem.textContent = text;
  problem.hidden = false;
} else {
  // A link from another site arrives without the session, and is sent here although there is one.
  const answer = await fetch("/api/v1/session", { headers: { "x-tidegate-unattended": "1" } });
  if (answer.ok && (await answer.json()).role) location.replace("/");
}
