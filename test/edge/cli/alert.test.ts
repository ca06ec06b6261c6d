// Goal: `tidegate alert` does on a running agent what its console does, with the same token and the same audit.
// Method: the real console before a fake gateway.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { runConsole, type RunningConsole } from "../../support/console.ts";
import { alert, pumpDevice } from "../../support/fake-console-view.ts";
import { temporaryFolder } from "../../support/records.ts";
import { run, type Run } from "./run-cli.ts";

interface Site {
  readonly console: RunningConsole;
  readonly ask: (args: readonly string[], token?: "operator" | "viewer") => Promise<Run>;
}

async function site(t: TestContext): Promise<Site> {
  const console = await runConsole();
  t.after(() => console[Symbol.asyncDispose]());
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, "operator"), `${console.token}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "viewer"), `${console.viewerToken}\n`, { mode: 0o600 });
  writeFileSync(join(folder, "t.yaml"), "gateway: { id: gw-1, path: acme/berlin, dataFolder: ./d }\n");
  console.view.alertViews = [
    alert(pumpDevice("pump-1"), { metric: "flow" }),
    alert(
      pumpDevice("pump-2"),
      { priority: "low", metric: "evil\u202E\n", explanation: "\u001B[31mred" },
      "acknowledged",
    ),
    alert(pumpDevice("pump-3"), {}, "returned"),
  ];
  const site = ["-c", join(folder, "t.yaml"), "--url", console.server.url];
  const ask = (args: readonly string[], token = "operator"): Promise<Run> =>
    run("alert", ...args, ...site, "--token-file", join(folder, token));
  return { console, ask };
}

test("list shows what needs somebody, the most urgent first; --all the rest too", async (t) => {
  const { ask } = await site(t);
  const listed = await ask(["list"], "viewer");
  assert.equal(listed.code, 0, listed.err);
  assert.match(listed.out, /^pump-1-1 {2}high +pump-1 +flow +\d{4}-\d\d-\d\d .*Z {2}unacknowledged\npump-2-1 {2}low /m);
  assert.match(listed.out, /evil\\u\{202e\}\\u\{a\}/, "a metric cannot write on the terminal");
  assert.doesNotMatch(listed.out, /pump-3/);
  assert.match(
    listed.out,
    /^Raised: 3 in 10 minutes, 3 in an hour, 3 in a day\. Open for more than 8 hours: 0\. Chattering: none\.$/m,
  );
  assert.match((await ask(["list", "--all"])).out, /pump-3-1 .* returned to normal$/m);
  const json = JSON.parse((await ask(["list", "--device", "pump-2", "--json"])).out) as { alerts: object[] };
  assert.equal(json.alerts.length, 1);
});

test("show explains one alert, as text and as JSON, and ends with 1 where it is not there", async (t) => {
  const { ask, console } = await site(t);
  const { out } = await ask(["show", "pump-1-1"]);
  assert.match(out, /^alert {5}pump-1-1, priority high\nstate {5}unacknowledged$/m);
  assert.match(out, /^to do {5}Check lubrication; plan a bearing change\.$/m);
  assert.match(out, /^model {5}context-surprise 1: score 8\.40, alert from 5\.00$/m);
  assert.match(out, /^ {2}bearing +78\.9 {2}51 to 57 +82 %$/m);
  assert.match(out, /^readings {2}.*Z to .*Z: 749 readings in the buffer\n {10}\d\d of them; --json has 749$/m);
  assert.match(out, /^ {2}time +flow m3\/h {2}score$/m);
  assert.match(out, /^ {2}\d\d:\d\d:\d\d\.\d{3}Z +61\.\d+ +0\.98$/m);
  assert.match((await ask(["show", "pump-2-1"])).out, /why {7}\\u\{1b\}\[31mred/);
  const json = JSON.parse((await ask(["show", "pump-1-1", "--json"])).out) as {
    ok: boolean;
    alert: object;
    window: { timesMicros: number[] };
  };
  assert.deepEqual([json.ok, "record" in json.alert, json.window.timesMicros.length], [true, true, 749]);
  console.view.windowChanges = { kept: "none", note: "The buffer has no reading of that time any more.", readings: 0 };
  assert.match((await ask(["show", "pump-1-1"])).out, /0 readings in the buffer\n {10}The buffer has no reading/);
  const none = await ask(["show", "ghost"]);
  assert.deepEqual([none.code, none.err], [1, "there is no alert ghost (any more)"]);
});

test("an alert is acknowledged; one that is not there ends it with an error", async (t) => {
  const { ask, console } = await site(t);
  assert.equal((await ask(["ack", "pump-1-1"])).out, "1 alert acknowledged.");
  assert.equal(console.view.alertViews[0]!.state, "acknowledged");
  assert.match((await ask(["show", "pump-1-1"])).out, /^state {5}acknowledged; acknowledged .*Z by the operator$/m);
  const gone = await ask(["ack", "ghost"]);
  assert.equal(gone.code, 70);
  assert.match(gone.err, /answered 404[^]*hint: {2}Perhaps it is gone by now/);
});

test("the metric of an alert is shelved for a time, listed, and brought back", async (t) => {
  const { ask, console } = await site(t);
  const shelved = await ask(["shelve", "pump-1-1", "--for", "8h", "--reason", "bearing is ordered"]);
  assert.equal(shelved.out, "Alerts of flow of pump-1 are shelved for 8 h.", shelved.err);
  assert.deepEqual(console.actions.alertActions[0], {
    by: { role: "operator", from: "127.0.0.1" },
    action: { kind: "shelve", device: "pump-1", metric: "flow", seconds: 28_800, reason: "bearing is ordered" },
  });
  const { out } = await ask(["list"]);
  assert.doesNotMatch(out, /^pump-1-1/m);
  assert.match(out, /flow of pump-1: shelved since .*Z, until .*Z, by the operator: bearing is ordered$/m);
  assert.match((await ask(["show", "pump-1-1"])).out, /^ {10}shelved since/m);
  assert.equal((await ask(["unshelve", "pump-1-1"])).out, "Alerts of flow of pump-1 are back in the list.");
  assert.match((await ask(["list"])).out, /^pump-1-1/m);
});

test("feedback is recorded and shown", async (t) => {
  const { ask, console } = await site(t);
  const done = await ask(["feedback", "pump-1-1", "--verdict", "true-alarm", "--note", "bearing was dry"]);
  assert.equal(done.out, "Recorded: true-alarm for alert pump-1-1.", done.err);
  assert.deepEqual(console.actions.alertActions[0]!.action, {
    kind: "feedback",
    episode: "pump-1-1",
    verdict: "true-alarm",
    note: "bearing was dry",
  });
  assert.match(
    (await ask(["show", "pump-1-1"])).out,
    /^feedback {2}true-alarm, .*Z by the operator: bearing was dry$/m,
  );
});

test("a device is taken out of service and back", async (t) => {
  const { ask, console } = await site(t);
  const out = await ask(["out-of-service", "--device", "pump-2", "--reason", "overhaul", "--json"]);
  assert.deepEqual(JSON.parse(out.out), { ok: true, device: "pump-2" });
  assert.equal(console.view.suppressionViews[0]!.kind, "out-of-service");
  assert.equal((await ask(["in-service", "--device", "pump-2"])).code, 0);
  assert.deepEqual(console.view.suppressionViews, []);
});

const wrong: readonly (readonly [string, readonly string[]])[] = [
  ["no target", ["shelve", "--for", "1h", "--reason", "x"]],
  ["two targets", ["unshelve", "pump-1-1", "--device", "pump-1"]],
  ["a metric with an alert", ["unshelve", "pump-1-1", "--metric", "flow"]],
  ["no reason", ["out-of-service", "--device", "pump-1"]],
  ["an empty reason", ["out-of-service", "--device", "pump-1", "--reason", " "]],
  ["no time", ["shelve", "pump-1-1", "--reason", "x"]],
  ["too long a time", ["shelve", "pump-1-1", "--for", "8d", "--reason", "x"]],
  ["too short a time", ["shelve", "pump-1-1", "--for", "0m", "--reason", "x"]],
  ["a time without unit", ["shelve", "pump-1-1", "--for", "30", "--reason", "x"]],
  ["no verdict", ["feedback", "pump-1-1"]],
  ["a verdict that is none", ["feedback", "pump-1-1", "--verdict", "perhaps"]],
  ["an id that is none", ["ack", "../devices"]],
];
for (const [name, args] of wrong) {
  test(`refuses ${name}`, async (t) => {
    const { ask, console } = await site(t);
    assert.equal((await ask(args)).code, 64);
    assert.deepEqual(console.actions.alertActions, []);
  });
}

test("a viewer's token lists and shows, and is told that it cannot act", async (t) => {
  const { ask, console } = await site(t);
  assert.equal((await ask(["show", "pump-1-1"], "viewer")).code, 0);
  for (const args of [
    ["ack", "pump-1-1"],
    ["shelve", "pump-1-1", "--for", "1h", "--reason", "x"],
    ["in-service", "--device", "pump-1"],
    ["feedback", "pump-1-1", "--verdict", "false-alarm"],
  ]) {
    const { code, err } = await ask(args, "viewer");
    assert.equal(code, 77);
    assert.match(err, /answered 403: This token may look, not act/);
  }
  assert.deepEqual(console.actions.alertActions, []);
});
