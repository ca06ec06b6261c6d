/* What the page asks of the cloud service; docs/api.md describes it. */

const answerMs = 15_000;

/** The session is over, or there was none. */
export class SignedOut extends Error {}
/** There is no such site, line or device. */
export class Missing extends Error {}

/** `query` values that are undefined or empty are left out. */
export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  const answer = await fetch(`/api/v1/${path}${text && `?${text}`}`, { signal: AbortSignal.timeout(answerMs) });
  if (answer.status === 401) throw new SignedOut();
  if (answer.status === 404) throw new Missing();
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

/** All pages of a list, up to `pagesMax`: `isWhole` tells whether that was all. */
export async function getAll(path, list, query, pagesMax) {
  const items = [];
  let after;
  for (let page = 0; page < pagesMax; page++) {
    const answer = await get(path, { ...query, limit: 1000, after });
    items.push(...answer[list]);
    after = answer.next ?? undefined;
    if (after === undefined) return { items, isWhole: true };
  }
  return { items, isWhole: false };
}

/** "in", "wrong", "throttled" or "failed". */
export async function signIn(token) {
  try {
    const answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
      signal: AbortSignal.timeout(answerMs),
    });
    if (answer.ok) return "in";
    if (answer.status === 429) return "throttled";
    return answer.status < 500 ? "wrong" : "failed";
  } catch {
    return "failed";
  }
}

export async function signOut() {
  await fetch("/api/v1/session", { method: "DELETE", signal: AbortSignal.timeout(answerMs) });
}

/**
 * Calls `onEvent` for each sign that something may have changed, and `onLost` when none came for 15 seconds or the
 * connection broke; the caller opens it again. Returns the function that stops it.
 */
export function listen(onEvent, onLost) {
  const source = new EventSource("/api/v1/events");
  let heardMs = performance.now();
  const stop = () => {
    source.close();
    clearInterval(watch);
  };
  const lost = () => {
    stop();
    onLost();
  };
  const watch = setInterval(() => performance.now() - heardMs > 15_000 && lost(), 1000);
  source.addEventListener("change", (event) => {
    heardMs = performance.now();
    onEvent(JSON.parse(event.data));
  });
  source.onerror = lost;
  return stop;
}
