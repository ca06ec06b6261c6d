// Goal: whatever happens to a journal, in whatever order, it holds what a few plain sets say it should.
// Method: fast-check draws lives of a journal (appends, failures, deliveries, crashes, quotas, merges, damage); each runs
// on a real store with real files beside a model (journal/world.ts), which are compared after every step. A failure is
// shrunk to its shortest life and printed with the seed that replays it (TIDEGATE_SEED).
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { fastFolder } from "../support/fast-folder.ts";
import { runSeed } from "../support/seed.ts";
import { lives } from "./journal/commands.ts";
import { newModel, World } from "./journal/world.ts";

test("a journal and its model live through the same", (t) => {
  const { seed } = runSeed((line) => t.diagnostic(line));
  const numRuns = process.env["TIDEGATE_FAULT_FULL"] === "1" ? 3_000 : 150;
  const life = fc.property(lives(60), (steps) => {
    const folder = mkdtempSync(join(fastFolder, "tidegate-model-"));
    const world = new World(folder);
    try {
      fc.modelRun(() => ({ model: { ...newModel(), epochs: [world.store.epoch.text] }, real: world }), steps);
    } finally {
      world.store.abandon();
      rmSync(folder, { recursive: true });
    }
  });
  fc.assert(life, { seed, numRuns });
});
