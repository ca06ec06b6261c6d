// Goal: the board shows one row per episode, survives a restart, and never loses an open alert to closed ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AlertBoard } from "../../../edge/observe/alerts.ts";
import { Suppressions } from "../../../edge/observe/suppressions.ts";
import { ManualClock } from "../../../src/clock.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { AlertRecord } from "../../../src/wire/records.ts";

const start = Date.UTC(2026, 10, 21, 9) * 1_000;

function alert(episode: string, kind: AlertRecord["kind"], seconds: number): AlertRecord {
  return {
    kind,
    episode,
    device: "pump-1",
    path: "acme/berlin",
    time: formatWireTime(start + seconds * 1e6),
    priority: "high",
    metric: "vibration",
    model: "context-surprise",
    version: "1",
    score: 9,
    threshold: 6,
    explanation: "vibration is high",
    contributions: [],
  };
}

function makeBoard(stored?: string): AlertBoard {
  return new AlertBoard(new Suppressions(new ManualClock()), stored);
}

test("raise, update and clear of an episode are one row, with the time of the raise", () => {
  const board = makeBoard();
  board.take(alert("e", "raise", 1), 1);
  board.take(alert("e", "update", 5), 5);
  assert.deepEqual([board.views.length, board.open], [1, 1]);
  board.take(alert("e", "clear", 9), 7);
  const [view] = board.views;
  assert.equal(view!.state, "returned-unacknowledged");
  assert.deepEqual([view!.raisedMicros, view!.clearedMicros], [start + 1e6, start + 9e6]);
  assert.equal(view!.commit, 1, "where the raise stands, not the end");
  assert.equal(board.open, 0);
});

test("the newest episode stands first", () => {
  const board = makeBoard();
  for (const [index, episode] of ["a", "b", "c"].entries()) board.take(alert(episode, "raise", index), 7);
  assert.deepEqual(
    board.views.map(({ record }) => record.episode),
    ["c", "b", "a"],
  );
});

test("its text makes the same board again", () => {
  const board = makeBoard();
  board.take(alert("a", "raise", 1), 7);
  board.take(alert("b", "raise", 2), 7);
  board.take(alert("b", "clear", 3), 7);
  assert.deepEqual(
    JSON.parse(JSON.stringify(makeBoard(board.toText()).views)),
    JSON.parse(JSON.stringify(board.views)),
  );
});

test("the oldest that is over is forgotten first, an open one only where all are open", () => {
  const board = makeBoard();
  board.take(alert("open", "raise", 0), 7);
  board.take(alert("over", "clear", 1), 7);
  for (let i = 0; i < 199; i++) board.take(alert(`more-${i}`, "raise", 2), 7);
  const kept = (): Set<string> => new Set(board.views.map(({ record }) => record.episode));
  assert.deepEqual([kept().size, kept().has("open"), kept().has("over")], [200, true, false]);
  board.take(alert("last", "raise", 3), 7);
  assert.deepEqual([kept().size, kept().has("open"), kept().has("last")], [200, false, true]);
});

test("who has acknowledged an alert has acknowledged its updates and its end; a restart does not forget it", () => {
  const board = makeBoard();
  board.take(alert("e", "raise", 1), 7);
  assert.equal(board.acknowledge("e", start, "operator"), true);
  assert.equal(board.acknowledge("e", start, "operator"), false, "it was acknowledged before");
  assert.equal(board.acknowledge("unknown", start, "operator"), false);
  board.take(alert("e", "update", 5), 7);
  const again = makeBoard(board.toText());
  assert.equal(again.views[0]!.state, "acknowledged");
  assert.deepEqual(again.views[0]!.acknowledged, { micros: start, by: "operator" });
  again.take(alert("e", "clear", 9), 7);
  assert.equal(again.views[0]!.state, "returned");
  board.take(alert("f", "raise", 10), 7);
  board.take(alert("f", "clear", 11), 7);
  board.acknowledge("f", start, "operator");
  assert.equal(board.views[0]!.state, "returned");
});

test("what a person has put away is marked, and not counted as open", () => {
  const suppressions = new Suppressions(new ManualClock());
  const board = new AlertBoard(suppressions);
  board.take(alert("e", "raise", 1), 7);
  const scope = { kind: "out-of-service", device: "pump-1", metric: undefined } as const;
  suppressions.add({ ...scope, reason: "overhaul", by: "operator", sinceMicros: start, untilMicros: undefined });
  assert.deepEqual([board.find("e")!.suppression?.reason, board.views.length, board.open], ["overhaul", 1, 0]);
  suppressions.remove(scope);
  assert.deepEqual([board.find("e")!.suppression, board.open], [undefined, 1]);
});
