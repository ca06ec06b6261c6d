// Goal: whatever a disk does to the journal's files, it opens at once, delivers what is readable under its old identity,
// and names the rest (FAULTS rows 14, 15, 16). Method: damage to a copy, reopening, forwarding, salvage.
import assert from "node:assert/strict";
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Store } from "../../edge/journal/store.ts";
import { systemClock } from "../../src/clock.ts";
import { publish } from "../support/figures.ts";
import { storeOptions, temporaryFolder } from "../support/records.ts";
import { runSeed, type Random } from "../support/seed.ts";
import {
  brokenPromises,
  damagedCopy,
  holes,
  inventions,
  makeJournal,
  missing,
  recover,
  type MadeJournal,
} from "./disk-damage/damaged-journal.ts";
import { scaled } from "./scale.ts";

test("of single wrong bits in the database every one is detected or harmless", (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const folder = temporaryFolder(t, "tidegate-damage-");
  const made = makeJournal(folder);
  const sound = readFileSync(join(made.folder, "journal.db"));
  const trials = scaled(400, 4_000);
  const figures = { harmless: 0, ledgered: 0, salvaged: 0, records: 0 };
  for (let trial = 0; trial < trials; trial++) {
    // Every other one where a page says what stands in it: elsewhere it is nearly always the bytes of a record.
    const isAnywhere = trial % 2 === 0;
    const page = random.between(0, sound.length / 4_096 - 1);
    const bit = isAnywhere ? random.between(0, sound.length * 8 - 1) : page * 4_096 * 8 + random.between(0, 64 * 8 - 1);
    const damaged = Buffer.from(sound);
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    const copy = damagedCopy(made, join(folder, "copy"), (path) => writeFileSync(path, damaged));
    const recovered = recover(copy);
    assert.deepEqual(brokenPromises(made, recovered), [], `bit ${bit & 7} of byte ${bit >> 3}`);
    if (recovered.setAside !== undefined) figures.salvaged++;
    else if (recovered.ledgered.size > 0) figures.ledgered++;
    else figures.harmless++;
    figures.records += recovered.ledgered.size;
  }
  publish(t, {
    proof: "single wrong bits in the journal's database: what is readable is delivered, the rest is named",
    seed: random.seed,
    figures: {
      "wrong bits": trials,
      "harmless, or the row said nothing that counts": figures.harmless,
      "one block damaged: its records are ledgered": figures.ledgered,
      "database set aside and salvaged": figures.salvaged,
      "records ledgered in all": figures.records,
      "records lost in silence": 0,
    },
  });
});

interface Row {
  readonly name: string;
  readonly crashed?: boolean;
  readonly damage: (path: string, damage: Damage) => void;
  /**
   * `everything` is delivered, or `named`: delivered or ledgered; `the start`: all before some moment, nothing after it;
   * `nearly all`: so too, and what is missing was stored by the last two commits.
   */
  readonly kept: "everything" | "named" | "the start" | "nearly all";
}

interface Damage {
  readonly random: Random;
  readonly made: MadeJournal;
  /** Another journal's. */
  readonly foreignLog: Buffer;
}

const pageBytes = 4_096;
const recordsPerCommitMax = 16;

const rows: readonly Row[] = [
  { name: "no damage", damage: () => undefined, kept: "everything" },
  { name: "no damage after a crash", crashed: true, damage: () => undefined, kept: "everything" },
  { name: "a destroyed header", damage: (path) => overwrite(path, 0, noise(100)), kept: "everything" },
  { name: "a header of zeros", damage: (path) => overwrite(path, 0, Buffer.alloc(100)), kept: "everything" },
  { name: "a destroyed first page", damage: (path) => overwrite(path, 0, noise(pageBytes)), kept: "everything" },
  { name: "a read-only mark", damage: (path) => overwrite(path, 18, Buffer.of(3, 2)), kept: "everything" },
  {
    name: "a newer format in the header alone",
    damage: (path) => overwrite(path, 63, Buffer.of(77)),
    kept: "everything",
  },
  {
    name: "a page of noise",
    damage: (path, { random }) => overwritePage(path, random, noise(pageBytes)),
    kept: "named",
  },
  {
    name: "a page of zeros",
    damage: (path, { random }) => overwritePage(path, random, Buffer.alloc(pageBytes)),
    kept: "named",
  },
  { name: "a page in the place of another", damage: copyPage, kept: "named" },
  { name: "a wrong bit in the id of a row", damage: (path, { random }) => flipInId(path, random), kept: "named" },
  { name: "a deleted log", crashed: true, damage: (path) => rmSync(`${path}-wal`), kept: "the start" },
  { name: "a truncated log", crashed: true, damage: truncateLog, kept: "the start" },
  { name: "a wrong bit in the log", crashed: true, damage: flipInLog, kept: "nearly all" },
  {
    name: "an older log of the same journal",
    damage: (path, { made }) => writeFileSync(`${path}-wal`, made.olderLog),
    kept: "everything",
  },
  {
    name: "another journal's log in the place of its own",
    crashed: true,
    damage: (path, { foreignLog }) => writeFileSync(`${path}-wal`, foreignLog),
    kept: "the start",
  },
];

for (const { name, crashed = false, damage, kept } of rows) {
  test(`${name}: the journal opens, ${kept} is delivered and nothing invented`, (t) => {
    const random = runSeed((line) => t.diagnostic(line));
    const folder = temporaryFolder(t, "tidegate-damage-");
    const made = makeJournal(folder, { crashed });
    const { olderLog: foreignLog } = makeJournal(join(folder, "foreign"), { groups: 6 });
    for (let trial = 0; trial < scaled(20, 200); trial++) {
      const copy = damagedCopy(made, join(folder, "copy"), (path) => damage(path, { random, made, foreignLog }));
      const recovered = recover(copy);
      assert.deepEqual(inventions(made, recovered), []);
      if (kept === "everything") assert.deepEqual([missing(made, recovered), [...recovered.ledgered]], [[], []]);
      if (kept === "named") assert.deepEqual(brokenPromises(made, recovered), []);
      if (kept === "the start" || kept === "nearly all") assert.deepEqual(holes(made, recovered), []);
      if (kept === "nearly all") assert(missing(made, recovered).length <= 2 * recordsPerCommitMax);
    }
  });
}

test("the salvage goes on where it was after every kill, and then deletes the file", (t) => {
  const folder = temporaryFolder(t, "tidegate-damage-");
  const made = makeJournal(folder);
  const copy = damagedCopy(made, join(folder, "copy"), (path) => overwrite(path, 0, noise(pageBytes)));
  const records: number[] = [];
  for (let more = true; more;) {
    const store = Store.open(storeOptions(copy), systemClock);
    const before = JSON.stringify(store.usage().salvage);
    // What earlier processes did is read again, and then comes one step more.
    do more = store.salvage().more;
    while (more && JSON.stringify(store.usage().salvage) === before);
    records.push(store.usage().salvage[0]?.records ?? 0);
    store.abandon();
  }
  assert(records.filter((count) => count > 0).length > 2, "it took several processes");
  const recovered = recover(copy);
  assert.deepEqual([missing(made, recovered), inventions(made, recovered), [...recovered.ledgered]], [[], [], []]);
  assert.deepEqual(
    readdirSync(copy).filter((file) => file.includes("corrupt")),
    [],
  );
});

test("a power cut between the renames of a database and of its log loses neither", (t) => {
  const folder = temporaryFolder(t, "tidegate-damage-");
  const made = makeJournal(folder, { crashed: true });
  const copy = damagedCopy(made, join(folder, "copy"), (path) => renameSync(path, `${path}.corrupt-1`));
  const recovered = recover(copy);
  assert.deepEqual([missing(made, recovered), inventions(made, recovered), [...recovered.ledgered]], [[], [], []]);
});

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

function noise(bytes: number): Buffer {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes)));
}

function somePage(path: string, random: Random): number {
  return random.between(0, statSync(path).size / pageBytes - 1) * pageBytes;
}

function overwritePage(path: string, random: Random, bytes: Buffer): void {
  overwrite(path, somePage(path, random), bytes);
}

function copyPage(path: string, { random }: Damage): void {
  const from = somePage(path, random);
  overwritePage(path, random, readFileSync(path).subarray(from, from + pageBytes));
}

/** Ids carry no checksum: the row is sound and in the wrong place. */
function flipInId(path: string, random: Random): void {
  const bytes = readFileSync(path);
  for (;;) {
    const page = somePage(path, random);
    const cells = bytes.readUInt16BE(page + 3);
    if (bytes[page] !== 0x0d || cells === 0) continue;
    let at = page + bytes.readUInt16BE(page + 8 + 2 * random.between(0, cells - 1));
    // Two varints: the size of the row, and its id, whose last byte is the one below 0x80.
    while (bytes[at]! >= 0x80) at++;
    for (at++; bytes[at]! >= 0x80;) at++;
    return overwrite(path, at, Buffer.of(bytes[at]! ^ (1 << random.between(0, 6))));
  }
}

function truncateLog(path: string, { random }: Damage): void {
  truncateSync(`${path}-wal`, random.between(0, statSync(`${path}-wal`).size));
}

function flipInLog(path: string, { random }: Damage): void {
  const log = readFileSync(`${path}-wal`);
  // Behind the log's own header: without that it is like a deleted one.
  const byte = random.between(32, log.length - 1);
  log[byte]! ^= 1 << random.between(0, 7);
  writeFileSync(`${path}-wal`, log);
}
