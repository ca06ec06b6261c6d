// Goal: a sync that fails is never followed by an acknowledgement of what it should have made durable (FAULTS row 8).
// Method: the recorded program of the power-cut rig, with strace failing its nth sync; its marks against the journal.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { publish } from "../support/figures.ts";
import { temporaryFolder } from "../support/records.ts";
import { runSeed } from "../support/seed.ts";
import { failingSync } from "../support/strace.ts";
import type { Mark } from "./power-cut/marks.ts";
import { Oracle } from "./power-cut/oracle.ts";
import { scaled } from "./scale.ts";

const program = join(import.meta.dirname, "power-cut/program.ts");
/** Of the program's processes, one that stops by itself. */
const session = "2";
const groups = "60";
/** Enough for opening and first commits, so that a sync of the run fails and not one of the start. */
const syncsBefore = 20;

test("FAULTS 8: a group whose sync failed is not acknowledged, and is stored once when it is offered again", (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  let refused = 0;
  const runs = scaled(5, 100);
  for (let run = 0; run < runs; run++) {
    const folder = temporaryFolder(t, "tidegate-refused-");
    const [data, marks] = [join(folder, "data"), join(folder, "marks")];
    const nth = random.between(syncsBefore, 60);
    const [command, ...args] = failingSync(nth);
    const result = spawnSync(command!, [...args, process.execPath, program, data, marks, groups, session]);
    assert.equal(result.status, 0, `sync ${nth}: ${result.stderr.toString()}`);
    const said = readFileSync(marks, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Mark);
    refused += said.filter(({ kind }) => kind === "refused").length;
    const oracle = new Oracle(said);
    for (const mark of said) oracle.learn(mark);
    assert.deepEqual(oracle.check(data), [], `sync ${nth}`);
  }
  publish(t, {
    proof: "syncs that fail: nothing is acknowledged that is not stored",
    seed: random.seed,
    figures: { "failed syncs": runs, "groups refused and offered again": refused, "acknowledged and lost": 0 },
  });
});

test("FAULTS 19: with an older SQLite the journal is not opened", (t) => {
  const folder = temporaryFolder(t);
  const newer = { file: "edge/journal/database.ts", from: "[3, 51, 3]", to: "[99, 0, 0]" };
  const preload = join(import.meta.dirname, "../support/edit-code.ts");
  const args = ["--import", preload, program, join(folder, "data"), join(folder, "marks"), groups, session];
  const env = { ...process.env, TIDEGATE_EDITS: JSON.stringify([newer]) };
  const { status, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
  assert.equal(status, 1);
  assert.match(stderr, /code: 'SQLITE_TOO_OLD'/);
});
