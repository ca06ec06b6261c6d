import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { ModelView } from "../../edge/console/view.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";
import { runConsole, type RunningConsole } from "../support/console.ts";
import {
  contrastFaults,
  focused,
  launchBrowser,
  narrow,
  openPage,
  overflow,
  styleOf,
  wide,
  type View,
  type WatchedPage,
} from "../support/browser.ts";
import {
  alert,
  bufferView,
  connection,
  metric,
  modelScores,
  modelView,
  pumpDevice,
  quarantined,
} from "../support/fake-console-view.ts";
import { hostileNames } from "../support/hostile-names.ts";
import { until } from "../support/until.ts";

let browser: Browser;
let running: RunningConsole;
let watched: WatchedPage;

before(async () => (browser = await launchBrowser()));
after(() => browser.close());
beforeEach(async () => (running = await runConsole()));
afterEach(async () => {
  await watched.context.close();
  await running[Symbol.asyncDispose]();
});

async function open(view: View, hash = "#/"): Promise<Page> {
  watched = await openPage(browser, view);
  const { page } = watched;
  await page.goto(`${running.server.url}/`);
  await page.getByLabel("Access token").fill(running.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Gateway gw-berlin-1" }).waitFor();
  if (hash !== "#/") await page.goto(`${running.server.url}/${hash}`);
  return page;
}

/** A gateway on a bad day: everything that can be abnormal is. */
function makeAbnormal(): void {
  const { view } = running;
  const hot = metric("bearing", "Bearing temperature", "Cel", 84.9, { range: [20, 80] });
  const sick = pumpDevice("pump-2", { metrics: [metric("flow", "Flow", "m3/h", 40), hot] });
  const silentMetrics = pumpDevice("x").metrics.map((each) => ({ ...each, ageMs: 900_000 }));
  const doubtful = [
    metric("flow", "Flow", "m3/h", 40.2, { quality: "uncertain", drift: "degraded" }),
    metric("pressure", "Outlet pressure", "bar", -99, { quality: "bad" }),
  ];
  view.deviceViews = [
    pumpDevice("pump-1"),
    sick,
    pumpDevice("pump-3", { ageMs: 900_000, metrics: silentMetrics }),
    pumpDevice("pump-4", { metrics: doubtful }),
  ];
  view.alertViews = [
    alert(sick, { priority: "critical", metric: "flow" }),
    alert(pumpDevice("pump-1"), { priority: "medium", episode: "2" }, "acknowledged"),
    alert(pumpDevice("pump-4"), { priority: "low", episode: "3" }, "returned-unacknowledged"),
  ];
  view.connectionViews = [connection("kafka", "kafka", "waiting", "kafka:9092", "Kafka does not answer.")];
  view.bufferView = bufferView({
    recordsUnsent: 216_000,
    oldestUnsentAgeMs: 18 * 60_000,
    bufferingSinceMicros: (Date.now() - 18 * 60_000) * 1000,
    fullInSeconds: 3 * 86_400,
  });
  view.messages = [
    quarantined(3, "<b>not json</b>"),
    quarantined(2, Uint8Array.of(0xff, 0xfe, 0)),
    quarantined(1, "{}", { reason: "unroutable" }),
  ];
}

test("signing in: a wrong token is told in words, the right one opens the page, signing out closes it", async () => {
  watched = await openPage(browser, narrow);
  const { page } = watched;
  await page.goto(`${running.server.url}/`);
  await page.getByLabel("Access token").fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("not the token of this gateway").waitFor();
  await page.getByLabel("Access token").fill(running.token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Gateway gw-berlin-1" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByText("You are signed out.").waitFor();
  await page.goto(`${running.server.url}/`);
  await page.getByLabel("Access token").waitFor();
  assert.deepEqual(watched.complaints, []);
});

for (const view of [narrow, wide]) {
  describe(`at ${view.width} pixels`, () => {
    test("a healthy gateway is quiet: its promises in words, no alert, nothing flashing", async () => {
      const page = await open(view);
      await page.getByText("All data is delivered").waitFor();
      await page.getByText("No message in quarantine.").waitFor();
      await page.getByText("No open alert.").waitFor();
      assert.equal(await page.locator(".needs-look").count(), 0);
      assert.equal(await page.locator(".mark").count(), 0);
      assert.equal(await overflow(page), 0);
      assert.deepEqual(watched.complaints, []);
    });

    test("what is abnormal stands on the first screen, in words and shapes", async () => {
      makeAbnormal();
      const page = await open(view);
      const text = (await page.getByRole("main").innerText()).replaceAll(/\s+/g, " ");
      assert.match(
        text,
        /Buffering since (\d+ \w+, )?\d\d:\d\d: 18 minutes of data, 216,000 records, wait on disk for Kafka\. Full in about 3 days\./,
      );
      assert.match(text, /3 messages quarantined/);
      assert.match(text, /Critical pump-2 flow/);
      assert.match(text, /Unacknowledged, since/);
      assert.match(text, /Returned to normal, not acknowledged/);
      assert.match(text, /Above the normal 20 to 80 °C/);
      assert.match(text, /Silent, last 15 min ago/);
      assert.match(text, /Uncertain: the device doubts this value/);
      assert.match(text, /Bad: the device says that this value is wrong/);
      assert.match(text, /Drift: no longer what its model learned; scores are doubtful/);
      assert.match(text, /Waiting for 8 h kafka:9092 · Kafka does not answer\./);
      assert.equal(await styleOf(page, ".mark-critical.mark-unacknowledged", "animation-name"), "flash");
      const card = page.locator(".device").filter({ hasText: "pump-1" });
      assert.equal(await card.locator(".mark-medium.mark-acknowledged:not(.mark-filled)").count(), 1);
      assert.equal(await overflow(page), 0);
    });

    test("a click leads from the overview over line and device to the trend, and back leads back", async () => {
      const page = await open(view);
      await page.getByRole("link", { name: "utilities/pumps" }).click();
      await page.getByRole("heading", { name: "Line utilities/pumps" }).waitFor();
      await page.getByRole("link", { name: "pump-2" }).click();
      await page.getByRole("heading", { name: "pump-2", level: 1 }).waitFor();
      await page.getByRole("link", { name: "Bearing temperature" }).click();
      await page.getByRole("heading", { name: "Bearing temperature of pump-2" }).waitFor();
      await page.locator(".uplot canvas").waitFor();
      await page.getByText("Show the figures").click();
      assert.ok((await page.getByRole("table").last().getByRole("row").count()) > 10);
      const trail = page.getByRole("navigation", { name: "Path" });
      assert.deepEqual(await trail.getByRole("listitem").allInnerTexts(), [
        "acme/berlin",
        "utilities/pumps",
        "pump-2",
        "Bearing temperature",
      ]);
      assert.equal(await overflow(page), 0);
      await page.goBack();
      await page.getByRole("heading", { name: "pump-2", level: 1 }).waitFor();
      assert.match(await page.title(), /Device pump-2 · gw-berlin-1/);
      assert.deepEqual(watched.complaints, []);
    });

    test("a quarantined message shows why, what to do and its bytes", async () => {
      makeAbnormal();
      const page = await open(view, "#/quarantine");
      await page.getByRole("link", { name: "Not JSON" }).first().click();
      await page.getByRole("heading", { name: "Not JSON" }).waitFor();
      await page.getByText("Check the sender, or choose the profile").waitFor();
      assert.equal(await page.locator("pre").innerText(), "<b>not json</b>");
      await page.goto(`${running.server.url}/#/quarantine/2`);
      await page.getByText("000000 ff fe 00").waitFor();
      await page.goto(`${running.server.url}/#/quarantine/99`);
      await page.getByRole("heading", { name: "not in the quarantine any more" }).waitFor();
      assert.equal(await overflow(page), 0);
    });

    test("one message is retried and stays, then is retried and gone; another is deleted after a question", async () => {
      makeAbnormal();
      const page = await open(view, "#/quarantine/3");
      await page.getByRole("button", { name: "Retry" }).click();
      await page.getByText("1 message still cannot be read and stayed.").waitFor();
      await page.getByText("1 try, last").waitFor();
      running.actions.readable.add(3);
      await page.getByRole("button", { name: "Retry" }).click();
      await page.getByRole("heading", { name: "1 message could be read and left the quarantine." }).waitFor();
      await page.goto(`${running.server.url}/#/quarantine/2`);
      await page.getByRole("button", { name: "Delete …" }).click();
      const dialog = page.getByRole("dialog", { name: "Delete this message?" });
      await dialog.waitFor();
      assert.equal(await overflow(page), 0);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      assert.equal(running.view.messages.length, 2, "Escape is no");
      await page.getByRole("button", { name: "Delete …" }).focus();
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      assert.equal((await focused(page)).text, "Delete for good");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { name: "1 message deleted; the ledger and the audit name them." }).waitFor();
      assert.deepEqual(
        running.view.messages.map(({ id }) => id),
        [1],
      );
      assert.deepEqual(watched.complaints, []);
    });

    test("all messages that fit a filter are retried, exported and deleted, page by page", async () => {
      running.view.messages = Array.from({ length: 250 }, (_, i) =>
        quarantined(250 - i, "{", i % 2 === 0 ? { reason: "unroutable" } : {}),
      );
      const page = await open(view, "#/quarantine");
      await page.getByText("100 of 250, newest first").waitFor();
      await page.getByRole("button", { name: "Older" }).click();
      await page.getByRole("button", { name: "Newest" }).waitFor();
      await page.getByRole("button", { name: "Newest" }).click();
      await page.getByText("Filter by reason, device or source").click();
      await page.getByLabel("Reason").fill("unroutable");
      await page.getByText("100 messages that fit").waitFor();
      for (const { id, reason } of running.view.messages) if (reason === "unroutable") running.actions.readable.add(id);
      await page.getByRole("button", { name: "Retry all that fit" }).click();
      await page.getByText("125 messages could be read and left the quarantine.").waitFor();
      const download = page.waitForEvent("download");
      await page.getByLabel("Reason").fill("");
      await page.getByRole("link", { name: "Export all 125" }).click();
      const file = await download;
      assert.equal(file.suggestedFilename(), "quarantine.ndjson");
      const lines = readFileSync(await file.path(), "utf8")
        .trimEnd()
        .split("\n");
      assert.equal(new Set(lines.map((line) => (JSON.parse(line) as { id: number }).id)).size, 125);
      await page.getByRole("button", { name: "Delete all 125 …" }).click();
      await page.getByRole("dialog", { name: "Delete 125 messages?" }).waitFor();
      await page.getByRole("button", { name: "Delete for good" }).click();
      await page.getByText("125 messages deleted; the ledger and the audit name them.").waitFor();
      await page.getByText("The quarantine is empty.").waitFor();
      assert.ok(await page.getByText("125 messages deleted").isVisible(), "said also when nothing is left");
      assert.equal(await overflow(page), 0);
      assert.deepEqual(watched.complaints, []);
    });

    test("models say what runs, live and as a shadow, and how they differ", async () => {
      const live: ModelView = {
        name: "pump-health",
        version: "1.2.0",
        predicts: undefined,
        stage: "live",
        state: "running",
        devices: 12,
        learning: 0,
        openEpisodes: 1,
        hours: 71.2,
        rows: 256_320,
        abnormalRows: 512,
        episodes: 3,
        compared: 0,
        onlyLive: 0,
        onlyShadow: 0,
        microsMean: 2.7,
        unfitProfiles: 0,
        microsMax: 410,
        drift: { state: "unknown", measure: "stability", channels: [] },
      };
      const counts = { learning: 2, compared: 200_000, onlyLive: 300, onlyShadow: 5000, episodes: 9 };
      const shadow: ModelView = { ...live, ...counts, version: "1.3.0", stage: "shadow" };
      const page = await open(view);
      await page.goto(`${running.server.url}/#/models`);
      await page.getByText("No packaged model runs on this gateway.").waitFor();
      const network = { library: "TensorFlow.js 4.22.0 (wasm)", droppedRows: 17 };
      running.view.modelViews = [live, { ...shadow, network }, { ...live, name: "press", state: "failed" }];
      running.view.changed();
      const panel = (name: string) => page.getByRole("region", { name });
      await panel("pump-health 1.2.0").getByText("3 alerts").waitFor();
      await panel("pump-health 1.3.0").getByText("12 devices, 2 still learning").waitFor();
      await panel("pump-health 1.3.0").getByText("2.50 %").waitFor();
      await panel("pump-health 1.3.0").getByText("TensorFlow.js 4.22.0 (wasm)").waitFor();
      await panel("pump-health 1.3.0").getByText("17 rows").waitFor();
      await panel("press 1.2.0").getByText("has failed, and is out of service").waitFor();
      const scope = { devices: ["pump-07"], paths: ["acme/berlin/line-2"] };
      running.view.modelViews = [live, shadow, { ...live, version: "1.4.0", stage: "canary", scope }];
      running.view.changed();
      await panel("pump-health 1.4.0").getByText("live on device pump-07, path acme/berlin/line-2").waitFor();
      await page.getByRole("button", { name: "End the canary pump-health 1.4.0" }).click();
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "Promote pump-health 1.3.0" }).click();
      await page.getByRole("dialog", { name: "Promote pump-health 1.3.0?" }).waitFor();
      await page.getByRole("button", { name: "Promote", exact: true }).click();
      await page.getByText("Done; the models follow within some seconds.").waitFor();
      assert.deepEqual(
        running.actions.modelActions.map(({ action }) => action),
        [{ kind: "promote", name: "pump-health", version: "1.3.0", reason: "" }],
      );
      assert.equal(await overflow(page), 0);
    });

    test("a model's scores, what made them and its drift are charts and words, also by keyboard", async () => {
      const edges = [1, 2, 3, 4, 5, 6, 7];
      const expected = [0.01, 0.09, 0.2, 0.2, 0.2, 0.2, 0.09, 0.01];
      const seen = [0, 0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.2];
      const channels: ModelView["drift"]["channels"] = [
        { name: "flow", state: "ok", index: 0.012, edges, expected, seen: expected },
        { name: "vibration", state: "degraded", index: 0.41, edges, expected, seen },
      ];
      running.view.modelViews = [modelView({ drift: { state: "degraded", measure: "stability", channels } })];
      running.view.scoreViews.set("pump live pump-1", modelScores("pump-1"));
      running.view.scoreViews.set("pump live pump-2", modelScores("pump-2", { timesMs: [], devices: [] }));
      const page = await open(view, "#/models");
      await page.getByText("Worst now: pump-1 0.813 of its limit").waitFor();
      await page.getByText("no longer what it was trained on").waitFor();
      await page.getByRole("link", { name: "Charts of pump 1.0.0" }).click();
      await page.getByRole("heading", { name: "pump 1.0.0 live" }).waitFor();
      await page.locator(".uplot canvas").waitFor();
      const parts = page.getByRole("region", { name: "What made the score" });
      await parts.getByText("score 0.9125, among the highest").waitFor();
      await parts.getByText("vibration").waitFor();
      await parts.getByLabel("When").focus();
      await page.keyboard.press("Home");
      await parts.getByText("flow").waitFor();
      await page.keyboard.press("PageUp");
      await page.keyboard.press("PageUp");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowRight");
      await parts.getByText("nothing was judged").waitFor();
      await page.locator(".uplot .u-over").click({ position: { x: 5, y: 40 } });
      await parts.getByText("flow").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await contrastFaults(page), []);
      const drift = page.getByRole("region", { name: "Drift" });
      const items = await drift.getByRole("listitem").allInnerTexts();
      assert.match(items[0]!, /^vibration\s+no longer what it was trained on: what it says is doubtful, index 0.41/);
      assert.match(items[1]!, /^flow\s+as in training, index 0.012/);
      await drift.getByLabel("Show the figures of vibration").click();
      await drift.getByRole("row", { name: "above 7 1 % 20 %" }).waitFor();
      assert.equal(await overflow(page), 0);
      await page.getByLabel("Device").selectOption("pump-2 (alert)");
      await page.getByText("Nothing was judged yet.").waitFor();
      assert.match(page.url(), /#\/models\/pump\/live\/pump-2$/);
      assert.deepEqual(watched.complaints, []);
      await page.goto(`${running.server.url}/#/models/pump/shadow`);
      await page.getByText("No version of this model runs in this stage.").waitFor();
    });

    test("a shadow and a canary are begun on the page of models; what is refused is said where it was asked", async () => {
      const { view: gateway, actions } = running;
      const page = await open(view, "#/models");
      await page.getByRole("button", { name: "Try another version" }).click();
      await page.getByText("There is no version to try: import a package").waitFor();
      gateway.storedModels = ["1.3.0", "1.2.0"].map((version) => ({ name: "pump-health", version }));
      await page.getByRole("button", { name: "Try another version" }).click();
      const dialog = page.getByRole("dialog", { name: "Try another version" });
      assert.equal(await dialog.getByLabel("On this device").isVisible(), false);
      await dialog.getByText("It runs on the same data as the live version").waitFor();
      await dialog.getByRole("button", { name: "Begin" }).click();
      await page.getByText("Done; the models follow within some seconds.").waitFor();
      await page.getByRole("button", { name: "Try another version" }).click();
      await dialog.getByLabel("Version").selectOption("pump-health 1.2.0");
      await dialog.getByLabel("Kind of trial").selectOption({ index: 1 });
      await dialog.getByLabel("On this device").fill("pump-77");
      await dialog.getByLabel("Why").fill("new bearing");
      await dialog.getByRole("button", { name: "Begin" }).click();
      await dialog.locator("input:invalid").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(await contrastFaults(page), []);
      gateway.storedModels = [];
      await dialog.getByLabel("On this device").fill("acme/berlin/utilities");
      await dialog.getByRole("button", { name: "Begin" }).click();
      await dialog.getByRole("alert").getByText("Not begun: no pump-health here").waitFor();
      gateway.storedModels = [{ name: "pump-health", version: "1.2.0" }];
      await page.keyboard.press("Enter");
      await dialog.waitFor({ state: "detached" });
      assert.deepEqual(
        actions.modelActions.map(({ action }) => action),
        [
          { kind: "shadow", name: "pump-health", version: "1.3.0", reason: "" },
          {
            kind: "canary",
            name: "pump-health",
            version: "1.2.0",
            devices: [],
            paths: ["acme/berlin/utilities"],
            reason: "new bearing",
          },
        ],
      );
      assert.deepEqual(
        watched.complaints.filter((complaint) => !complaint.includes("409")),
        [],
      );
    });

    test("predictions say what is expected, how surely and why, on the page of models and of the device", async () => {
      const time = (minutesAgo: number): string =>
        new Date(Date.now() - minutesAgo * 60_000).toISOString().replace("Z", "000Z");
      const [device] = running.view.deviceViews.map(({ id }) => id);
      const prediction: PredictionRecord = {
        kind: "prediction",
        id: "00112233445566778899",
        device: device!,
        path: "acme/berlin",
        time: time(3),
        model: "bearing-life",
        version: "2.0.0",
        output: "quantity",
        name: "remaining",
        value: 17.25,
        unit: "h",
        interval: { coverage: 0.9, low: 9.5, high: 24 },
        trend: [60, 30, 12].map((minutesAgo) => ({ time: time(minutesAgo), value: minutesAgo + 15 })),
        base: 80,
        contributions: [
          { metric: "vibration", value: 4.8, effect: -40.5 },
          { metric: "age", effect: -22.25 },
        ],
      };
      const { interval: _interval, ...bare } = prediction;
      const chance = { ...bare, model: "fails-soon", output: "probability", name: "failure", unit: "1" } as const;
      running.view.predictionViews = [prediction, { ...chance, value: 0.0712, device: "gone", trend: [] }];
      const page = await open(view);
      await page.goto(`${running.server.url}/#/models`);
      const panel = page.getByRole("region", { name: "Predictions" });
      await panel.getByText("17.25 h").waitFor();
      await panel.getByText("9.5 to 24 in 90 of 100 cases").waitFor();
      const told =
        "3 min ago · was 75 h 60 min ago · mostly vibration 4.8 (−40.5 h), age (−22.25 h) · bearing-life 2.0.0";
      await panel.getByText(told).waitFor();
      await panel.getByText("7 %").waitFor();
      assert.equal(await panel.locator("svg.spark path").count(), 1);
      assert.equal(await overflow(page), 0);
      await panel.getByRole("link", { name: device! }).click();
      await page.getByRole("region", { name: "Predictions" }).getByText("17.25 h").waitFor();
      assert.equal(await page.getByText("fails-soon").count(), 0);
      assert.equal(await overflow(page), 0);
      running.view.predictionViews = [];
    });

    test("ledger and buffer say what was lost and why, and until when each lane lasts", async () => {
      const since = new Date(Date.now() - 3_600_000).toISOString().replace("Z", "000Z");
      running.view.lossesView = {
        reasons: [{ reason: "quota", records: 12_000 }],
        latest: [
          {
            id: 1,
            reason: "quota",
            stream: "observations",
            device: "",
            records: 12_000,
            from: since,
            to: since,
            since,
            until: since,
          },
        ],
      };
      running.view.totalsView = { ...running.view.totalsView, ledgered: 12_000 };
      const lanes = running.view.bufferView.lanes.map((lane) =>
        lane.lane === "telemetry" ? { ...lane, bytesPerSecond: 1_000, fullInSeconds: 3 * 86_400 } : lane,
      );
      running.view.bufferView = bufferView({ lanes });
      const page = await open(view);
      await page.getByRole("link", { name: "12,000 records will never arrive" }).click();
      await page
        .getByText("The buffer was full, so the oldest unsent records made room for new ones.")
        .first()
        .waitFor();
      await page.getByText("12,000 records since this journal was made").waitFor();
      assert.equal(await overflow(page), 0);
      await page.getByRole("link", { name: "Buffer", exact: true }).click();
      const lane = page.getByRole("region", { name: "Measurements" });
      await lane.getByText("about 3 days").waitFor();
      assert.equal(await overflow(page), 0);
      assert.deepEqual(watched.complaints, []);
    });

    test("hostile names are shown as text, run nothing and break nothing", async () => {
      const { view: fake } = running;
      fake.deviceViews = hostileNames.map((name) =>
        pumpDevice(name, { path: name, profile: name, source: name, metrics: [metric(name, name, name, name)] }),
      );
      fake.alertViews = fake.deviceViews.map((device) =>
        alert(device, {
          metric: device.id,
          explanation: device.id,
          consequence: device.id,
          action: device.id,
          episode: device.id,
        }),
      );
      fake.messages = hostileNames.map((name, at) =>
        quarantined(at + 1, name, { address: name, source: name, detail: name, reason: name }),
      );
      const shares = hostileNames.slice(0, 4).map((name) => ({ metric: name, share: 0.25 }));
      const devices = hostileNames.map((device) => ({ device, newest: 0.5, isOpen: true }));
      fake.modelViews = [modelView()];
      fake.scoreViews.set(
        "pump live ",
        modelScores(hostileNames[0]!, { devices, explained: Array.from({ length: 96 }, () => ({ score: 1, shares })) }),
      );
      fake.connectionViews = hostileNames.map((name) => connection(name, "mqtt", "waiting", name, name));
      fake.gatewayView = { ...fake.gatewayView, notices: hostileNames };
      const page = await open(view);
      for (const name of hostileNames) {
        await page.goto(`${running.server.url}/#/device/${encodeURIComponent(name)}`);
        await page.getByRole("navigation", { name: "Path" }).waitFor();
        assert.equal(await page.locator("h1").textContent(), name);
      }
      const line = `line/${encodeURIComponent(hostileNames[0]!)}`;
      for (const hash of ["alerts", "quarantine", "quarantine/1", line, "models", "models/pump/live"]) {
        await page.goto(`${running.server.url}/#/${hash}`);
        await page.getByRole("heading", { level: 1 }).waitFor();
        if (hash === "models/pump/live") await page.getByText("among the highest").waitFor();
        assert.equal(await overflow(page), 0, hash);
      }
      assert.equal(await page.evaluate("globalThis.pwned"), undefined);
      assert.equal(await page.locator("main :is(script, img, iframe, style, object)").count(), 0);
      assert.deepEqual(watched.complaints, [], "no error, and nothing that the policy had to stop");
    });
  });
}

test("an alert is acknowledged, by keyboard too", async () => {
  makeAbnormal();
  const page = await open(wide, "#/alerts");
  await page.getByRole("button", { name: "Acknowledge flow of pump-2" }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Acknowledge flow of pump-2" }).waitFor({ state: "detached" });
  assert.equal(running.view.alertViews[0]!.state, "acknowledged");
});

for (const view of [narrow, wide]) {
  test(`at ${view.width} pixels an alert is shelved after a question, hides, and comes back`, async () => {
    makeAbnormal();
    const page = await open(view, "#/alerts");
    await page.getByRole("button", { name: "Shelve flow of pump-2" }).click();
    const dialog = page.getByRole("dialog", { name: "Shelve alerts of pump-2" });
    await dialog.waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await contrastFaults(page), []);
    await page.keyboard.press("Enter");
    assert.equal(running.actions.alertActions.length, 0, "a reason is needed");
    await dialog.getByLabel("For how long").selectOption("1 day");
    await dialog.getByLabel("Why").fill("bearing is ordered");
    await page.keyboard.press("Enter");
    const away = page.getByRole("region", { name: "Shelved and out of service" });
    await away.getByText("Shelved since").first().waitFor();
    assert.deepEqual(running.actions.alertActions[0]!.action, {
      kind: "shelve",
      device: "pump-2",
      metric: "flow",
      seconds: 86_400,
      reason: "bearing is ordered",
    });
    assert.match((await away.innerText()).replaceAll(/\s+/g, " "), /by the operator: bearing is ordered/);
    assert.equal(await page.getByRole("region", { name: "Open" }).getByText("pump-2").count(), 0);
    assert.equal(await page.locator(".mark-critical.mark-filled").count(), 0, "nothing flashes");
    assert.equal(await overflow(page), 0);
    await page.goto(`${running.server.url}/#/`);
    await page.getByRole("heading", { name: "Gateway gw-berlin-1" }).waitFor();
    assert.equal(await page.locator(".priority-critical").count(), 0, "it is not on the first screen");
    await page.goto(`${running.server.url}/#/alerts`);
    await page.getByRole("button", { name: "Unshelve: flow of pump-2" }).click();
    await page.getByRole("region", { name: "Open" }).getByText("pump-2").waitFor();
    assert.deepEqual(running.view.suppressionViews, []);
    assert.deepEqual(watched.complaints, []);
  });

  test(`at ${view.width} pixels a device is taken out of service and back on its own page`, async () => {
    makeAbnormal();
    const page = await open(view, "#/device/pump-2");
    await page.getByRole("button", { name: "Take out of service …", exact: true }).click();
    const dialog = page.getByRole("dialog", { name: "Take out of service: pump-2" });
    await dialog.getByLabel("Why").fill("overhaul");
    await dialog.getByRole("button", { name: "Take out of service" }).click();
    await page.getByText("by the operator: overhaul").first().waitFor();
    assert.equal(await overflow(page), 0);
    await page.getByRole("button", { name: "Back in service: all metrics of pump-2" }).click();
    await page.getByText("by the operator: overhaul").first().waitFor({ state: "detached" });
    assert.deepEqual(
      running.actions.alertActions.map(({ action }) => action.kind),
      ["out-of-service", "in-service"],
    );
    await page.getByRole("button", { name: "Take out of service …", exact: true }).click();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.equal(running.actions.alertActions.length, 2, "Escape is no");
  });
}

for (const view of [narrow, wide]) {
  test(`at ${view.width} pixels an alert shows its readings and scores before and after`, async () => {
    makeAbnormal();
    const page = await open(view, "#/alerts");
    await page
      .getByRole("region", { name: "Open" })
      .getByRole("link", { name: "Readings before and after" })
      .first()
      .click();
    await page.getByRole("heading", { name: "Alert: flow of pump-2" }).waitFor();
    await page.getByText("749 readings from the buffer.").waitFor();
    await until("both charts are drawn", async () => (await page.locator(".uplot canvas").count()) === 2);
    await page.getByText("Band: below 0.7, where the model alerts from.").waitFor();
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await contrastFaults(page), []);
    await page.getByRole("button", { name: "Acknowledge flow of pump-2" }).click();
    await page.getByText("Acknowledged, since").waitFor();
    assert.deepEqual(watched.complaints, []);
  });
}

for (const view of [narrow, wide]) {
  test(`at ${view.width} pixels somebody says what an alert was, and the count of its model is shown`, async () => {
    makeAbnormal();
    const page = await open(view, "#/alerts");
    await page.getByRole("button", { name: "Feedback on flow of pump-2" }).click();
    const dialog = page.getByRole("dialog", { name: "What was it? flow of pump-2" });
    await dialog.getByLabel("Verdict").selectOption("False alarm");
    await dialog.getByLabel("Note").fill("sensor was cleaned");
    assert.equal(await overflow(page), 0);
    assert.deepEqual(await contrastFaults(page), []);
    await page.keyboard.press("Enter");
    await page.getByText(/False alarm, said the operator .*: sensor was cleaned/).waitFor();
    const { action } = running.actions.alertActions[0]!;
    assert.deepEqual(action, {
      kind: "feedback",
      episode: "pump-2-1",
      verdict: "false-alarm",
      note: "sensor was cleaned",
    });
    const counts = page.getByRole("region", { name: "What alerts turned out to be" });
    assert.match(
      (await counts.innerText()).replaceAll(/\s+/g, " "),
      /context-surprise True alarm 0 · False alarm 1 · Maintenance done 0/,
    );
    assert.equal(await overflow(page), 0);
    assert.deepEqual(watched.complaints, []);
  });
}

test("the page of alerts says how much they ask of a person, and which sources are the worst", async () => {
  makeAbnormal();
  running.view.alertViews = Array.from({ length: 12 }, (_, i) =>
    alert(pumpDevice(i < 4 ? "pump-1" : `pump-${i}`), { episode: String(i), metric: "flow" }, "returned"),
  );
  const page = await open(narrow, "#/alerts");
  const panel = page.getByRole("region", { name: "How much the alerts ask of you" });
  await panel.getByText("More than ten in an hour").waitFor();
  const text = (await panel.innerText()).replaceAll(/\s+/g, " ");
  assert.match(text, /Raised in 10 minutes 12 Raised in an hour 12/);
  assert.match(
    text,
    /Chattering sources 1 Most frequent in a day pump-1 flow: 4 alerts, three or more within 10 minutes/,
  );
  assert.equal(await overflow(page), 0);
  assert.deepEqual(await contrastFaults(page), []);
});

test("an alert whose readings are gone, or only partly there, says so; an unknown one leads back", async () => {
  makeAbnormal();
  running.view.windowChanges = {
    kept: "none",
    note: "The buffer has no reading of that time any more.",
    readings: 0,
    timesMicros: [],
    values: [[]],
    scores: [],
  };
  const page = await open(narrow, "#/alert/pump-2-1");
  await page.getByText("The buffer has no reading of that time any more.").waitFor();
  assert.equal(await page.locator(".uplot").count(), 0);
  running.view.windowChanges = { kept: "part", note: "The buffer begins at 09:00." };
  await page.goto(`${running.server.url}/#/alert/2`);
  await page.getByText("The buffer begins at 09:00.").waitFor();
  await page.goto(`${running.server.url}/#/alert/ghost`);
  await page.getByText("The gateway keeps the newest 200 alerts.").waitFor();
  assert.equal(await overflow(page), 0);
});

test("a viewer sees everything and is told what the token cannot do", async () => {
  makeAbnormal();
  watched = await openPage(browser, narrow);
  const { page } = watched;
  await page.goto(`${running.server.url}/`);
  await page.getByLabel("Access token").fill(running.viewerToken);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Gateway gw-berlin-1" }).waitFor();
  for (const hash of ["#/quarantine", "#/quarantine/3"]) {
    await page.goto(`${running.server.url}/${hash}`);
    await page.getByText("Your token may look and not act").waitFor();
    assert.equal(await page.getByRole("button", { name: /Retry|Delete/ }).count(), 0);
  }
  await page.goto(`${running.server.url}/#/alerts`);
  await page.getByText("Unacknowledged, since").first().waitFor();
  assert.equal(await page.getByRole("button", { name: /Acknowledge|Shelve|service|Feedback/ }).count(), 0);
  await page.goto(`${running.server.url}/#/device/pump-2`);
  await page.getByRole("heading", { name: "pump-2", level: 1 }).waitFor();
  assert.equal(await page.getByRole("button", { name: /Acknowledge|Shelve|service/ }).count(), 0);
});

test("updates arrive by themselves, and neither focus nor an opened explanation is lost", async () => {
  makeAbnormal();
  const page = await open(wide);
  await page.getByText("Why this alert").first().click();
  const link = page.getByRole("link", { name: "pump-4" }).last();
  await link.focus();
  running.view.deviceViews = running.view.deviceViews.map((device) =>
    device.id === "pump-1" ? { ...device, metrics: [metric("flow", "Flow", "m3/h", 47.11)] } : device,
  );
  running.view.changed();
  await page.getByText("47.11").waitFor();
  assert.equal((await focused(page)).text, "pump-4");
  await page.getByText("Model context-surprise, version 1: score 8.4").first().waitFor();
});

test("ages run on between updates, and a value turns stale by itself", async () => {
  running.view.deviceViews = [
    pumpDevice("pump-1", { metrics: [metric("flow", "Flow", "m3/h", 41, { ageMs: 1000, staleAfterMs: 2500 })] }),
  ];
  const page = await open(wide, "#/device/pump-1");
  await page.getByText("Stale: last value").waitFor();
  assert.equal(await styleOf(page, ".metric.silent", "border-top-style"), "dashed");
});

test("a lost connection is said at once, with what to do; the page catches up by itself", async () => {
  const page = await open(narrow);
  await watched.context.setOffline(true);
  await running.server[Symbol.asyncDispose]();
  await page.getByText("The connection to the gateway is lost.").waitFor();
  await page.getByText("check that the gateway runs").waitFor();
  assert.equal(await page.getByRole("status").first().isVisible(), true);
  assert.ok(await page.getByText("All data is delivered").isVisible(), "the last known state stays in view");
});

test("a gateway that was restarted asks to sign in again", async () => {
  const page = await open(narrow);
  const { port } = new URL(running.server.url);
  await running[Symbol.asyncDispose]();
  running = await runConsole({ listen: { host: "127.0.0.1", port: Number(port) } });
  await page.getByText("Your session has ended").waitFor();
});

test("a page beyond the limit of streams asks every few seconds instead", async () => {
  await running[Symbol.asyncDispose]();
  running = await runConsole({ streamsMax: 1 });
  const taken = await running.fetch("/api/v1/stream?of=overview");
  const page = await open(wide);
  await page.getByText("Every 5 s").waitFor();
  await taken.body?.cancel();
  await page.getByText("Live", { exact: true }).waitFor();
});

test("everything is reached by keyboard, with a visible focus, and named for screen readers", async () => {
  makeAbnormal();
  const page = await open(wide);
  await page.evaluate("document.activeElement.blur()");
  const reached = new Set<string>();
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press("Tab");
    const focus = await focused(page);
    if (focus.text === "" || reached.has(focus.text)) continue;
    assert.equal(focus.outline, "solid", `focus on ${focus.text} can be seen`);
    reached.add(focus.text);
  }
  for (const wanted of [
    "To the content",
    "Overview",
    "Alerts",
    "Quarantine",
    "Sign out",
    "3 messages quarantined",
    "pump-2",
    "utilities/pumps",
    "Why this alert",
    "By kind of record, with forecast",
    "Buffer",
    "Ledger",
  ]) {
    assert.ok(reached.has(wanted), `${wanted} is reached; these are: ${[...reached].join(", ")}`);
  }
  const tree = await page.locator("body").ariaSnapshot();
  for (const part of [
    /banner/,
    /main/,
    /navigation "Views"/,
    /navigation "Path"/,
    /heading "Gateway gw-berlin-1" \[level=1\]/,
    /region "Alerts"/,
    /region "Connections"/,
  ])
    assert.match(tree, part);
  assert.doesNotMatch(tree, /- (link|button|textbox)(?! ")(:|$)/m, "no control without a name");
});

for (const colorScheme of ["light", "dark"] as const) {
  test(`text has enough contrast in ${colorScheme} mode`, async () => {
    makeAbnormal();
    const page = await open({ ...wide, colorScheme });
    for (const hash of [
      "#/",
      "#/device/pump-2",
      "#/quarantine",
      "#/quarantine/3",
      "#/alerts",
      "#/buffer",
      "#/ledger",
      "#/models",
    ]) {
      await page.goto(`${running.server.url}/${hash}`);
      await page.getByRole("navigation", { name: "Path" }).waitFor();
      assert.deepEqual(await contrastFaults(page), [], hash);
    }
  });
}

test("text can be twice as large without a sideways scroll or a cut word", async () => {
  makeAbnormal();
  const page = await open(wide);
  await page.evaluate("document.documentElement.style.fontSize = '32px'");
  for (const hash of ["#/", "#/device/pump-2", "#/quarantine/1"]) {
    await page.goto(`${running.server.url}/${hash}`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    assert.equal(await overflow(page), 0, hash);
  }
});

test("a gateway without devices tells the next step", async () => {
  running.view.deviceViews = [];
  const page = await open(narrow);
  await page.getByText("No device has sent anything yet.").waitFor();
  await page.getByText("Check the connections on this page.").waitFor();
});

test("an unknown device or view says so and leads back", async () => {
  const page = await open(narrow, "#/device/ghost");
  await page.getByText("No device of this name").waitFor();
  await page.goto(`${running.server.url}/#/nowhere`);
  await page.getByRole("heading", { name: "There is no such view" }).waitFor();
  await page.getByRole("link", { name: "To the overview" }).click();
  await page.getByRole("heading", { name: "Gateway gw-berlin-1" }).waitFor();
});

test("the first view takes less than 100 kB, and all of it comes from the gateway", async () => {
  await open(wide);
  await until("bytes were counted", () => watched.bytes.size > 5);
  const total = [...watched.bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(total < 100_000, `${total} bytes`);
  for (const address of watched.bytes.keys()) assert.ok(address.startsWith(running.server.url), address);
});
