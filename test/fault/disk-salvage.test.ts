// Goal: a salvage that is killed, or loses power, at any step brings everything back all the same, nothing of it twice,
// and what was acknowledged meanwhile stays (FAULTS rows 4, 6, 15). Method: the system calls of a salvage with commits in
// between are recorded; after each of them the files as a kill leaves them, and legal states after a power cut, are
// opened, salvaged to the end and read.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { recordsOf } from "../../edge/journal/block.ts";
import { Store } from "../../edge/journal/store.ts";
import { systemClock } from "../../src/clock.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import type { Edit } from "../support/edit-code.ts";
import { publish } from "../support/figures.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder } from "../support/records.ts";
import { runSeed, type Random } from "../support/seed.ts";
import { blocksOf, ledgerOf } from "../support/stored.ts";
import { Disk } from "./disk.ts";
import { record, type Step } from "./power-cut/record.ts";
import { lay } from "./power-cut/rig.ts";
import type { SalvageMark } from "./power-cut/salvage-marks.ts";
import { scaled } from "./scale.ts";

const groups = 40;
const recordsPerGroup = 12;
const pageBytes = 4_096;

test("a salvage that ends at any step is taken up again: everything comes back once, and nothing new is missing", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const { steps, folder, epoch } = await recordSalvage(t, []);
  const { states, problems } = examine(steps, folder, epoch, random);
  publish(t, {
    proof: "a salvage that is killed or loses power at any system call is taken up again",
    seed: random.seed,
    figures: { "system calls": steps.length, "states opened": states, "that miss anything": problems.length },
  });
  assert.deepEqual(problems, []);
});

test("the rig catches a salvage whose progress is stored before what it brings back", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const from = "salvage.step(sink, this.#clock.nowMicros());";
  const early = {
    file: "edge/journal/store.ts",
    from,
    to: `salvage.step({ ...sink, storeBlock: (block: Block) => void later.push(block) }, this.#clock.nowMicros());`,
  };
  const late = {
    file: "edge/journal/store.ts",
    from: "      this.#salvaging.keep();\n",
    to: "      this.#salvaging.keep(); for (const block of later) this.#write(() => sink.storeBlock(block));\n",
  };
  const list = {
    file: "edge/journal/store.ts",
    from: "    const blocks: CommittedBlock[] = [];\n    const sink",
    to: "    const later: Block[] = []; const blocks: CommittedBlock[] = [];\n    const sink",
  };
  const { steps, folder, epoch } = await recordSalvage(t, [list, early, late]);
  const { problems } = examine(steps, folder, epoch, random);
  assert.match(problems.join("\n"), /are missing/);
});

/** The epoch is that of the records that were stored before the damage. */
async function recordSalvage(
  t: TestContext,
  edits: readonly Edit[],
): Promise<{ steps: readonly Step[]; folder: string; epoch: string }> {
  const folder = temporaryFolder(t, "tidegate-salvage-");
  const { damaged, epoch } = makeDamaged(folder);
  const root = join(folder, "root");
  const marks = join(folder, "marks");
  mkdirSync(root);
  const small = { file: "edge/journal/salvage.ts", from: "const pagesPerStep = 64;", to: "const pagesPerStep = 6;" };
  const program = join(import.meta.dirname, "power-cut/salvage.ts");
  const preload = join(import.meta.dirname, "../support/edit-code.ts");
  const env = { TIDEGATE_EDITS: JSON.stringify([small, ...edits]) };
  const steps = await record({ program, args: [damaged, join(root, "data"), marks], root, marks, preload, env });
  return { steps, folder, epoch };
}

/** A journal of which the pages of the schema are gone; every block is sound and unsent. */
function makeDamaged(folder: string): { damaged: string; epoch: string } {
  const before = join(folder, "before");
  const store = Store.open(storeOptions(before), systemClock);
  const maker = new GroupMaker();
  for (let n = 0; n < groups; n++) {
    store.commit(maker.group(observations("old", recordsPerGroup, n * recordsPerGroup + 1)));
  }
  const epoch = store.epoch.text;
  store.close();
  const damaged = join(folder, "damaged.db");
  const bytes = readFileSync(join(before, "journal.db"));
  bytes.fill(0, 100, pageBytes);
  writeFileSync(damaged, bytes);
  return { damaged, epoch };
}

function examine(
  steps: readonly Step[],
  folder: string,
  epoch: string,
  random: Random,
): { states: number; problems: string[] } {
  const disk = new Disk();
  const acknowledged: Extract<SalvageMark, { kind: "acknowledged" }>[] = [];
  const problems: string[] = [];
  let isReady = false;
  let states = 0;
  // Without --full some of the calls; the run has more of them than a bounded suite has time for.
  const every = scaled(Math.ceil(steps.length / 60), 1);
  for (const [at, step] of steps.entries()) {
    if (step.kind === "disk") disk.apply(step.operation);
    else {
      const mark = step.mark as SalvageMark;
      if (mark.kind === "acknowledged") acknowledged.push(mark);
      else isReady = true;
    }
    if (!isReady || (at + random.seed) % every !== 0) continue;
    const images = [disk.now(), ...Array.from({ length: scaled(2, 10) }, () => disk.crash(random))];
    for (const image of images) {
      states++;
      problems.push(...missing(lay(image, folder), epoch, acknowledged).map((what) => `after call ${at}: ${what}`));
    }
  }
  return { states, problems };
}

function missing(folder: string, epoch: string, acknowledged: readonly { epoch: string; seq: number }[]): string[] {
  const store = Store.open(storeOptions(folder), systemClock);
  try {
    for (let turns = 0; store.salvage().more; turns++) assert(turns < 10_000, "the salvage ends");
    const found = numbersIn(store);
    const old = rangesOf(found, `${epoch}/old`);
    const problems = old.missing(1, groups * recordsPerGroup).map(([first, last]) => `${first} to ${last} are missing`);
    for (const { epoch: own, seq } of acknowledged) {
      if (!rangesOf(found, `${own}/new`).has(seq)) problems.push(`${seq}, acknowledged meanwhile, is not there`);
    }
    if (ledgerOf(store).length > 0) problems.push("something is named as lost");
    return [...problems, ...found.twice];
  } finally {
    store.abandon();
  }
}

interface FoundNumbers {
  readonly ranges: Map<string, Ranges>;
  readonly twice: string[];
}

function numbersIn(store: Store): FoundNumbers {
  const found: FoundNumbers = { ranges: new Map(), twice: [] };
  for (const block of blocksOf(store, "telemetry")) {
    for (const { entry, seq } of recordsOf(block)) {
      const at = `${block.epoch}/${entry.device}`;
      if (rangesOf(found, at).add(seq) === 0) found.twice.push(`${at} ${seq} is there twice`);
    }
  }
  return found;
}

function rangesOf({ ranges }: FoundNumbers, at: string): Ranges {
  let known = ranges.get(at);
  if (known === undefined) ranges.set(at, (known = new Ranges()));
  return known;
}
