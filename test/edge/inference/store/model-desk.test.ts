// Goal: every change of the models leaves one note of who did what and why, also a change that is refused, and also one
// whose process was killed.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ModelDesk, type ModelChange } from "../../../../edge/inference/store/model-desk.ts";
import type { LiveState } from "../../../../edge/inference/store/model-store.ts";
import type { ModelAction } from "../../../../edge/console/view.ts";
import { ModelNotes } from "../../../../edge/inference/store/model-notes.ts";
import { ManualClock } from "../../../../src/clock.ts";
import { makeSigner, pumpPackage, signed } from "../../../support/model-package.ts";
import { temporaryFolder } from "../../../support/records.ts";

const lab = makeSigner("lab");
const stranger = makeSigner("stranger");
const packageOf = (version: string) => signed(pumpPackage({ version }), lab.privateKey);
const change: ModelChange = { by: { role: "local-user", from: "anna" }, reason: "as agreed" };
const minuteMicros = 60_000_000;

function site(t: TestContext) {
  const folder = temporaryFolder(t);
  const clock = new ManualClock();
  const desk = new ModelDesk(folder, [lab.trusted], clock);
  const notes = new ModelNotes(folder);
  /** Each change a second after the one before, so that their order is known. */
  const inTurn = (work: () => unknown): void => {
    clock.advanceMs(1000);
    work();
  };
  return { folder, clock, desk, notes, inTurn };
}

test("of one name twenty versions are kept, with all that are needed; each removal is a note", (t) => {
  const { folder, desk, notes, clock, inTurn } = site(t);
  const version = (n: number): string => `1.${n}.0`;
  const importTo = (from: number, to: number): void => {
    for (let n = from; n <= to; n++) inTurn(() => desk.import(packageOf(version(n)), change));
  };
  importTo(0, 19);
  for (const n of [0, 1]) inTurn(() => desk.promote("pump", version(n), change));
  inTurn(() => desk.shadow("pump", version(2), change));
  inTurn(() => desk.canary("pump", version(3), { devices: ["pump-01"], paths: [] }, change));
  importTo(20, 22);
  const kept = desk.store.versions("pump");
  assert.deepEqual(kept, [22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 3, 2, 1, 0].map(version));
  const removed = notes.find(clock.nowMicros(), 200).filter(({ note }) => note.action === "model-remove");
  assert.deepEqual(
    removed.map(({ note }) => [note.model.version, note.by.role, note.result]),
    [4, 5, 6].map((n) => [version(n), "gateway", "done"]),
  );
  // Where it is not known what runs, nothing goes.
  writeFileSync(join(folder, "models", "pump", "live.json"), "damaged");
  importTo(23, 24);
  assert.equal(desk.store.versions("pump").length, 22);
});

test("each change is one note, in the order of time, with the version that it replaces", (t) => {
  const { desk, notes, clock, inTurn } = site(t);
  inTurn(() => desk.import(packageOf("1.0.0"), change));
  inTurn(() => desk.import(packageOf("1.1.0"), change));
  inTurn(() => desk.promote("pump", "1.0.0", change));
  inTurn(() => desk.shadow("pump", undefined, change));
  inTurn(() => desk.promote("pump", undefined, change));
  inTurn(() => desk.rollback("pump", change));
  inTurn(() => desk.shadow("pump", "1.1.0", change));
  inTurn(() => desk.stopShadow("pump", change));
  inTurn(() => desk.rollback("pump", change));
  const found = notes.find(clock.nowMicros(), 100);
  assert.deepEqual(
    found.map(({ note: { action, model } }) => [action, model.version, model.before]),
    [
      ["model-import", "1.0.0", undefined],
      ["model-import", "1.1.0", undefined],
      ["model-promote", "1.0.0", undefined],
      ["model-shadow", "1.1.0", undefined],
      ["model-promote", "1.1.0", "1.0.0"],
      ["model-rollback", "1.0.0", "1.1.0"],
      ["model-shadow", "1.1.0", undefined],
      ["model-shadow-stop", "1.1.0", undefined],
      ["model-rollback", undefined, "1.0.0"],
    ],
  );
  for (const { note, isInterrupted } of found) {
    assert.deepEqual([note.by, note.detail, note.result, isInterrupted], [change.by, "as agreed", "done", false]);
  }
  assert.deepEqual(notes.find(clock.nowMicros(), 2), found.slice(0, 2), "bounded");
  assert.ok(notes.remove(found[0]!.id));
  assert.deepEqual(notes.find(clock.nowMicros(), 100), found.slice(1));
});

test("what is refused is noted with the reason, and nothing else of it is left", (t) => {
  const { desk, notes, clock, inTurn } = site(t);
  const foreign = signed(pumpPackage(), stranger.privateKey);
  const garbage = { manifest: Buffer.from("{}"), signature: undefined, files: new Map<string, Uint8Array>() };
  const refusals = [
    () => desk.import(foreign, change),
    () => desk.import(garbage, change),
    () => desk.promote("pump", "1.0.0", change),
    () => desk.promote("../../etc", "x".repeat(500), change),
    () => desk.rollback("pump", change),
    () => desk.stopShadow("pump", change),
  ];
  for (const refusal of refusals) inTurn(() => assert.throws(refusal));
  const found = notes.find(clock.nowMicros() + 2 * minuteMicros, 100);
  assert.deepEqual(
    found.map(({ note: { action, model, result } }) => [action, model.name, result]),
    [
      ["model-import", "pump", "refused"],
      ["model-import", "?", "refused"],
      ["model-promote", "pump", "refused"],
      ["model-promote", "../../etc", "refused"],
      ["model-rollback", "pump", "refused"],
      ["model-shadow-stop", "pump", "refused"],
    ],
  );
  assert.match(found[0]!.note.detail, /has signed, which is not trusted here/);
});

test("a change that was killed is told as interrupted, and not before its time", (t) => {
  const { folder, notes, clock } = site(t);
  const note = {
    time: "2026-11-21T09:00:00.000000Z",
    by: change.by,
    action: "model-promote",
    model: { name: "pump", version: "1.0.0" },
    result: "done",
    detail: "",
  } as const;
  const nowMicros = clock.nowMicros();
  const open = notes.begin(note, nowMicros);
  assert.deepEqual(notes.find(nowMicros + minuteMicros - 1, 10), [], "it may still be at work");
  const [found] = notes.find(nowMicros + minuteMicros, 10);
  assert.deepEqual([found!.note, found!.isInterrupted], [note, true]);
  open.close();
  assert.deepEqual(
    notes.find(nowMicros, 10).map(({ id, isInterrupted }) => [id, isInterrupted]),
    [[found!.id, false]],
    "whoever closes it late does not make a second one",
  );
  assert.ok(notes.remove(found!.id));
  assert.deepEqual(readdirSync(join(folder, "models/.notes")), []);
});

test("files that are no notes are left alone, and refusals are bounded", (t) => {
  const { folder, desk, notes } = site(t);
  const home = join(folder, "models/.notes");
  mkdirSync(home, { recursive: true });
  const id = "0".repeat(16);
  for (const name of [`${id}-0123456789abcdef.json`, "readme.txt", `${id}-x.json`])
    writeFileSync(join(home, name), "{");
  assert.deepEqual(notes.find(Infinity, 10), []);
  for (let i = 0; i < 1_000; i++) writeFileSync(join(home, `filler-${i}`), "");
  assert.throws(() => desk.rollback("pump", change), /no version of pump is live/);
  assert.deepEqual(notes.find(Infinity, 10), []);
});

test("what a person does at the console begins and ends trials, and what is refused is noted too", async (t) => {
  const { desk, notes, clock } = site(t);
  const by = { role: "operator", from: "10.0.0.7" } as const;
  const versioned = { name: "pump", reason: "" };
  for (const version of ["1.0.0", "1.1.0"]) desk.import(packageOf(version), change);
  const act = async (action: ModelAction): Promise<LiveState> => {
    clock.advanceMs(1000);
    return desk.change(action, by);
  };
  await act({ kind: "promote", version: "1.0.0", ...versioned });
  assert.deepEqual(await act({ kind: "shadow", version: "1.1.0", ...versioned }), { live: "1.0.0", shadow: "1.1.0" });
  const scope = { devices: ["pump-7", "pump-7"], paths: ["acme/berlin"] };
  assert.deepEqual(await act({ kind: "canary", version: "1.1.0", ...versioned, ...scope }), {
    live: "1.0.0",
    canary: { version: "1.1.0", scope: { devices: ["pump-7"], paths: ["acme/berlin"] } },
  });
  await assert.rejects(act({ kind: "shadow", version: "1.0.0", ...versioned }), /is live: it cannot be its own shadow/);
  await assert.rejects(act({ kind: "shadow", version: "../1.0.0", ...versioned }), { code: "MODEL_MISSING" });
  const nowhere = { devices: [], paths: [] };
  await assert.rejects(act({ kind: "canary", version: "1.1.0", ...versioned, ...nowhere }), { code: "USAGE" });
  const found = notes
    .find(clock.nowMicros(), 100)
    .map(({ note: { by: who, action, result } }) => [who, action, result]);
  assert.deepEqual(found.slice(2), [
    [by, "model-promote", "done"],
    [by, "model-shadow", "done"],
    [by, "model-canary", "done"],
    [by, "model-shadow", "refused"],
    [by, "model-shadow", "refused"],
    [by, "model-canary", "refused"],
  ]);
});
