// Goal: the window of an alert is what was measured, with its extremes, and says what is missing.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AlertView } from "../../../edge/console/view.ts";
import { AlertWindows, rowsMax, thin, type AlertWindowsParts } from "../../../edge/observe/alert-window.ts";
import type { RawWindow, WindowOfDevice } from "../../../edge/observe/flight-recorder.ts";
import { ScoreTraces } from "../../../edge/observe/score-traces.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { Observation } from "../../../src/observation/observation.ts";
import { alert, pumpDevice } from "../../support/fake-console-view.ts";

const clock = new ManualClock();
const raisedMicros = clock.nowMicros() - 60e6;

function reading(n: number, values: Observation["values"], quality?: Observation["quality"]): Observation {
  const timeMicros = raisedMicros + n * 1e6;
  return {
    device: "pump-1",
    path: "a/b",
    timeMicros,
    receivedMicros: timeMicros,
    clock: "synced",
    timeSource: "device",
    implausibleTime: false,
    values,
    quality,
    exact: undefined,
  };
}

function view(changes: Partial<AlertView> = {}): AlertView {
  return { ...alert(pumpDevice("pump-1"), { metric: "bearing", episode: "e" }), raisedMicros, ...changes };
}

function windows(raw: Partial<RawWindow>, more: Partial<AlertWindowsParts> = {}) {
  const asked: WindowOfDevice[] = [];
  const parts: AlertWindowsParts = {
    clock,
    recorder: {
      read: async (window) => {
        asked.push(window);
        return { observations: [], isBounded: false, keptFromMicros: undefined, ...raw };
      },
    },
    traces: new ScoreTraces(),
    recentScores: () => [],
    specOf: () => undefined,
    ...more,
  };
  return { asked, windows: new AlertWindows(parts) };
}

test("it reaches from ten minutes before the raise to five after the end, at most an hour", async () => {
  const { asked, windows: all } = windows({});
  await all.of(view({ clearedMicros: raisedMicros + 30e6 }));
  await all.of(view());
  await all.of(view({ raisedMicros: raisedMicros - 86_400e6 }));
  assert.deepEqual(
    asked.map(({ commit, fromMicros, toMicros }) => [commit, fromMicros - raisedMicros, toMicros - raisedMicros]),
    [
      [4711, -600e6, 330e6],
      [4711, -600e6, 360e6],
      [4711, -86_400e6 - 600e6, -86_400e6 + 3_600e6],
    ],
  );
});

test("its columns are the alert's metric and those that contributed; what is bad or no number is a gap", async () => {
  const observations = [
    reading(0, { bearing: 60, flow: 40 }),
    reading(1, { bearing: 99 }, { bearing: "bad" }),
    reading(2, { flow: "off" }),
    reading(3, { pressure: 4 }),
  ];
  const window = await windows({ observations }).windows.of(view());
  assert.deepEqual(
    window.metrics.map(({ name }) => name),
    ["bearing", "flow"],
  );
  assert.deepEqual(window.values, [
    [60, null, null],
    [40, null, null],
  ]);
  assert.deepEqual([window.readings, window.kept, window.note], [3, "whole", ""]);
});

const observations = [reading(0, { bearing: 60 })];
const missing: readonly (readonly [string, Partial<RawWindow>, Partial<AlertView>, string, RegExp])[] = [
  ["no reading is left", {}, {}, "none", /has no reading of that time any more/],
  ["the alert is of an earlier version", { observations }, { commit: undefined }, "none", /no reading/],
  ["there is too much", { observations, isBounded: true }, {}, "part", /more readings of that time than one look/],
  [
    "the journal begins later",
    { observations, keptFromMicros: Date.UTC(2026, 10, 21, 8, 55) * 1_000 },
    {},
    "part",
    /begins at 2026-11-21T08:55:00\.000000Z/,
  ],
];
for (const [name, raw, changes, kept, note] of missing) {
  test(`it says so where ${name}`, async () => {
    const window = await windows(raw).windows.of(view(changes));
    assert.equal(window.kept, kept);
    assert.match(window.note, note);
  });
}

test("of too many readings the extremes stay, in their order", () => {
  const rows = Array.from({ length: 50_000 }, (_, n) => reading(n, { bearing: n === 31_313 ? 99 : n % 7, flow: 1 }));
  const chosen = thin(rows, "bearing");
  assert(chosen.length <= rowsMax && chosen.length > rowsMax / 2, String(chosen.length));
  assert(chosen.some(({ values }) => values["bearing"] === 99));
  assert(chosen.every((row, at) => at === 0 || row.timeMicros > chosen[at - 1]!.timeMicros));
  assert.equal(thin(rows.slice(0, rowsMax), "bearing").length, rowsMax);
});

test("scores before the raise are kept, those of an open alert go on", async () => {
  const traces = new ScoreTraces();
  traces.capture("e", [
    { timeMicros: 1, score: 0.12345 },
    { timeMicros: 2, score: 0.9 },
  ]);
  const recentScores: AlertWindowsParts["recentScores"] = (_alert, after) =>
    [2, 3].filter((timeMicros) => timeMicros > after).map((timeMicros) => ({ timeMicros, score: 1 }));
  const { windows: all } = windows({}, { traces, recentScores });
  const times = (window: { scores: readonly { timeMicros: number }[] }): number[] =>
    window.scores.map(({ timeMicros }) => timeMicros);
  assert.deepEqual(times(await all.of(view())), [1, 2, 3]);
  assert.deepEqual(times(await all.of(view({ clearedMicros: raisedMicros }))), [1, 2]);
  assert.equal((await all.of(view())).scores[0]!.score, 0.123);
});

test("a trace keeps the scores before the raise and the newest, and survives a restart", () => {
  const rows = new Map<string, string>();
  const keep = ({ slot, text }: { slot: string; text: string }): void => void rows.set(slot, text);
  const traces = new ScoreTraces();
  const points = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ timeMicros: from + i, score: 0.5 }));
  keep(traces.capture("e", points(1, 64)));
  for (let from = 65; from < 1_000; from += 64) keep(traces.capture("e", points(from, 64)));
  const again = new ScoreTraces([...rows]);
  const kept = again.of("e");
  assert.deepEqual(
    [kept.length, kept[0]!.timeMicros, kept[63]!.timeMicros, kept.at(-1)!.timeMicros],
    [256, 1, 64, 1_024],
  );
  assert.equal(again.lastMicros("e"), 1_024);
  assert.equal(rows.size, 1);
});

test("traces are bounded: the oldest makes room, over restarts too", () => {
  const rows = new Map<string, string>();
  let traces = new ScoreTraces();
  for (let n = 0; n < 450; n++) {
    const { slot, text } = traces.capture(`e${n}`, [{ timeMicros: n, score: 1 }]);
    rows.set(slot, text);
    if (n % 50 === 0) traces = new ScoreTraces([...rows]);
  }
  assert.equal(rows.size, 200);
  const kept = Array.from({ length: 450 }, (_, n) => n).filter((n) => traces.of(`e${n}`).length > 0);
  assert.deepEqual([kept.length, kept[0]], [200, 250]);
});
