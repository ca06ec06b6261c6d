/*
 * The power-cut rig. Goal: whatever the disk did with its cache when the power went, the journal opens and the promise
 * holds. Method: strace records the system calls of a real run (`record.ts`, `program.ts`); they are played into a
 * model of a disk at its worst (`../disk.ts`); at random moments the power goes, one of the legal states is laid onto
 * real files, and the real store opens them in this process and is examined (`oracle.ts`).
 *
 * A seed draws the moments and states. A recording is never the same twice, so the one that failed is kept; seed and
 * recording together replay a failure: TIDEGATE_SEED and TIDEGATE_RECORDING.
 *
 * It cannot see: faults below 512 bytes or outside the disk's cache (rotten bits, lying firmware), a power cut during
 * the reopening after a torn state (only during one after a kill), thread races that did not happen in the recording.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fastFolder } from "../../support/fast-folder.ts";
import { randomOf, type Random } from "../../support/seed.ts";
import { Disk, type DiskImage } from "../disk.ts";
import type { Edit } from "../../support/edit-code.ts";
import type { Mark } from "./marks.ts";
import { Oracle } from "./oracle.ts";
import { record, type Step } from "./record.ts";

export interface PowerCutOptions {
  readonly seed: number;
  /** States to examine, over as many recordings as `statesPerRecording` makes necessary. */
  readonly states: number;
  readonly statesPerRecording?: number;
  /** Ends earlier when this time is over. */
  readonly minutes?: number;
  /** Groups that each recorded process appends. */
  readonly groups?: number;
  /** Variants of the product's code, broken on purpose. */
  readonly edits?: readonly Edit[];
  /** Stop at the first state that breaks the promise. */
  readonly stopAtFirst?: boolean;
  readonly print?: (line: string) => void;
}

export interface PowerCutReport {
  readonly states: number;
  readonly recordings: number;
  readonly steps: number;
  /** How often the database file was cut: pages that nothing used went back to the disk. */
  readonly cuts: number;
  readonly msPerState: number;
  readonly failures: readonly PowerCutFailure[];
}

export interface PowerCutFailure {
  readonly cut: number;
  readonly stateSeed: number;
  readonly problems: readonly string[];
}

/** Smaller limits, so that a short run folds its log back, merges, reclaims and gives pages back many times. */
const smallLimits: readonly Edit[] = [
  { file: "edge/journal/database.ts", from: "const walPages = 1_000;", to: "const walPages = 48;" },
  { file: "edge/journal/merger.ts", from: "const mergeAtRecords = 8_192;", to: "const mergeAtRecords = 60;" },
  { file: "edge/journal/merging.ts", from: "const lookMs = 1_000;", to: "const lookMs = 30;" },
  { file: "edge/journal/worker.ts", from: "const shrinkMs = 250;", to: "const shrinkMs = 20;" },
  { file: "edge/journal/connection.ts", from: "const freePagesMin = 4_096;", to: "const freePagesMin = 8;" },
  { file: "edge/journal/connection.ts", from: "const freeShareMin = 0.125;", to: "const freeShareMin = 0.02;" },
  { file: "edge/journal/connection.ts", from: "const shrinkPages = 256;", to: "const shrinkPages = 4;" },
  {
    file: "edge/journal/connection.ts",
    from: "const shrinksPerCheckpoint = 16;",
    to: "const shrinksPerCheckpoint = 2;",
  },
];
const preload = join(import.meta.dirname, "../../support/edit-code.ts");
const program = join(import.meta.dirname, "program.ts");

/** Runs the rig. Throws where the recorded program itself fails. */
export async function powerCuts(options: PowerCutOptions): Promise<PowerCutReport> {
  const { seed, states, statesPerRecording = 10_000, minutes = Infinity, stopAtFirst = false, print } = options;
  const random = randomOf(seed);
  const deadline = performance.now() + minutes * 60_000;
  const total = { states: 0, recordings: 0, steps: 0, cuts: 0, ms: 0, failures: [] as PowerCutFailure[] };
  while (total.states < states && performance.now() < deadline) {
    const steps = await recordRun(options);
    const begun = performance.now();
    const share = Math.min(statesPerRecording, states - total.states);
    const done = examine(steps, { random, states: share, deadline, stopAtFirst });
    total.ms += performance.now() - begun;
    total.states += done.states;
    total.recordings++;
    total.steps += steps.length;
    total.cuts += cutsIn(steps);
    total.failures.push(...done.failures);
    print?.(`power cuts: ${total.states} states, ${total.failures.length} broken`);
    if (done.failures.length > 0) print?.(`kept for a replay: TIDEGATE_RECORDING=${keep(steps)} TIDEGATE_SEED=${seed}`);
    if (done.states === 0 || (stopAtFirst && done.failures.length > 0)) break;
  }
  const { ms, ...rest } = total;
  return { ...rest, msPerState: ms / Math.max(1, total.states) };
}

/**
 * The same recordings for a SIGKILL: at `places` of the calls that write, rename or delete, evenly over the run, the
 * process ends and loses nothing that it gave to the system.
 */
export async function kills({ seed, places }: { seed: number; places: number }): Promise<PowerCutReport> {
  const steps = await recordRun({ seed, states: 0 });
  const begun = performance.now();
  const every = Math.max(1, Math.floor(steps.length / places));
  const disk = new Disk();
  const oracle = new Oracle(marksOf(steps));
  const failures: PowerCutFailure[] = [];
  const folder = mkdtempSync(join(fastFolder, "tidegate-killed-"));
  let states = 0;
  try {
    for (const [at, step] of steps.entries()) {
      if (step.kind === "disk") disk.apply(step.operation);
      else oracle.learn(step.mark as Mark);
      if ((at + seed) % every !== 0) continue;
      states++;
      const problems = oracle.check(lay(disk.now(), folder));
      if (problems.length > 0) failures.push({ cut: at + 1, stateSeed: 0, problems });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const msPerState = (performance.now() - begun) / states;
  return { states, recordings: 1, steps: steps.length, cuts: cutsIn(steps), msPerState, failures };
}

async function recordRun({ edits = [], groups = 60 }: PowerCutOptions): Promise<Step[]> {
  const kept = process.env["TIDEGATE_RECORDING"];
  if (kept !== undefined) return load(kept);
  const folder = mkdtempSync(join(fastFolder, "tidegate-recorded-"));
  const root = join(folder, "root");
  const marks = join(folder, "marks");
  mkdirSync(root);
  try {
    const args = [join(root, "data"), marks, String(groups)];
    const env = { TIDEGATE_EDITS: JSON.stringify([...smallLimits, ...edits]) };
    return await record({ program, args, root, marks, preload, env });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Examination {
  readonly random: Random;
  readonly states: number;
  readonly deadline: number;
  readonly stopAtFirst: boolean;
}

function examine(
  steps: readonly Step[],
  { random, states, deadline, stopAtFirst }: Examination,
): { states: number; failures: PowerCutFailure[] } {
  const cuts = Array.from({ length: states }, () => random.between(1, steps.length)).toSorted((a, b) => a - b);
  const disk = new Disk();
  const oracle = new Oracle(marksOf(steps));
  const failures: PowerCutFailure[] = [];
  const folder = mkdtempSync(join(fastFolder, "tidegate-power-cut-"));
  const seen = new Set<string>();
  let done = 0;
  // A moment without enough states hands what it owes to the next one.
  let owed = 0;
  try {
    for (const [at, step] of steps.entries()) {
      seen.clear();
      if (step.kind === "disk") disk.apply(step.operation);
      else oracle.learn(step.mark as Mark);
      for (; cuts[done + owed] === at + 1;) owed++;
      while (owed > 0 && performance.now() < deadline) {
        const drawn = drawState(disk, random, seen);
        if (drawn === undefined) break;
        owed--;
        done++;
        const problems = oracle.check(lay(drawn.image, folder));
        if (problems.length > 0) failures.push({ cut: at + 1, stateSeed: drawn.stateSeed, problems });
        if (stopAtFirst && failures.length > 0) return { states: done, failures };
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return { states: done, failures };
}

/** A state of this moment that was not examined yet; undefined where there seems to be none. */
function drawState(disk: Disk, random: Random, seen: Set<string>): { image: DiskImage; stateSeed: number } | undefined {
  for (let attempts = 0; attempts < 8; attempts++) {
    const stateSeed = random.between(0, 2 ** 31 - 1);
    const image = disk.crash(randomOf(stateSeed));
    if (seen.has(image.fingerprint)) continue;
    seen.add(image.fingerprint);
    return { image, stateSeed };
  }
  return undefined;
}

/** Makes real files of a state and returns the data folder. */
export function lay(image: DiskImage, folder: string): string {
  const state = join(folder, "state");
  rmSync(state, { recursive: true, force: true });
  mkdirSync(state);
  for (const path of image.folders) mkdirSync(join(state, path));
  for (const [path, bytes] of image.files) writeFileSync(join(state, path), bytes);
  return join(state, "data");
}

function cutsIn(steps: readonly Step[]): number {
  return steps.filter(
    (step) => step.kind === "disk" && step.operation.kind === "truncate" && step.operation.path.endsWith("journal.db"),
  ).length;
}

function marksOf(steps: readonly Step[]): Mark[] {
  return steps.flatMap((step) => (step.kind === "mark" ? [step.mark as Mark] : []));
}

/** Writes a recording to a file, as JSON lines with bytes in base64, and returns its path. */
function keep(steps: readonly Step[]): string {
  const path = join(mkdtempSync(join(tmpdir(), "tidegate-recording-")), "steps");
  const lines = steps.map((step) =>
    JSON.stringify(
      step.kind === "disk" && step.operation.kind === "write"
        ? { ...step, operation: { ...step.operation, data: step.operation.data.toString("base64") } }
        : step,
    ),
  );
  writeFileSync(path, lines.join("\n"));
  return path;
}

function load(path: string): Step[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .map((line) => {
      const step = JSON.parse(line) as Step;
      if (step.kind !== "disk" || step.operation.kind !== "write") return step;
      const data = Buffer.from(String(step.operation.data), "base64");
      return { kind: "disk", operation: { ...step.operation, data } };
    });
}
