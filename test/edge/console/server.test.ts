import assert from "node:assert/strict";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { get, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startMetrics } from "../../../edge/console/server.ts";
import { ensureToken } from "../../../edge/console/token-file.ts";
import { ManualClock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import { runConsole, type RunningConsole } from "../../support/console.ts";

const none = { headers: {} };
const ownPage = { "sec-fetch-site": "same-origin" };
const form = { "content-type": "application/x-www-form-urlencoded", ...ownPage };

/** Signs in as the login page does; the cookie as the browser would send it back. */
async function signIn(running: RunningConsole, token = running.token): Promise<{ answer: Response; cookie: string }> {
  const body = new URLSearchParams({ token }).toString();
  const answer = await running.fetch("/login", { method: "POST", headers: form, body });
  return { answer, cookie: answer.headers.get("set-cookie")?.split(";")[0] ?? "" };
}

const openToAll = ["GET /api/v1/session", "GET /assets/*", "GET /health", "GET /login", "GET /ready", "POST /login"];

describe("every route", () => {
  let running: RunningConsole;
  before(async () => (running = await runConsole()));
  after(() => running[Symbol.asyncDispose]());

  test("is in the list, and only those that must be are open to all", () => {
    const open = running.server.routes.filter((route) => route.open && route.method !== "HEAD");
    assert.deepEqual(open.map(({ method, url }) => `${method} ${url}`).sort(), openToAll);
    assert.ok(running.server.routes.length > 20, "the list of routes was generated");
  });

  test("refuses whoever has neither session nor token", async () => {
    for (const { method, url, open } of running.server.routes) {
      if (open) continue;
      const answer = await running.fetch(pathOf(url), { method, headers: method === "POST" ? ownPage : {} });
      assert.equal(answer.status, 401, `${method} ${url}`);
      await answer.arrayBuffer();
    }
  });

  test("refuses a wrong token, a wrong session and a token in the wrong place", async () => {
    const wrong = [
      { authorization: "Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
      { authorization: `Basic ${running.token}` },
      { cookie: `tidegate-console-0=${running.token}` },
      { cookie: "tidegate-console-0=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
    ];
    for (const headers of wrong) assert.equal((await running.fetch("/api/v1/overview", { headers })).status, 401);
    assert.equal((await running.fetch(`/api/v1/overview?token=${running.token}`, none)).status, 401);
  });

  test("refuses what another site asks for, whatever it has", async () => {
    for (const { method, url, open } of running.server.routes) {
      if (open && method !== "POST") continue;
      const headers = {
        authorization: `Bearer ${running.token}`,
        origin: "http://evil.example",
        "content-type": "text/plain",
      };
      const answer = await running.fetch(pathOf(url), { method, headers });
      assert.equal(answer.status, 403, `${method} ${url}`);
      await answer.arrayBuffer();
    }
  });

  test("sends the security headers, also where it refuses or fails", async () => {
    for (const path of ["/login", "/", "/api/v1/overview", "/api/v1/none", "/assets/tidegate.css", "/health"]) {
      for (const init of [{}, none]) {
        const { headers } = await running.fetch(path, init);
        const policy = headers.get("content-security-policy") ?? "";
        assert.match(policy, /default-src 'none'/, path);
        assert.match(policy, /frame-ancestors 'none'/, path);
        assert.doesNotMatch(policy, /unsafe|http|\*/, path);
        assert.equal(headers.get("x-content-type-options"), "nosniff", path);
        assert.equal(headers.get("access-control-allow-origin"), null, path);
      }
    }
  });

  test("does not exist for a stranger who guesses: unknown paths are refused before they are looked for", async () => {
    assert.equal((await running.fetch("/api/v1/secret", none)).status, 401);
    assert.equal((await running.fetch("/api/v1/secret")).status, 404);
  });

  test("serves no file but the listed ones", async () => {
    for (const path of [
      "/assets/..%2fserver.ts",
      "/assets/%2e%2e/console-token",
      "/assets/README.md",
      "/assets/__proto__",
      "/assets/constructor",
    ]) {
      const answer = await running.fetch(path);
      assert.equal(answer.status, 404, path);
    }
  });

  test("tells nothing of the inside when it fails", async () => {
    await using broken = await runConsole(
      {},
      { metrics: () => Promise.reject(new Error("/var/lib/tidegate is on fire")) },
    );
    const answer = await broken.fetch("/metrics");
    assert.equal(answer.status, 500);
    const text = await answer.text();
    assert.doesNotMatch(text, /fire|var|node_modules|at /);
    assert.equal(broken.faults.length, 1, "but the agent was told");
  });

  test("refuses bodies that are too large or of a kind nobody reads", async () => {
    const large = await running.fetch("/login", { method: "POST", headers: form, body: "token=".padEnd(10_000, "x") });
    assert.equal(large.status, 413);
    const xml = await running.fetch("/login", {
      method: "POST",
      headers: { ...ownPage, "content-type": "text/xml" },
      body: "<a/>",
    });
    assert.equal(xml.status, 415);
  });
});

describe("signing in", () => {
  test("changes the token for a session that opens every screen, and leaves by signing out", async () => {
    await using running = await runConsole();
    const { answer, cookie } = await signIn(running);
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("location"), "/");
    assert.match(answer.headers.get("set-cookie") ?? "", /HttpOnly; SameSite=Strict$/);
    assert.equal((await running.fetch("/api/v1/overview", { headers: { cookie } })).status, 200);
    assert.equal((await running.fetch("/logout", { method: "POST", headers: { cookie, ...ownPage } })).status, 303);
    assert.equal((await running.fetch("/api/v1/overview", { headers: { cookie } })).status, 401);
  });

  test("gives a new session each time: one that was planted is worth nothing", async () => {
    await using running = await runConsole();
    const planted = "tidegate-console-0=planted";
    const body = new URLSearchParams({ token: running.token }).toString();
    const answer = await running.fetch("/login", { method: "POST", headers: { ...form, cookie: planted }, body });
    assert.doesNotMatch(answer.headers.get("set-cookie") ?? "", /planted/);
    assert.equal((await running.fetch("/api/v1/overview", { headers: { cookie: planted } })).status, 401);
  });

  test("is throttled after ten wrong tokens, for the right one too", async () => {
    await using running = await runConsole();
    for (let i = 0; i < 10; i++)
      assert.equal((await signIn(running, "wrong")).answer.headers.get("location"), "/login#wrong");
    const { answer, cookie } = await signIn(running);
    assert.equal(answer.headers.get("location"), "/login#throttled");
    assert.equal(cookie, "");
    assert.equal((await running.fetch("/api/v1/overview")).status, 429);
  });

  test("from another site is refused, and so is a post that does not say where it comes from", async () => {
    await using running = await runConsole();
    const body = new URLSearchParams({ token: running.token }).toString();
    const from = (headers: Record<string, string>) =>
      running.fetch("/login", { method: "POST", headers: { ...form, ...headers }, body });
    assert.equal((await from({ "sec-fetch-site": "cross-site" })).status, 403);
    assert.equal((await from({ "sec-fetch-site": "same-origin", origin: "http://evil.example" })).status, 403);
    const silent = await running.fetch("/login", {
      method: "POST",
      headers: { "content-type": form["content-type"] },
      body,
    });
    assert.equal(silent.status, 403);
  });

  test("a browser that follows a link to the page without a session is shown the login page", async () => {
    await using running = await runConsole();
    const headers = { accept: "text/html", "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site" };
    // fetch would set Sec-Fetch-Mode by itself
    const answer = await new Promise<IncomingMessage>((resolve) => get(running.server.url, { headers }, resolve));
    answer.resume();
    assert.equal(answer.headers.location, "/login");
  });

  test("ends after 15 minutes without use; what the page asks by itself is no use", async () => {
    const clock = new ManualClock();
    await using running = await runConsole({}, { clock });
    const { cookie } = await signIn(running);
    clock.advanceMs(14 * 60_000);
    const unattended = { cookie, "x-tidegate-unattended": "1" };
    assert.equal((await running.fetch("/api/v1/overview", { headers: unattended })).status, 200);
    clock.advanceMs(60_000);
    assert.equal((await running.fetch("/api/v1/overview", { headers: { cookie } })).status, 401);
  });
});

describe("the access token", () => {
  test("is made once, shown once, and stored only as a hash that its owner alone can read", async () => {
    await using running = await runConsole();
    assert.deepEqual(await ensureToken(running.folder), {}, "the second start shows nothing");
    const path = join(running.folder, "console-token");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.doesNotMatch(await readFile(path, "utf8"), new RegExp(running.token));
  });

  test("is refused from a file that others can change", async () => {
    await using running = await runConsole();
    await chmod(join(running.folder, "console-token"), 0o664);
    await assert.rejects(ensureToken(running.folder), isCode("SECRET_UNSAFE"));
  });

  test("is made anew where the file holds none: nobody is locked out for ever", async () => {
    await using running = await runConsole();
    await writeFile(join(running.folder, "console-token"), "");
    const { token } = await ensureToken(running.folder);
    assert.notEqual(token, undefined);
    assert.notEqual(token, running.token);
  });
});

describe("listening", () => {
  test("on a taken port says so", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => other.once("listening", resolve));
    const { port } = other.address() as { port: number };
    try {
      await assert.rejects(runConsole({ listen: { host: "127.0.0.1", port } }), isCode("PORT_IN_USE"));
    } finally {
      other.close();
    }
  });

  test("beyond this machine needs TLS, or the explicit wish to do without", async () => {
    await assert.rejects(runConsole({ listen: { host: "0.0.0.0", port: 0 } }), isCode("CONFIG_INVALID"));
  });

  test("for Prometheus alone offers metrics, health and readiness, and nothing else", async () => {
    const services = { metrics: async () => "tidegate_up 1\n", isReady: () => false, onFault: () => undefined };
    await using server = await startMetrics({ listen: { host: "127.0.0.1", port: 0 } }, services);
    const urls = server.routes.filter(({ method }) => method === "GET").map(({ url }) => url);
    assert.deepEqual(urls, ["/health", "/ready", "/metrics"]);
    assert.equal(await (await fetch(`${server.url}/metrics`)).text(), "tidegate_up 1\n");
    assert.equal((await fetch(`${server.url}/ready`)).status, 503);
  });

  test("ends when told to, with streams open, and lets go of the view", async () => {
    const running = await runConsole();
    const stream = await running.fetch("/api/v1/stream?of=overview");
    assert.equal(running.view.listenerCount, 1);
    await running[Symbol.asyncDispose]();
    assert.equal(running.view.listenerCount, 0);
    await stream.text();
  });
});

function pathOf(url: string): string {
  return url.replace("*", "x").replaceAll(/:\w+/g, "x");
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TidegateError && error.code === code;
}
