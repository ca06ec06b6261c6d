// Goal: what people do about alerts is in audit and alerts stream, and in force, together or not at all.
// Method: a journal in miniature with groups that become durable when the test says so, or have no room.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { AlertAction, AlertOutcome } from "../../../edge/console/view.ts";
import { AlertDesk } from "../../../edge/observe/alert-desk.ts";
import { AlertBoard } from "../../../edge/observe/alerts.ts";
import { FeedbackCounts } from "../../../edge/observe/feedback-counts.ts";
import { MaintenanceTimes } from "../../../edge/observe/maintenance.ts";
import { Suppressions } from "../../../edge/observe/suppressions.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { Actor, AlertChangeRecord, AlertRecord, AlertVerdict, AuditRecord } from "../../../src/wire/records.ts";

const by: Actor = { role: "operator", from: "10.0.0.7" };
const now = "2026-11-21T09:00:00.000000Z";

let clock: ManualClock;
let suppressions: Suppressions;
let board: AlertBoard;
let feedback: FeedbackCounts;
let maintenance: MaintenanceTimes;
let desk: AlertDesk;
let changes: AlertChangeRecord[];
let audit: AuditRecord[];
let saves: number;
let hasRoom: boolean;
let waiting: ((outcome: "stored" | "abandoned") => void)[];

beforeEach(() => {
  clock = new ManualClock();
  suppressions = new Suppressions(clock);
  board = new AlertBoard(suppressions);
  feedback = new FeedbackCounts();
  maintenance = new MaintenanceTimes();
  changes = [];
  audit = [];
  saves = 0;
  hasRoom = true;
  waiting = [];
  desk = new AlertDesk({
    gateway: "gw-1",
    clock,
    board,
    suppressions,
    feedback,
    maintenance,
    knows: (device, metric) => device === "pump-1" && metric !== "ghost",
    append: (change, audited) => {
      if (!hasRoom) return false;
      changes.push(change);
      if (audited !== undefined) audit.push(audited);
      return true;
    },
    save: () => saves++,
    whenStored: (settle) => waiting.push(settle),
    changed: () => undefined,
  });
  board.take(
    {
      kind: "raise",
      episode: "e",
      device: "pump-1",
      metric: "vibration",
      model: "guards",
      version: "2",
      time: now,
    } as AlertRecord,
    7,
  );
});

async function settle(outcome: "stored" | "abandoned" = "stored"): Promise<void> {
  for (const each of waiting.splice(0)) each(outcome);
  await new Promise(setImmediate);
}

async function change(action: AlertAction): Promise<AlertOutcome> {
  const outcome = desk.change(action, by);
  await settle();
  return outcome;
}

const shelve = {
  kind: "shelve",
  device: "pump-1",
  metric: "vibration",
  seconds: 3600,
  reason: "bearing is ordered",
} as const;
const release = { kind: "unshelve", device: "pump-1", metric: "vibration" } as const;

test("an alert is acknowledged once, when that is durable", async () => {
  let outcome = "";
  void desk.change({ kind: "acknowledge", episode: "e" }, by).then((done) => (outcome = done));
  await new Promise(setImmediate);
  assert.deepEqual([changes.length, audit.length, saves, outcome], [1, 1, 1, ""], "not before the group is stored");
  await settle();
  assert.equal(outcome, "done");
  assert.deepEqual(board.find("e")!.acknowledged, { micros: clock.nowMicros(), by: "operator" });
  assert.deepEqual(changes[0], {
    kind: "acknowledge",
    device: "pump-1",
    metric: "vibration",
    episode: "e",
    time: now,
    by: "operator",
    reason: "",
  });
  const { who, from, action, target } = audit[0]!;
  assert.deepEqual([who, from, action, target], ["operator", "10.0.0.7", "alert-acknowledge", "e"]);
  assert.equal(await change({ kind: "acknowledge", episode: "e" }), "gone");
  assert.equal(await change({ kind: "acknowledge", episode: "unknown" }), "gone");
  assert.deepEqual([changes.length, audit.length], [1, 1]);
});

test("shelving says until when and why, in both records, and is taken back by a person", async () => {
  assert.equal(await change(shelve), "done");
  assert.equal(board.find("e")!.suppression!.reason, "bearing is ordered");
  assert.deepEqual(changes[0], {
    kind: "shelve",
    device: "pump-1",
    metric: "vibration",
    until: "2026-11-21T10:00:00.000000Z",
    time: now,
    by: "operator",
    reason: "bearing is ordered",
  });
  assert.deepEqual(
    [audit[0]!.action, audit[0]!.target, audit[0]!.detail],
    ["alert-shelve", "pump-1 vibration", "until 2026-11-21T10:00:00.000000Z: bearing is ordered"],
  );
  assert.equal(await change({ ...release, metric: undefined }), "gone", "the device as a whole was not shelved");
  assert.equal(await change(release), "done");
  assert.equal(board.find("e")!.suppression, undefined);
  assert.deepEqual([audit[1]!.action, audit[1]!.detail], ["alert-unshelve", "was shelved: bearing is ordered"]);
});

test("a device is out of service until somebody brings it back; unshelving does not", async () => {
  const out = { kind: "out-of-service", device: "pump-1", metric: undefined, reason: "overhaul" } as const;
  assert.equal(await change(out), "done");
  assert.deepEqual(changes[0], {
    kind: "out-of-service",
    device: "pump-1",
    time: now,
    by: "operator",
    reason: "overhaul",
  });
  assert.equal(await change({ ...release, metric: undefined }), "gone");
  clock.advanceMs(365 * 86_400_000);
  await desk.expire();
  assert.equal(board.find("e")!.suppression!.kind, "out-of-service");
  assert.equal(await change({ kind: "in-service", device: "pump-1", metric: undefined }), "done");
  assert.equal(board.find("e")!.suppression, undefined);
});

test("what is not known here is refused and leaves no trace", async () => {
  assert.equal(await change({ ...shelve, device: "ghost" }), "gone");
  assert.equal(await change({ ...shelve, metric: "ghost" }), "gone");
  assert.deepEqual([changes.length, audit.length, saves, suppressions.all.length], [0, 0, 0, 0]);
});

test("a shelf that is over comes back by itself, which is published as done by the gateway", async () => {
  await change(shelve);
  clock.advanceMs(3_600_000);
  const expiring = desk.expire();
  await desk.expire();
  await settle();
  await expiring;
  assert.equal(board.find("e")!.suppression, undefined);
  assert.deepEqual(changes[1], {
    kind: "unshelve",
    device: "pump-1",
    metric: "vibration",
    time: "2026-11-21T10:00:00.000000Z",
    by: "gateway",
    reason: "the time limit has passed",
  });
  assert.deepEqual([changes.length, audit.length], [2, 1], "once, and no person did it");
});

test("without room nothing happens until the next group, and the decision is made anew", async () => {
  hasRoom = false;
  const first = desk.change({ kind: "acknowledge", episode: "e" }, by);
  const second = desk.change({ kind: "acknowledge", episode: "e" }, by);
  await new Promise(setImmediate);
  assert.deepEqual([board.find("e")!.state, saves], ["unacknowledged", 0]);
  hasRoom = true;
  await settle();
  await settle();
  assert.deepEqual([await first, await second], ["done", "gone"]);
  assert.deepEqual([changes.length, audit.length, saves], [1, 1, 1]);
});

test("an agent that stops says that nothing changed", async () => {
  hasRoom = false;
  const outcome = desk.change(shelve, by);
  await settle("abandoned");
  assert.equal(await outcome, "abandoned");
  assert.equal(suppressions.all.length, 0);
});

test("what an alert was worth is recorded with its model, and counted; said again, it replaces what was said", async () => {
  const judge = (verdict: AlertVerdict, note: string): Promise<AlertOutcome> =>
    change({ kind: "feedback", episode: "e", verdict, note });
  assert.equal(await judge("false-alarm", "nothing to see"), "done");
  assert.equal(await judge("true-alarm", ""), "done");
  assert.deepEqual(board.find("e")!.feedback, {
    verdict: "true-alarm",
    note: "",
    micros: clock.nowMicros(),
    by: "operator",
  });
  assert.deepEqual(feedback.all, [
    { model: "guards", verdicts: { "true-alarm": 1, "false-alarm": 0, "maintenance-done": 0 } },
  ]);
  assert.deepEqual(changes[0], {
    kind: "feedback",
    device: "pump-1",
    metric: "vibration",
    episode: "e",
    verdict: "false-alarm",
    model: "guards",
    version: "2",
    time: now,
    by: "operator",
    reason: "nothing to see",
  });
  assert.deepEqual(
    audit.map(({ action, target, detail }) => [action, target, detail]),
    [
      ["alert-feedback", "e", "false-alarm: nothing to see"],
      ["alert-feedback", "e", "true-alarm"],
    ],
  );
  assert.equal(maintenance.of("pump-1"), undefined);
  assert.equal(await change({ kind: "feedback", episode: "ghost", verdict: "true-alarm", note: "" }), "gone");
});

test("what was said stays with the alert to its end and over a restart, and so do the counts", async () => {
  await change({ kind: "feedback", episode: "e", verdict: "maintenance-done", note: "greased" });
  board.take({ kind: "clear", episode: "e", device: "pump-1", metric: "vibration", time: now } as AlertRecord, 9);
  const again = new AlertBoard(suppressions, board.toText());
  assert.equal(again.find("e")!.feedback!.note, "greased");
  assert.deepEqual(new FeedbackCounts(feedback.toText()).all, feedback.all);
  assert.equal(new MaintenanceTimes(maintenance.toText()).of("pump-1"), clock.nowMicros());
  await change({ kind: "feedback", episode: "e", verdict: "true-alarm", note: "" });
  assert.equal(maintenance.of("pump-1"), clock.nowMicros(), "the machine was repaired, whatever else is said");
});
