// Goal: a migration that is killed, or loses power, at any step leaves a journal that opens with everything in it
// (FAULTS row 67). Method: its system calls are recorded; after each of them every file as a kill leaves it, and some
// legal states after a power cut, are opened and read.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { recordsOf } from "../../edge/journal/block.ts";
import { Store } from "../../edge/journal/store.ts";
import { systemClock } from "../../src/clock.ts";
import { publish } from "../support/figures.ts";
import { storeOptions, temporaryFolder } from "../support/records.ts";
import { runSeed } from "../support/seed.ts";
import { blocksOf } from "../support/stored.ts";
import { Disk } from "./disk.ts";
import { record } from "./power-cut/record.ts";
import { lay } from "./power-cut/rig.ts";
import { scaled } from "./scale.ts";

test("FAULTS 67: a migration that ends at any step is taken up again, and nothing is missing", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const folder = temporaryFolder(t, "tidegate-migration-");
  const root = join(folder, "root");
  mkdirSync(root);
  const marks = join(folder, "marks");
  const program = join(import.meta.dirname, "power-cut/migrate.ts");
  const steps = await record({ program, args: [join(root, "data"), marks], root, marks });
  const disk = new Disk();
  let isReady = false;
  let states = 0;
  for (const step of steps) {
    if (step.kind === "disk") disk.apply(step.operation);
    else isReady = true;
    if (!isReady) continue;
    const images = [disk.now(), ...Array.from({ length: scaled(4, 200) }, () => disk.crash(random))];
    for (const image of images) {
      states++;
      assertWhole(lay(image, folder));
    }
  }
  publish(t, {
    proof: "a migration that is killed or loses power at any system call is taken up again",
    seed: random.seed,
    figures: { "system calls": steps.length, "states opened": states, "that miss anything": 0 },
  });
});

function assertWhole(folder: string): void {
  const store = Store.open(storeOptions(folder), systemClock);
  try {
    assert.equal(store.setAside, undefined);
    const seqs = blocksOf(store, "telemetry").flatMap((block) => [...recordsOf(block)].map(({ seq }) => seq));
    assert.deepEqual(
      seqs,
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    assert.deepEqual(store.statesBelow("source:"), [["s/k", "9"]]);
  } finally {
    store.abandon();
  }
}
