// Goal: a journal of any state is read without a byte of it changing, what is in it is told, and damage is named with
// what it means. Method: a real store makes a journal; a copy is damaged at one place and read; files are compared
// byte for byte before and after.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { inspect } from "../../../edge/journal/offline/inspect.ts";
import { OfflineJournal } from "../../../edge/journal/offline/reader.ts";
import { exportRecords, type RecordFilter } from "../../../edge/journal/offline/records.ts";
import { verify } from "../../../edge/journal/offline/verify.ts";
import { rowChecksum } from "../../../edge/journal/row-checksum.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import { lanes } from "../../../src/wire/streams.ts";
import { mergeAll } from "../../support/stored.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";

const by = { role: "operator", from: "127.0.0.1" } as const;

/** Two epochs, two devices, ledger, manifests, quarantine, local history; `a` 1–20 is in Kafka. */
function fillStore(folder: string): Store {
  const first = Store.open(storeOptions(folder), new ManualClock());
  const before = new GroupMaker();
  first.commit(before.group(timed("a", 20)));
  first.commit(before.group(timed("b", 5)));
  first.settle("telemetry", 1, blockIds(first)[0]!);
  first.writeManifest();
  first.abandon();
  const second = Store.open(storeOptions(folder), new ManualClock());
  const maker = new GroupMaker();
  for (let i = 0; i < 3; i++) second.commit(maker.group(timed("a", 10, i * 10 + 1)));
  const local = observations("a", 4).map((record) => ({ ...record, stream: "history" as const }));
  second.commit(maker.group(local));
  const item = { timeMicros: 1.7e15, source: "s", address: "t", device: "", profile: "", form: "bytes" } as const;
  const why = { reason: "not-json", detail: "d", size: 3, bytes: Buffer.from("raw") } as const;
  second.commit(
    maker.group([], {
      quarantine: [
        { ...item, ...why },
        { ...item, ...why },
      ],
    }),
  );
  second.deleteQuarantined([1], by);
  second.writeManifest();
  return second;
}

/** Records whose own time can be found, as the pipeline writes them. */
function timed(device: string, count: number, from = 1): TestRecord[] {
  const timeAt = `{"device":"${device}","time":"`.length;
  return observations(device, count, from).map((record) => ({ ...record, timeAt }));
}

function blockIds(store: Store): number[] {
  const ids: number[] = [];
  for (let after = 0; ;) {
    const block = store.next("telemetry", after);
    if (block === undefined) return ids;
    ids.push((after = block.id));
  }
}

/** The files as a copy finds them while the agent runs: most of it stands in the write-ahead log only. */
function copyOf(t: TestContext, folder: string): string {
  const copy = temporaryFolder(t);
  for (const name of readdirSync(folder)) copyFileSync(join(folder, name), join(copy, name));
  return join(copy, "journal.db");
}

function killedJournal(t: TestContext): string {
  const folder = temporaryFolder(t);
  const store = fillStore(folder);
  const path = copyOf(t, folder);
  store.abandon();
  return path;
}

/** Through SQLite, so that damage can be done row by row. */
function edit(path: string, sql: string, ...values: (string | number | Uint8Array)[]): void {
  const db = new DatabaseSync(path);
  if (values.length === 0) db.exec(sql);
  else db.prepare(sql).run(...values);
  db.close();
}

function stateOf(folder: string): string[] {
  return readdirSync(folder)
    .sort()
    .map((name) => {
      const path = join(folder, name);
      return `${name} ${createHash("sha256").update(readFileSync(path)).digest("hex")} ${statSync(path).mtimeMs}`;
    });
}

function exported(path: string, filter: RecordFilter = {}): Record<string, unknown>[] {
  using journal = OfflineJournal.open(path);
  return [...exportRecords(journal, filter)].map((each) =>
    each.kind === "record" ? (JSON.parse(each.line) as Record<string, unknown>) : { ...each },
  );
}

test("inspect tells what is in a journal that was killed, and changes no byte of it", (t) => {
  const path = killedJournal(t);
  const before = stateOf(join(path, ".."));
  assert.ok(statSync(`${path}-wal`).size > 4_096, "the newest commits stand in the log only");
  using journal = OfflineJournal.open(path);
  const found = inspect(journal);
  journal[Symbol.dispose]();
  assert.deepEqual(stateOf(join(path, "..")), before);
  assert.equal(found.gateway, "gw-test");
  assert.deepEqual([found.partitions, found.formatVersion], [4, 5]);
  assert.deepEqual(
    found.epochs.map(({ epoch, ended }) => [epoch.split("-")[0], ended]),
    [
      ["1", true],
      ["2", false],
    ],
  );
  const telemetry = found.lanes.find(({ lane }) => lane === "telemetry")!;
  assert.deepEqual([telemetry.blocks, telemetry.records, telemetry.unsentRecords], [5, 55, 35]);
  const streams = found.devices.find(({ device }) => device === "a")!.streams;
  assert.deepEqual(
    streams.map(({ stream, first, last, records, unsentRecords }) => [stream, first, last, records, unsentRecords]),
    [
      ["observations", 1, 20, 20, 0],
      ["observations", 1, 30, 30, 30],
      ["history", undefined, undefined, 4, 0],
    ],
  );
  assert.deepEqual(
    found.ledger.reasons.map(({ reason, records }) => [reason, records]),
    [["quarantine-deleted", 1]],
  );
  assert.deepEqual(found.quarantine.reasons, [{ reason: "not-json", messages: 1 }]);
  assert.ok(found.cursors.some(({ key }) => key === "forward:telemetry"));
});

test("a sound journal verifies: killed, closed, empty, without its log, set aside under another name", (t) => {
  const killed = killedJournal(t);
  const folder = temporaryFolder(t);
  fillStore(folder).close();
  const fresh = temporaryFolder(t);
  Store.open(storeOptions(fresh), new ManualClock()).abandon();
  const aside = join(temporaryFolder(t), "journal.db.corrupt-1795271907");
  for (const suffix of ["", "-wal"]) copyFileSync(killed + suffix, aside + suffix);
  for (const path of [killed, join(folder, "journal.db"), join(fresh, "journal.db"), aside]) {
    using journal = OfflineJournal.open(path);
    assert.deepEqual(verify(journal).findings, [], path);
  }
});

test("what was forwarded and deleted, or dropped and ledgered, is no hole", (t) => {
  const folder = temporaryFolder(t);
  const clock = new ManualClock();
  const store = Store.open(storeOptions(folder, { quotaBytes: 16_777_216, replayWindowHours: 0 }), clock);
  const maker = new GroupMaker();
  for (let i = 0; i < 6; i++) store.commit(maker.group(observations("a", 10, i * 10 + 1)));
  const ids = blockIds(store);
  store.settle("telemetry", ids[1]!, ids[2]!);
  while (store.reclaim().more);
  assert.equal(blockIds(store).length, 4, "two blocks were reclaimed");
  store.close();
  using journal = OfflineJournal.open(join(folder, "journal.db"));
  assert.deepEqual(verify(journal).findings, []);
});

test("merging changes nothing of what is exported, and a merged journal is sound", (t) => {
  const folder = temporaryFolder(t);
  const clock = new ManualClock();
  const store = Store.open(storeOptions(folder), clock);
  t.after(() => store.abandon());
  const maker = new GroupMaker();
  for (let i = 0; i < 50; i++) store.commit(maker.group([...timed("a", 3, i * 3 + 1), ...timed("b", 1, i + 1)]));
  const [first] = blockIds(store);
  store.settle("telemetry", 1, first! + 20);
  store.flush();
  const before = exported(copyOf(t, folder));
  clock.advanceMs(3_600_000);
  store.commit(maker.group(timed("a", 1, 151)));
  assert.ok(mergeAll(store) > 0, "something was merged");
  const path = copyOf(t, folder);
  const merged = exported(path).filter(({ value }) => (value as { values?: { n: number } }).values?.n !== 151);
  assert.deepEqual(merged, before);
  using journal = OfflineJournal.open(path);
  assert.deepEqual(verify(journal).findings, []);
  edit(path, "UPDATE blocks_telemetry SET data = x'00' WHERE id = (SELECT min(id) FROM blocks_telemetry)");
  using damaged = OfflineJournal.open(path);
  const { findings, recordsLost } = verify(damaged);
  assert.match(findings[0]!.what, /observations of a 1–151/);
  const unsent = before.filter(({ sent, stream }) => sent === false && stream === "observations").length;
  assert.equal(recordsLost, unsent + 1, "and the one that came with the merge");
});

test("a log in which nothing can be read stays where it is", (t) => {
  const logs = [
    ["empty", () => Buffer.alloc(0)],
    ["header only", (log: Buffer) => log.subarray(0, 32)],
    ["first frame torn", (log: Buffer) => log.subarray(0, 3_000)],
    ["first frame broken", (log: Buffer) => log.fill(0xaa, 100, 200)],
    ["no log at all, but something", () => Buffer.from("x".repeat(5_000))],
  ] as const;
  for (const [name, make] of logs) {
    const path = killedJournal(t);
    // With its commits in the database itself, so that it can be read without its log.
    const log = readFileSync(`${path}-wal`);
    edit(path, "PRAGMA wal_checkpoint(TRUNCATE)");
    writeFileSync(`${path}-wal`, make(log));
    const before = stateOf(join(path, ".."));
    using journal = OfflineJournal.open(path);
    inspect(journal);
    verify(journal);
    journal[Symbol.dispose]();
    assert.deepEqual(stateOf(join(path, "..")), before, name);
  }
});

interface Damage {
  readonly name: string;
  readonly harm: (path: string) => void;
  readonly kinds: readonly string[];
  readonly says: RegExp;
  readonly lost: number;
}

const flipped = (table: string, id: number): string =>
  `UPDATE ${table} SET data = CAST(substr(data, 1, 8) || x'ff' || substr(data, 10) AS BLOB) WHERE id = ${id}`;

/** Block ids of the journal of `fillStore`, by lane and order. */
function idsIn(path: string, table: string): number[] {
  const db = new DatabaseSync(path);
  const ids = db.prepare(`SELECT id FROM ${table} ORDER BY id`).all();
  db.close();
  return ids.map(({ id }) => Number(id));
}

const damages: readonly Damage[] = [
  {
    name: "a flipped bit in a block that Kafka does not have",
    harm: (path) => edit(path, flipped("blocks_telemetry", idsIn(path, "blocks_telemetry")[2]!)),
    kinds: ["loss"],
    says: /telemetry: block \d+ fails its checksum \(observations of a 1–10\).*10 records that Kafka does not have are lost/,
    lost: 10,
  },
  {
    name: "a flipped bit in a block that Kafka has",
    harm: (path) => edit(path, flipped("blocks_telemetry", idsIn(path, "blocks_telemetry")[0]!)),
    kinds: ["damage"],
    says: /observations of a 1–20.*Kafka has these records already/,
    lost: 0,
  },
  {
    name: "a flipped bit in a directory",
    harm: (path) => edit(path, flipped("directories_telemetry", idsIn(path, "blocks_telemetry")[2]!)),
    kinds: ["damage"],
    says: /directory fails its checksum.*No record is lost/,
    lost: 0,
  },
  {
    name: "a block and its directory",
    harm: (path) => {
      const id = idsIn(path, "blocks_telemetry")[3]!;
      edit(path, `${flipped("directories_telemetry", id)}; ${flipped("blocks_telemetry", id)}`);
    },
    kinds: ["loss", "loss"],
    says: /10 records; which, nobody can say.*observations of a in epoch 2-\w+: 11–20 are missing/,
    lost: 20,
  },
  {
    name: "a block that is gone",
    harm: (path) => {
      const id = idsIn(path, "blocks_telemetry")[3]!;
      edit(path, `DELETE FROM blocks_telemetry WHERE id = ${id}; DELETE FROM directories_telemetry WHERE id = ${id}`);
    },
    kinds: ["loss", "count", "count", "count", "count"],
    says: /observations of a in epoch 2-\w+: 11–20 are missing, and nothing explains them/,
    lost: 10,
  },
  {
    name: "the newest block, which a manifest names",
    harm: (path) => {
      const id = idsIn(path, "blocks_telemetry").at(-1)!;
      edit(path, `DELETE FROM blocks_telemetry WHERE id = ${id}; DELETE FROM directories_telemetry WHERE id = ${id}`);
    },
    kinds: ["loss", "count", "count", "count", "count"],
    says: /observations of a in epoch 2-\w+: 21–30 are missing/,
    lost: 10,
  },
  {
    name: "a directory of another block",
    harm: (path) => {
      const [, , third, fourth] = idsIn(path, "blocks_telemetry");
      edit(
        path,
        `UPDATE directories_telemetry SET (crc, data) = (SELECT crc, data FROM directories_telemetry WHERE id = ${third})
         WHERE id = ${fourth}`,
      );
    },
    kinds: ["damage"],
    says: /its directory is not the one inside the block/,
    lost: 0,
  },
  {
    name: "a cursor beyond the end",
    harm: (path) => {
      const crc = rowChecksum("forward:telemetry", "[1,99999]");
      edit(path, `UPDATE state SET value = '[1,99999]', crc = ${crc} WHERE key = 'forward:telemetry'`);
    },
    kinds: ["count", "count"],
    says: /unsent records are stored.*beyond the newest block/,
    lost: 0,
  },
  {
    name: "a wrong bit in a state row",
    harm: (path) => edit(path, "UPDATE state SET value = replace(value, '1', '2') WHERE key = 'forward:telemetry'"),
    kinds: ["count", "damage"],
    says: /state row forward:telemetry fails its checksum.*sets this file aside/,
    lost: 0,
  },
  {
    name: "a wrong bit in an epoch",
    harm: (path) => edit(path, "UPDATE epochs SET final = 0 WHERE counter = 1"),
    kinds: ["damage"],
    says: /epoch 1 fails its checksum/,
    lost: 0,
  },
  {
    name: "a wrong bit in a highest number",
    harm: (path) => edit(path, "UPDATE highest SET seq = seq + 1 WHERE device = 'a' AND stream = 1 AND epoch = 1"),
    kinds: ["damage"],
    says: /1 highest numbers of epochs fail their checksum/,
    lost: 0,
  },
  {
    name: "a log with a wrong bit in its middle",
    harm: (path) => {
      const log = readFileSync(`${path}-wal`);
      log[32 + 24 + 100]! ^= 1;
      writeFileSync(`${path}-wal`, log);
    },
    kinds: ["loss"],
    says: /write-ahead log is broken, and whole commits stand behind the break/,
    lost: 0,
  },
  {
    name: "a message of the quarantine that is shorter than it was",
    harm: (path) => edit(path, "UPDATE quarantine SET data = x'00'"),
    kinds: ["damage"],
    says: /message 2 has 1 bytes of 3.*cannot be tried again/,
    lost: 0,
  },
];

for (const { name, harm, kinds, says, lost } of damages) {
  test(`verify names ${name}, and what it means`, (t) => {
    const path = killedJournal(t);
    harm(path);
    const before = stateOf(join(path, ".."));
    using journal = OfflineJournal.open(path);
    const { findings, recordsLost } = verify(journal);
    const text = findings.map(({ what, meaning }) => `${what}. ${meaning}`).join(" ");
    assert.deepEqual(
      findings.map(({ kind }) => kind),
      kinds,
      text,
    );
    assert.match(text, says);
    assert.equal(recordsLost, lost);
    journal[Symbol.dispose]();
    assert.deepEqual(stateOf(join(path, "..")), before);
  });
}

test("pages that are destroyed are named, and what lies around them is read", (t) => {
  const folder = temporaryFolder(t);
  const store = Store.open(storeOptions(folder), new ManualClock());
  const maker = new GroupMaker();
  for (let i = 0; i < 400; i++) store.commit(maker.group(observations("a", 10, i * 10 + 1)));
  store.close();
  const path = join(folder, "journal.db");
  const db = new DatabaseSync(path);
  const { rootpage } = db.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'blocks_telemetry'").get() as {
    rootpage: number;
  };
  db.close();
  // A leaf of the blocks' table: the first child of its root page.
  const file = readFileSync(path);
  const root = (rootpage - 1) * 4_096;
  assert.equal(file[root], 5, "the root is an interior page of a table");
  const cell = root + file.readUInt16BE(root + 12);
  const leaf = file.readUInt32BE(cell);
  file.fill(0xaa, (leaf - 1) * 4_096, leaf * 4_096);
  writeFileSync(path, file);
  using journal = OfflineJournal.open(path);
  const { findings, records } = verify(journal);
  const hidden = findings.find(({ what }) => /^blocks_telemetry: rows .* cannot be read/.test(what));
  assert.ok(hidden !== undefined, JSON.stringify(findings.slice(0, 5)));
  assert.ok(records > 3_000, `${records} records were read behind the destroyed page`);
  using again = OfflineJournal.open(path);
  const kept = [...exportRecords(again, { device: "a", stream: "observations" })].length;
  assert.ok(kept > 3_000 && again.unreadable.length > 0, "the export goes on too");
});

test("export writes identity and value of what fits, in order of arrival", (t) => {
  const path = killedJournal(t);
  const all = exported(path);
  using journal = OfflineJournal.open(path);
  assert.equal(
    all.length,
    inspect(journal).lanes.reduce((sum, { records }) => sum + records, 0),
  );
  const blocks = all.map(({ block }) => Number(block));
  assert.deepEqual(
    blocks,
    blocks.toSorted((a, b) => a - b),
  );
  const mine = exported(path, { device: "a", stream: "observations", unsent: true });
  assert.deepEqual(
    mine.map(({ seq }) => seq),
    Array.from({ length: 30 }, (_, i) => i + 1),
  );
  const [first] = mine;
  assert.deepEqual(Object.keys(first!), [
    "epoch",
    "stream",
    "device",
    "seq",
    "lane",
    "partition",
    "block",
    "sent",
    "value",
  ]);
  assert.deepEqual(first!["value"], {
    device: "a",
    time: "2023-11-14T22:13:20.000000Z",
    values: { n: 1 },
  });
  assert.deepEqual(
    exported(path, { device: "a", epoch: String(first!["epoch"]), firstSeq: 9, lastSeq: 12 }).map(({ seq }) => seq),
    [9, 10, 11, 12],
  );
  // The block of `a` from 1 to 20 ends 19 µs after the others began, and its records say when they were.
  assert.equal(exported(path, { stream: "observations", fromMicros: 1.7e15 + 15 }).length, 5);
  assert.equal(exported(path, { stream: "observations", toMicros: 1.7e15 + 2 }).length, 10);
  assert.equal(exported(path, { lane: "history" }).length, 4);
  assert.deepEqual(exported(path, { device: "nobody" }), []);
});

test("what cannot be opened is told apart: missing, not a journal, newer, first page destroyed", (t) => {
  const folder = temporaryFolder(t);
  const codeOf = (path: string): string => {
    try {
      OfflineJournal.open(path)[Symbol.dispose]();
      return "";
    } catch (error) {
      assert.ok(error instanceof TidegateError, String(error));
      return error.code;
    }
  };
  assert.equal(codeOf(join(folder, "nothing.db")), "JOURNAL_MISSING");
  assert.equal(codeOf(folder), "JOURNAL_MISSING");
  writeFileSync(join(folder, "text"), "not a database at all, but long enough to be read as one".repeat(20));
  assert.equal(codeOf(join(folder, "text")), "JOURNAL_CORRUPT");
  edit(join(folder, "other.db"), "CREATE TABLE t (a)");
  assert.equal(codeOf(join(folder, "other.db")), "JOURNAL_CORRUPT");
  writeFileSync(join(folder, "empty"), "");
  assert.equal(codeOf(join(folder, "empty")), "JOURNAL_CORRUPT");
  const newer = killedJournal(t);
  edit(newer, "PRAGMA user_version = 99");
  assert.equal(codeOf(newer), "JOURNAL_FORMAT_NEWER");
  const page = killedJournal(t);
  edit(page, "PRAGMA wal_checkpoint(TRUNCATE)");
  rmSync(`${page}-wal`, { force: true });
  writeFileSync(page, Buffer.concat([Buffer.alloc(4_096, 0x55), readFileSync(page).subarray(4_096)]));
  assert.equal(codeOf(page), "JOURNAL_CORRUPT");
});

test("a journal that an agent holds is refused, with what to do", (t) => {
  const folder = temporaryFolder(t);
  const store = fillStore(folder);
  t.after(() => store.abandon());
  assert.throws(
    () => OfflineJournal.open(join(folder, "journal.db")),
    (error) =>
      error instanceof TidegateError && error.code === "DATA_FOLDER_IN_USE" && /--token-file/.test(error.hint ?? ""),
  );
});

test("an agent that starts while the journal is read makes the result void", (t) => {
  const folder = temporaryFolder(t);
  fillStore(folder).close();
  using journal = OfflineJournal.open(join(folder, "journal.db"));
  const lines = exportRecords(journal, {});
  lines.next();
  const store = Store.open(storeOptions(folder), new ManualClock());
  t.after(() => store.abandon());
  assert.throws(() => [...lines], { code: "DATA_FOLDER_IN_USE" });
});

test("every lane of a filled journal is scanned", (t) => {
  using journal = OfflineJournal.open(killedJournal(t));
  const counts = lanes.map((lane) => [...journal.directories(lane)].length);
  assert.ok(counts[0]! > 0 && counts[2]! > 0 && counts[3]! > 0, JSON.stringify(counts));
  assert.ok(existsSync(journal.path));
});
