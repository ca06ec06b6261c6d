// Goal: whatever a power cut leaves of a running journal's files, it opens and the promise holds (FAULTS rows 6, 7).
// Method and limits: see power-cut/rig.ts. Each broken variant shows that the rig can fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { publish } from "../support/figures.ts";
import { runSeed } from "../support/seed.ts";
import { brokenVariants } from "./power-cut/broken.ts";
import { kills, powerCuts } from "./power-cut/rig.ts";
import { scaled } from "./scale.ts";

test("after a power cut the journal opens and everything acknowledged is there", async (t) => {
  const { seed } = runSeed((line) => t.diagnostic(line));
  const report = await powerCuts({ seed, states: scaled(2_000, 100_000), print: (line) => t.diagnostic(line) });
  publish(t, {
    proof: "power cuts of a running journal: it opens, and everything acknowledged is there",
    seed,
    figures: {
      "simulated states": report.states,
      "of recorded runs": report.recordings,
      "system calls recorded": report.steps,
      "times the file was cut": report.cuts,
      "states that break the promise": report.failures.length,
      "time per state, ms": Number(report.msPerState.toFixed(1)),
    },
  });
  assert.deepEqual(report.failures, []);
  assert(report.cuts > 0, "the recorded runs give pages back");
});

test("FAULTS 4: killed at any write of a commit, checkpoint, merge, reclaim, vacuum or start, the same holds", async (t) => {
  const { seed } = runSeed((line) => t.diagnostic(line));
  const report = await kills({ seed, places: scaled(300, 1_000_000) });
  publish(t, {
    proof: "killed at any system call that changes a file: the journal opens, and everything acknowledged is there",
    seed,
    figures: {
      "places of the run": report.states,
      "times the file was cut": report.cuts,
      "that break the promise": report.failures.length,
    },
  });
  assert.deepEqual(report.failures, []);
  assert(report.cuts > 0, "the recorded run gives pages back");
});

for (const { name, edits } of brokenVariants) {
  test(`the rig catches: ${name}`, async (t) => {
    const { seed } = runSeed((line) => t.diagnostic(line));
    // Whether a commit falls into the moment that the variant leaves open is up to the run that is recorded: several are.
    const report = await powerCuts({
      seed,
      states: 8_000,
      statesPerRecording: 500,
      groups: 20,
      edits,
      stopAtFirst: true,
    });
    t.diagnostic(`after ${report.states} states: ${report.failures[0]?.problems[0]}`);
    assert.equal(report.failures.length, 1);
  });
}
