/*
 * One screen, kept up to date. The gateway sends whole screens, at most two a second, and a sign of life in between;
 * so whatever was missed, the next screen makes up for it.
 */

const silenceMs = 12_000;
const retryMs = 2000;
const pollMs = 5000;
const unattended = { headers: { "x-tidegate-unattended": "1" } };

/**
 * `screen`: { stream: query of the stream, get: address of the same data }. Calls `on.screen(data)`, `on.gone()` and
 * `on.link(state)`: "loading", "live", "polling", "lost", "ended". Returns the function that stops it.
 */
export function follow(screen, on) {
  let source;
  let timer;
  let heardMs;
  let stopped = false;

  const heard = (state) => {
    heardMs = performance.now();
    on.link(state);
  };
  const later = (work, ms) => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(() => work(), ms);
  };
  const lost = () => {
    on.link("lost");
    later(open, retryMs);
  };

  function open() {
    if (stopped) return;
    heardMs = performance.now();
    source = new EventSource(`/api/v1/stream?${screen.stream}`);
    source.addEventListener("screen", (event) => {
      heard("live");
      on.screen(JSON.parse(event.data));
    });
    source.addEventListener("beat", () => heard("live"));
    source.addEventListener("gone", () => {
      heard("live");
      on.gone();
    });
    source.addEventListener("ended", () => {
      source.close();
      on.link("ended");
    });
    source.onerror = () => {
      source.close();
      void ask();
    };
    watch();
  }

  /** A connection that died without a word: the cable is out, the machine is off. */
  function watch() {
    later(() => {
      if (performance.now() - heardMs < silenceMs) return watch();
      source.close();
      lost();
    }, 1000);
  }

  /** The stream was refused or broke: an ordinary request tells which, and serves where there was no room for a stream. */
  async function ask() {
    let answer;
    try {
      answer = await fetch(screen.get, { ...unattended, signal: AbortSignal.timeout(silenceMs) });
    } catch {
      return stopped ? undefined : lost();
    }
    if (stopped) return undefined;
    if (answer.status === 401 || answer.redirected) return on.link("ended");
    if (answer.status === 404) return on.gone();
    if (!answer.ok) return lost();
    on.screen(await answer.json());
    on.link("polling");
    return later(open, pollMs);
  }

  on.link("loading");
  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };
}

/** For what is asked once: `{ ok: data }`, or `{ missing: true }`, or `{ failed: true }`. */
export async function fetchOnce(path) {
  try {
    const answer = await fetch(path, { ...unattended, signal: AbortSignal.timeout(silenceMs) });
    if (answer.status === 404) return { missing: true };
    return answer.ok ? { ok: await answer.json() } : { failed: true };
  } catch {
    return { failed: true };
  }
}

/** Does something: `{ ok: answer }`, or `{ message }` for a person. */
export async function send(path, body, answerMs = silenceMs) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(answerMs),
    });
    if (answer.status === 401) location.replace("/login#ended");
    const content = await answer.json();
    return answer.ok ? { ok: content } : { message: content.error?.message ?? "the gateway refused." };
  } catch {
    return { message: "the gateway does not answer." };
  }
}

/** A person is there: the session stays open. Told at most once a minute. */
export function keepSessionWhileUsed() {
  let toldMs = -Infinity;
  const used = () => {
    if (performance.now() - toldMs < 60_000) return;
    toldMs = performance.now();
    void fetch("/api/v1/session").catch(() => (toldMs = -Infinity));
  };
  for (const event of ["pointerdown", "keydown", "wheel"]) addEventListener(event, used, { passive: true });
}
