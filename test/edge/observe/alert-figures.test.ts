// Goal: the figures say how much the alerts ask of a person. Method: boards whose answer is known, as a table.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AlertFigures, AlertView } from "../../../edge/console/view.ts";
import { alertFigures } from "../../../edge/observe/alert-figures.ts";
import { alert, pumpDevice } from "../../support/fake-console-view.ts";

const now = Date.UTC(2026, 10, 21, 9) * 1_000;
const minute = 60e6;

/** Raised so many minutes ago; over since, unless it is to stand. */
function raised(minutesAgo: number, changes: Partial<AlertView> = {}, device = "pump-1", metric = "flow"): AlertView {
  const raisedMicros = now - minutesAgo * minute;
  const view = alert(pumpDevice(device), { metric, episode: `${device}-${minutesAgo}` });
  return { ...view, raisedMicros, clearedMicros: raisedMicros + minute, ...changes };
}

const away = {
  suppression: {
    kind: "shelved",
    device: "pump-1",
    metric: undefined,
    reason: "",
    by: "operator",
    sinceMicros: 0,
    untilMicros: 1,
  },
} as const;

const rows: readonly (readonly [string, readonly AlertView[], Partial<AlertFigures>])[] = [
  [
    "an empty board",
    [],
    { lastTenMinutes: 0, lastHour: 0, lastDay: 0, busiestTenMinutes: 0, standing: 0, isBounded: false },
  ],
  [
    "alerts count in the stretches in which they were raised",
    [raised(1), raised(9), raised(11), raised(59), raised(61), raised(1_439), raised(1_441)],
    { lastTenMinutes: 2, lastHour: 4, lastDay: 6 },
  ],
  [
    "the busiest ten minutes may be any",
    [raised(100), raised(104), raised(109), raised(111), raised(1)],
    { busiestTenMinutes: 3, lastTenMinutes: 1 },
  ],
  ["what is put away does not count", [raised(1, away), raised(2)], { lastTenMinutes: 1, lastDay: 1 }],
  [
    "an alert that is open for longer than a shift stands",
    [raised(481, { clearedMicros: undefined }), raised(479, { clearedMicros: undefined }), raised(600)],
    { standing: 1 },
  ],
  [
    "a source that is raised three times in ten minutes chatters, two sources together do not",
    [
      raised(1),
      raised(4),
      raised(8),
      raised(2, {}, "pump-2"),
      raised(3, {}, "pump-2", "pressure"),
      raised(5, {}, "pump-2"),
    ],
    { chattering: [{ device: "pump-1", metric: "flow", alerts: 3 }] },
  ],
  [
    "the worst sources stand first",
    [raised(300, {}, "pump-2"), raised(200), raised(100)],
    {
      worst: [
        { device: "pump-1", metric: "flow", alerts: 2 },
        { device: "pump-2", metric: "flow", alerts: 1 },
      ],
    },
  ],
];
for (const [name, board, expected] of rows) {
  test(name, () => {
    const figures = alertFigures(board, now, 200);
    assert.deepEqual(
      Object.fromEntries(Object.keys(expected).map((key) => [key, figures[key as keyof AlertFigures]])),
      expected,
    );
  });
}

test("at most ten sources are named; a board that is full within a day says that there were more", () => {
  const many = Array.from({ length: 200 }, (_, i) => raised(i, {}, `d${i % 40}`));
  const figures = alertFigures(many, now, 200);
  assert.deepEqual([figures.worst.length, figures.isBounded], [10, true]);
  assert.equal(alertFigures([...many.slice(1), raised(2_000)], now, 200).isBounded, false);
});
