// Goal: a viewer sees everything and can change nothing; what an operator does arrives with the operator's name.
// Method: the routes come from the server itself, so that a new one cannot be forgotten.
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { runConsole, type RunningConsole } from "../../support/console.ts";
import { alert, modelView, pumpDevice, quarantined } from "../../support/fake-console-view.ts";

let running: RunningConsole;
before(async () => (running = await runConsole()));
after(() => running[Symbol.asyncDispose]());
beforeEach(() => {
  running.view.messages = [3, 2, 1].map((id) => quarantined(id, `{"n":${id}}`));
  running.view.alertViews = [alert(pumpDevice("pump-1"))];
  running.view.suppressionViews = [];
  running.view.modelViews = [modelView()];
  running.actions.audited.length = 0;
  running.actions.modelActions.length = 0;
  running.actions.alertActions.length = 0;
});

const bodies: Readonly<Record<string, object>> = {
  "/api/v1/quarantine/retry": { ids: [1] },
  "/api/v1/quarantine/delete": { ids: [1] },
  "/api/v1/alerts/acknowledge": { episode: "pump-1-1" },
  "/api/v1/alerts/feedback": { episode: "pump-1-1", verdict: "true-alarm" },
  "/api/v1/alerts/shelve": { device: "pump-1", metric: "flow", seconds: 3600, reason: "known" },
  "/api/v1/alerts/unshelve": { device: "pump-1", metric: "flow" },
  "/api/v1/alerts/out-of-service": { device: "pump-1", reason: "overhaul" },
  "/api/v1/alerts/in-service": { device: "pump-1" },
  "/api/v1/reload": {},
  "/api/v1/models/promote": { name: "pump", version: "1.1.0", reason: " its trial went well " },
  "/api/v1/models/shadow": { name: "pump", version: "1.1.0" },
  "/api/v1/models/canary": { name: "pump", version: "1.1.0", devices: ["pump-1"], paths: [], reason: "new bearing" },
  "/api/v1/models/rollback": { name: "pump" },
  "/api/v1/models/end-canary": { name: "pump" },
  "/api/v1/models/end-shadow": { name: "pump" },
};

function post(path: string, body: unknown, token = running.token): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  return running.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

test("a viewer may see every screen and do nothing but sign out; an operator may do all", async () => {
  const seen = { reads: 0, actions: 0 };
  for (const { method, url, open } of running.server.routes) {
    if (open || method === "HEAD" || url === "/api/v1/stream" || url.includes("*")) continue;
    const path = url.replace(":id", "1").replace(":episode", "pump-1-1").replace(":metric", "flow");
    if (method === "GET") {
      const answer = await running.fetch(path, { headers: { authorization: `Bearer ${running.viewerToken}` } });
      assert.notEqual(answer.status, 403, path);
      await answer.arrayBuffer();
      seen.reads++;
      continue;
    }
    const body = bodies[url] ?? {};
    const refused = await post(path, body, running.viewerToken);
    if (url === "/logout") continue;
    assert.equal(refused.status, 403, path);
    assert.match(await refused.text(), /VIEWER_ONLY/);
    const acted = running.actions.audited.filter(
      ({ by, action }) => by.role === "viewer" && action !== "quarantine-export",
    );
    assert.deepEqual(acted, []);
    assert.equal((await post(path, body)).status, 200, path);
    seen.actions++;
  }
  assert.ok(seen.reads > 10, JSON.stringify(seen));
  assert.equal(seen.actions, Object.keys(bodies).length, "every action has a body here");
});

test("a console without a viewer's token has no viewers", async () => {
  await using other = await runConsole();
  await rm(join(other.folder, "console-viewer-token"));
  await using alone = await runConsole({}, { folder: other.folder });
  const headers = { authorization: `Bearer ${other.viewerToken}` };
  assert.equal((await alone.fetch("/api/v1/overview", { headers })).status, 401);
});

test("a session has the role of the token that opened it, and signing in is audited", async () => {
  for (const [role, token] of [
    ["viewer", running.viewerToken],
    ["operator", running.token],
  ] as const) {
    const body = new URLSearchParams({ token }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin" };
    const answer = await running.fetch("/login", { method: "POST", headers, body });
    const cookie = answer.headers.get("set-cookie")!.split(";")[0]!;
    const own = { cookie, "sec-fetch-site": "same-origin", "content-type": "application/json" };
    const session = await running.fetch("/api/v1/session", { headers: own });
    assert.deepEqual(await session.json(), { role });
    const init = { method: "POST", headers: own, body: JSON.stringify({ ids: [3] }) };
    const done = await running.fetch("/api/v1/quarantine/retry", init);
    assert.equal(done.status, role === "operator" ? 200 : 403);
  }
  const audited = running.actions.audited.map(({ by, action }) => `${by.role} ${action}`);
  assert.deepEqual(audited, ["viewer sign-in", "operator sign-in", "operator quarantine-retry"]);
});

describe("the quarantine's API", () => {
  const wrong = [
    undefined,
    {},
    { ids: [] },
    { ids: ["1"] },
    { ids: [0] },
    { ids: [1.5] },
    { ids: [-1] },
    { ids: Array.from({ length: 101 }, (_, i) => i + 1) },
  ];
  for (const body of wrong) {
    test(`refuses ${JSON.stringify(body)?.slice(0, 40)}`, async () => {
      for (const path of ["/api/v1/quarantine/retry", "/api/v1/quarantine/delete"]) {
        assert.equal((await post(path, body)).status, 400);
      }
      assert.equal(running.view.messages.length, 3);
    });
  }

  for (const query of ["before=x", "before=0", "limit=101", "from=2026-11-21", "to=x", "reason=a&reason=b"]) {
    test(`refuses ?${query} rather than taking it for everything`, async () => {
      for (const path of ["/api/v1/quarantine", "/api/v1/quarantine/export"]) {
        assert.equal((await running.fetch(`${path}?${query}`)).status, 400);
      }
      assert.equal((await running.fetch(`/api/v1/stream?of=quarantine&${query}`)).status, 400);
    });
  }

  test("says of a message what it means and what to do", async () => {
    const message = (await (await running.fetch("/api/v1/quarantine/2")).json()) as Record<string, unknown>;
    assert.deepEqual([message["title"], message["bytesKept"]], ["Not JSON", 7]);
    assert.match(String(message["advice"]), /Check the sender/);
  });

  test("an action and an export arrive with who asked", async () => {
    await post("/api/v1/quarantine/retry", { ids: [1, 1, 2] });
    await (await running.fetch("/api/v1/quarantine/export?reason=not-json")).text();
    assert.deepEqual(running.actions.audited[0], {
      by: { role: "operator", from: "127.0.0.1" },
      action: "quarantine-retry",
      ids: [1, 2],
    });
    const [, exported] = running.actions.audited;
    assert.ok(exported !== undefined && "target" in exported);
    assert.deepEqual([exported.action, exported.detail], ["quarantine-export", '{"reason":"not-json"}']);
  });

  test("an alert is acknowledged once", async () => {
    assert.equal((await post("/api/v1/alerts/acknowledge", { episode: "pump-1-1" })).status, 200);
    assert.equal(running.view.alertViews[0]!.state, "acknowledged");
    assert.equal((await post("/api/v1/alerts/acknowledge", { episode: "nothing" })).status, 404);
    assert.equal((await post("/api/v1/alerts/acknowledge", {})).status, 400);
  });
});

describe("the API of alerts", () => {
  const fits = { device: "pump-1", metric: "flow", seconds: 3600, reason: "known" };
  const wrong: readonly (readonly [string, object])[] = [
    ["shelve", { ...fits, seconds: 59 }],
    ["shelve", { ...fits, seconds: 7 * 86_400 + 1 }],
    ["shelve", { ...fits, seconds: "3600" }],
    ["shelve", { ...fits, reason: "  " }],
    ["shelve", { ...fits, reason: "x".repeat(201) }],
    ["shelve", { ...fits, device: "" }],
    ["shelve", { device: "pump-1", seconds: 60 }],
    ["out-of-service", { device: "pump-1" }],
    ["out-of-service", { device: 1, reason: "x" }],
    ["unshelve", {}],
    ["feedback", { episode: "pump-1-1" }],
    ["feedback", { episode: "pump-1-1", verdict: "perhaps" }],
    ["feedback", { episode: "pump-1-1", verdict: "true-alarm", note: "x".repeat(201) }],
    ["in-service", { device: ["pump-1"] }],
  ];
  for (const [kind, body] of wrong) {
    test(`refuses to ${kind} ${JSON.stringify(body).slice(0, 80)}`, async () => {
      assert.equal((await post(`/api/v1/alerts/${kind}`, body)).status, 400);
      assert.deepEqual(running.actions.alertActions, []);
    });
  }

  test("what is asked arrives with who asked, its reason trimmed", async () => {
    assert.equal((await post("/api/v1/alerts/shelve", { ...fits, reason: " known " })).status, 200);
    assert.deepEqual(running.actions.alertActions, [
      { by: { role: "operator", from: "127.0.0.1" }, action: { kind: "shelve", ...fits } },
    ]);
  });

  test("an alert is shown by its id with what hides it; an unknown one is not there", async () => {
    await post("/api/v1/alerts/out-of-service", { device: "pump-1", reason: "overhaul" });
    const shown = (await (await running.fetch("/api/v1/alerts/pump-1-1")).json()) as {
      alert: { record: { device: string }; suppression: { kind: string; reason: string } };
    };
    const { record, suppression } = shown.alert;
    assert.deepEqual([record.device, suppression.kind, suppression.reason], ["pump-1", "out-of-service", "overhaul"]);
    assert.equal((await running.fetch("/api/v1/alerts/nothing")).status, 404);
    assert.equal((await running.fetch("/api/v1/alerts/nothing/window")).status, 404);
  });

  test("bringing back what was not put away, or naming an unknown device, finds nothing", async () => {
    assert.equal((await post("/api/v1/alerts/unshelve", { device: "pump-1" })).status, 404);
    assert.equal((await post("/api/v1/alerts/out-of-service", { device: "ghost", reason: "x" })).status, 404);
  });

  test("a gateway with too much put away, or one that stops, says so", async () => {
    const actions = running.actions as { changeAlerts: (typeof running.actions)["changeAlerts"] };
    const before = actions.changeAlerts;
    for (const [outcome, status] of [
      ["full", 409],
      ["abandoned", 503],
    ] as const) {
      actions.changeAlerts = async () => outcome;
      assert.equal((await post("/api/v1/alerts/shelve", fits)).status, status);
    }
    actions.changeAlerts = before;
  });
});

describe("models", () => {
  test("an action arrives with who asked and why; what is refused says so, and nonsense is none", async () => {
    assert.equal((await post("/api/v1/models/promote", bodies["/api/v1/models/promote"])).status, 200);
    const [{ by, action }] = running.actions.modelActions as [(typeof running.actions.modelActions)[number]];
    assert.equal(by.role, "operator");
    assert.deepEqual(action, { kind: "promote", name: "pump", version: "1.1.0", reason: "its trial went well" });
    const refused = await post("/api/v1/models/rollback", { name: "press" });
    assert.deepEqual(
      [refused.status, await refused.json()],
      [409, { error: { code: "MODEL_REFUSED", message: "no press here" } }],
    );
    for (const body of [{}, { name: "" }, { name: "pump", reason: "x".repeat(201) }]) {
      assert.equal((await post("/api/v1/models/rollback", body)).status, 400, JSON.stringify(body));
    }
    assert.equal((await post("/api/v1/models/promote", { name: "pump" })).status, 400);
    assert.equal((await post("/api/v1/models/canary", { name: "pump", version: "1.1.0" })).status, 400);
    const canary = bodies["/api/v1/models/canary"]!;
    assert.equal((await post("/api/v1/models/canary", { ...canary, paths: [""] })).status, 400);
    assert.equal((await post("/api/v1/models/canary", canary)).status, 200);
    assert.deepEqual(running.actions.modelActions.at(-1)?.action, { kind: "canary", ...canary });
  });

  test("a trial can be begun with the versions in the store, on devices and asset paths that are known", async () => {
    running.view.storedModels = [{ name: "pump", version: "1.1.0" }];
    running.view.deviceViews = [pumpDevice("pump-10"), pumpDevice("pump-2")];
    const answer = await running.fetch("/api/v1/models/trial-options");
    const { path } = pumpDevice("pump-2");
    const [enterprise, ...below] = path.split("/");
    assert.deepEqual(await answer.json(), {
      versions: [{ name: "pump", version: "1.1.0" }],
      devices: ["pump-2", "pump-10"],
      paths: below.reduce((paths, part) => [...paths, `${paths.at(-1)}/${part}`], [enterprise!]),
    });
  });
});
