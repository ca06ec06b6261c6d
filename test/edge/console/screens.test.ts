import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { previewOf } from "../../../edge/console/preview.ts";
import { alertsScreen, deviceScreen, lineScreen, modelsScreen, overviewScreen } from "../../../edge/console/screens.ts";
import { alert, FakeConsoleView, metric, modelScores, modelView, pumpDevice } from "../../support/fake-console-view.ts";
import { hostileNames } from "../../support/hostile-names.ts";
import { runConsole } from "../../support/console.ts";

const stale = { ageMs: 120_000, staleAfterMs: 30_000 };

test("a model's scores are asked for by name, stage and device; its own alerts of the device are marked", async () => {
  await using running = await runConsole();
  const { view } = running;
  const get = async (path: string): Promise<unknown> => {
    const answer = await running.fetch(`/api/v1/models/${path}`);
    return answer.ok ? answer.json() : answer.status;
  };
  view.modelViews = [modelView(), modelView({ stage: "shadow", version: "1.1.0" })];
  view.scoreViews.set("pump live pump-1", modelScores("pump-1"));
  view.scoreViews.set("pump live pump-2", modelScores("pump-2"));
  view.scoreViews.set("pump shadow pump-1", modelScores("pump-1"));
  view.alertViews = [
    alert(pumpDevice("pump-1"), { model: "pump" }),
    alert(pumpDevice("pump-1"), { model: "guards", episode: "2" }),
    alert(pumpDevice("pump-2"), { model: "pump", episode: "3" }),
  ];
  const raisedMs = [view.alertViews[0]!.raisedMicros / 1000];
  const { predicts: _predicts, ...scores } = modelScores("pump-1");
  assert.deepEqual(await get("pump/live/scores"), { ...scores, raisedMs });
  assert.deepEqual(await get("pump/live/scores?device=pump-1"), { ...scores, raisedMs });
  assert.deepEqual(await get("pump/shadow/scores?device=pump-1"), { ...scores, raisedMs: [] });
  for (const path of ["pump/live/scores?device=pump-9", "press/live/scores", "pump/canary/scores", "pump/canary"]) {
    assert.equal(await get(path), 404, path);
  }
  const { model } = (await get("pump/shadow")) as { model: { version: string } };
  assert.equal(model.version, "1.1.0");
  const { models } = modelsScreen(view);
  assert.deepEqual(
    models.map(({ worst }) => [worst?.device, worst?.newest, worst?.spark.length]),
    [
      ["pump-1", 0.8125, 96],
      ["pump-1", 0.8125, 96],
    ],
  );
});

describe("the overview", () => {
  test("puts devices with alerts first, the most urgent on top, then silent ones, then the rest by name", () => {
    const view = new FakeConsoleView();
    const silent = pumpDevice("pump-9", { metrics: [metric("flow", "Flow", "m3/h", 0, stale)] });
    const [low, critical] = [pumpDevice("pump-12"), pumpDevice("pump-11")];
    view.deviceViews = [pumpDevice("pump-10"), pumpDevice("pump-2"), silent, low, critical];
    view.alertViews = [
      alert(low, { priority: "low" }),
      alert(critical, { priority: "critical" }),
      alert(low, { priority: "medium" }),
    ];
    const [line] = overviewScreen(view).lines;
    assert.deepEqual(
      line?.devices.map(({ id, alert, silent }) => [id, alert, silent]),
      [
        ["pump-11", "critical", false],
        ["pump-12", "medium", false],
        ["pump-9", undefined, true],
        ["pump-2", undefined, false],
        ["pump-10", undefined, false],
      ],
    );
    assert.deepEqual([line?.alertCount, line?.silentCount], [3, 1]);
  });

  test("counts as open what is abnormal or was never acknowledged, and shows the five most urgent", () => {
    const view = new FakeConsoleView();
    const pump = pumpDevice("pump-1");
    view.alertViews = [
      ...Array.from({ length: 6 }, (_, i) => alert(pump, { priority: "low", episode: `low ${i}` })),
      alert(pump, { priority: "critical", episode: "back to normal, nobody saw it" }, "returned-unacknowledged"),
      alert(pump, { priority: "critical", episode: "done with" }, "returned"),
    ];
    const { alerts } = overviewScreen(view);
    assert.deepEqual([alerts.open, alerts.lastHour, alerts.first.length], [7, 8, 5]);
    assert.equal(alerts.first[0]?.record.episode, "back to normal, nobody saw it");
  });

  test("stays below 150 kB with 1,000 devices of ten metrics on 100 lines", () => {
    const view = new FakeConsoleView();
    const metrics = Array.from({ length: 10 }, (_, i) => metric(`metric-${i}`, `Metric ${i}`, "Cel", 12.345678));
    view.deviceViews = Array.from({ length: 1000 }, (_, i) =>
      pumpDevice(`pump-${i}`, { path: `acme/berlin/hall/line-${i % 100}`, metrics }),
    );
    view.alertViews = view.deviceViews.map((device) => alert(device));
    const text = JSON.stringify(overviewScreen(view));
    assert.ok(text.length < 150_000, `${text.length} characters`);
  });

  test("shows the metric that an alert is about, before the first ones of the profile", () => {
    const view = new FakeConsoleView();
    const metrics = Array.from({ length: 10 }, (_, i) => metric(`metric-${i}`, `Metric ${i}`, "Cel", 1));
    view.deviceViews = [pumpDevice("pump-1", { metrics })];
    view.alertViews = [alert(view.deviceViews[0]!, { metric: "metric-7" })];
    const card = overviewScreen(view).lines[0]?.devices[0];
    assert.deepEqual(
      card?.metrics.map(({ name }) => name),
      ["metric-7", "metric-0", "metric-1"],
    );
  });

  test("of a gateway without devices is a screen too", () => {
    const view = new FakeConsoleView();
    view.deviceViews = [];
    assert.deepEqual(overviewScreen(view).lines, []);
  });
});

test("a line shows its own devices, at most 200, and finds them by a part of the name", () => {
  const view = new FakeConsoleView();
  view.deviceViews = Array.from({ length: 500 }, (_, i) => pumpDevice(`Pump-${i}`)).concat(
    pumpDevice("other", { path: "acme/berlin/x" }),
  );
  const all = lineScreen(view, "acme/berlin/utilities/pumps", "");
  assert.deepEqual([all.deviceCount, all.devices.length], [500, 200]);
  assert.deepEqual(
    lineScreen(view, "acme/berlin/utilities/pumps", "PUMP-49")
      .devices.map(({ id }) => id)
      .slice(0, 3),
    ["Pump-49", "Pump-490", "Pump-491"],
  );
});

test("a device shows all its metrics and its own alerts; an unknown one is no screen", () => {
  const view = new FakeConsoleView();
  view.alertViews = view.deviceViews.map((device) => alert(device));
  const screen = deviceScreen(view, "press-17");
  assert.equal(screen?.device.metrics.length, 4);
  assert.deepEqual(
    screen?.alerts.map(({ record }) => record.device),
    ["press-17"],
  );
  assert.equal(deviceScreen(view, "toString"), undefined);
});

test("alerts are bounded, open ones first", () => {
  const view = new FakeConsoleView();
  const pump = pumpDevice("pump-1");
  view.alertViews = [
    ...Array.from({ length: 300 }, () => alert(pump, {}, "returned")),
    alert(pump, { priority: "low" }),
  ];
  const { alerts } = alertsScreen(view);
  assert.deepEqual([alerts.length, alerts[0]?.state], [200, "unacknowledged"]);
});

describe("the preview of a quarantined message", () => {
  const rows: [string, string | Uint8Array, "text" | "hex", RegExp][] = [
    ["text as text", '{"t": 1', "text", /^\{"t": 1$/],
    ["markup as text", "<img src=x onerror=alert(1)>", "text", /^<img src=x onerror=alert\(1\)>$/],
    [
      "hidden and reordering characters as escapes",
      "a\u202Eb\u200Bc\u0000defghijklmnopq",
      "text",
      /^a\\u\{202e\}b\\u\{200b\}c\\u\{0\}d/,
    ],
    ["bytes that are no text as a dump", Uint8Array.of(0xff, 0x00, 0x41), "hex", /^000000 {2}ff 00 41 +\.\.A$/],
    ["mostly control characters as a dump", Uint8Array.of(1, 2, 3, 4, 65), "hex", /^000000/],
    ["nothing as nothing", "", "text", /^$/],
  ];
  for (const [name, body, form, expected] of rows) {
    test(name, () => {
      const preview = previewOf(typeof body === "string" ? Buffer.from(body) : body);
      assert.equal(preview.form, form);
      assert.match(preview.text, expected);
    });
  }

  test("is cut after 4 KiB, also in the middle of a character", () => {
    const preview = previewOf(Buffer.from(`a${"ä".repeat(10_000)}`));
    assert.deepEqual([preview.form, preview.bytesShown], ["text", 4096]);
  });
});

test("hostile names travel as JSON data and come back unchanged", async () => {
  await using running = await runConsole();
  running.view.deviceViews = hostileNames.map((name) => pumpDevice(name, { path: name, profile: name }));
  for (const name of hostileNames) {
    const answer = await running.fetch(`/api/v1/devices/${encodeURIComponent(name)}`);
    assert.equal(answer.headers.get("content-type"), "application/json; charset=utf-8");
    const screen = (await answer.json()) as { device: { id: string; path: string } };
    assert.deepEqual([screen.device.id, screen.device.path], [name, name]);
  }
});
