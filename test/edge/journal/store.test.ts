// Goal: what the store says it stored is there after any reopening, each record has one number for ever, and what is
// lost is named. Method: a real database in a temporary folder; damage is done to the file between two openings.
import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { recordsOf, unpackBlock } from "../../../edge/journal/block.ts";
import type { Group } from "../../../edge/journal/group.ts";
import { Store, type StoreOptions } from "../../../edge/journal/store.ts";
import { ManualClock, systemClock, type Clock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { LedgerRecord, ManifestRecord } from "../../../src/wire/records.ts";
import { lanes, type Lane } from "../../../src/wire/streams.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { blocksOf, commitReader } from "../../support/stored.ts";

interface Identity {
  readonly epoch: string;
  readonly stream: string;
  readonly device: string;
  readonly seq: number;
  readonly value: string;
}

function recordsIn(store: Store, lane: Lane = "telemetry"): Identity[] {
  return blocksOf(store, lane).flatMap((block) =>
    [...recordsOf(block)].map(({ entry, seq, value }) => ({
      epoch: block.epoch,
      stream: entry.stream,
      device: entry.device,
      seq,
      value: value.toString(),
    })),
  );
}

function ledgerOf(store: Store): LedgerRecord[] {
  return own(store).filter((record): record is LedgerRecord => record.kind === "loss");
}

function manifestsOf(store: Store): ManifestRecord[] {
  return own(store).filter((record): record is ManifestRecord => record.kind === "manifest");
}

function own(store: Store): (LedgerRecord | ManifestRecord)[] {
  return recordsIn(store, "critical")
    .filter(({ stream }) => stream === "ledger")
    .map(({ value }) => JSON.parse(value) as LedgerRecord | ManifestRecord);
}

function openStore(t: TestContext, options: StoreOptions, clock: Clock = systemClock): Store {
  const store = Store.open(options, clock);
  t.after(() => abandon(store));
  return store;
}

/** Ends a store as a crash would: without its last words. The connection is closed so that this process can open the file again. */
function abandon(store: Store): void {
  store.abandon();
}

function append(store: Store, maker: GroupMaker, records: TestRecord[]): void {
  assert.equal(store.commit(maker.group(records)).kind, "stored");
}

test("records are numbered from 1 per device and stream, dense over commits", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t)));
  const maker = new GroupMaker();
  append(store, maker, [
    ...observations("a", 2),
    ...observations("b", 1),
    { stream: "alerts", device: "a", value: "!" },
  ]);
  append(store, maker, [...observations("a", 1, 3), { stream: "history", device: "a", value: "h" }]);
  assert.deepEqual(
    recordsIn(store).map(({ device, seq }) => [device, seq]),
    [
      ["a", 1],
      ["a", 2],
      ["b", 1],
      ["a", 3],
    ],
  );
  assert.deepEqual(
    recordsIn(store, "insight").map(({ seq }) => seq),
    [1],
  );
  assert.deepEqual(
    recordsIn(store, "history").map(({ seq }) => seq),
    [0],
  );
});

test("a new start opens a new epoch, keeps the old records under their old numbers, and closes the old epoch", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const first = openStore(t, options);
  append(first, new GroupMaker(), observations("a", 3));
  abandon(first);
  const second = openStore(t, options);
  append(second, new GroupMaker(), observations("a", 1, 4));
  const records = recordsIn(second);
  assert.notEqual(first.epoch.text, second.epoch.text);
  assert.deepEqual(
    records.map(({ epoch, seq }) => [epoch, seq]),
    [
      [first.epoch.text, 1],
      [first.epoch.text, 2],
      [first.epoch.text, 3],
      [second.epoch.text, 1],
    ],
  );
  const last = manifestsOf(second).filter(({ epoch, final }) => epoch === first.epoch.text && final);
  assert.equal(last.length, options.partitions, "one last manifest per partition");
  assert.deepEqual(Object.assign({}, ...last.map(({ highest }) => highest.observations)), { a: 3 });
});

test("manifests name the highest numbers that changed, and a clean stop says that the epoch is over", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const store = openStore(t, options);
  const maker = new GroupMaker();
  append(store, maker, [...observations("a", 2), ...observations("b", 5)]);
  store.writeManifest();
  append(store, maker, observations("b", 1, 6));
  store.writeManifest();
  store.writeManifest();
  assert.equal(manifestsOf(store).length, 3 * options.partitions, "also where nothing changed");
  const highest = manifestsOf(store).map((manifest) => manifest.highest.observations);
  assert.deepEqual(Object.assign({}, ...highest), { a: 2, b: 6 });
  store.close();
  const again = openStore(t, options);
  assert(manifestsOf(again).some(({ final, epoch }) => final && epoch === store.epoch.text));
});

test("a second store on the same folder is refused, and the first is unharmed", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const store = openStore(t, options);
  assert.throws(() => Store.open(options, systemClock), hasCode("DATA_FOLDER_IN_USE"));
  append(store, new GroupMaker(), observations("a", 1));
});

test("a commit that fails half-way leaves no record, no number and no cursor behind", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t)));
  const maker = new GroupMaker();
  append(store, maker, observations("a", 1));
  const group = maker.group(observations("a", 1, 2));
  const broken = { ...group, state: [["cursor", Symbol("no column type") as unknown as string] as const] };
  assert.throws(() => store.commit(broken));
  assert.equal(recordsIn(store).length, 1);
  assert.equal(store.usage().head.total.stored, 1);
  append(store, maker, observations("a", 1, 2));
  assert.deepEqual(
    recordsIn(store).map(({ seq }) => seq),
    [1, 2],
  );
  store.writeManifest();
  const highest = manifestsOf(store).map((manifest) => manifest.highest.observations);
  assert.deepEqual(Object.assign({}, ...highest), { a: 2 });
});

test("state rows, redeliveries and quarantine commit with the group", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const store = openStore(t, options);
  const item = {
    timeMicros: 1,
    source: "s",
    address: "t",
    device: "d1",
    profile: "p/q",
    form: "bytes" as const,
    reason: "not-json" as const,
    detail: "d",
    size: 3,
    bytes: Buffer.from("raw"),
  };
  const extra = {
    state: [["source:a/k", "7"]] as const,
    redelivery: { count: 2, data: Buffer.from("ids") },
    quarantine: [item],
  };
  store.commit(new GroupMaker().group([], extra));
  abandon(store);
  const again = openStore(t, options);
  assert.deepEqual(again.statesBelow("source:"), [["a/k", "7"]]);
  assert.deepEqual(again.redeliveries().map(String), ["105,100,115"]);
  const [row] = again.quarantinePage({}, Infinity, 10).rows;
  assert.equal(row!.reason, "not-json");
  assert.equal(Buffer.from(again.quarantinedBytes(row!.id)!).toString(), "raw");
});

test("what is settled is known after a crash once it was flushed, and only that", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const store = openStore(t, options);
  const maker = new GroupMaker();
  for (let i = 0; i < 4; i++) append(store, maker, observations("a", 10, i * 10));
  const ids = blocksOf(store, "telemetry").map(({ id }) => id);
  store.settle("telemetry", 1, ids[1]!);
  store.flush();
  store.settle("telemetry", ids[2]!, ids[2]!);
  abandon(store);
  const again = openStore(t, options);
  assert.deepEqual(again.settledRanges("telemetry"), [1, ids[1]]);
  assert.equal(again.usage().head.lanes.telemetry.unsentRecords, 20);
  assert.equal(again.usage().head.total.published, 20);
});

test("settling the same range twice counts once", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t)));
  append(store, new GroupMaker(), observations("a", 10));
  const [block] = blocksOf(store, "telemetry");
  store.settle("telemetry", 1, block!.id);
  store.settle("telemetry", block!.id, block!.id);
  assert.equal(store.usage().head.total.published, 10);
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 0);
});

test("commits are read back in order with all their lanes", async (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t)));
  const maker = new GroupMaker();
  append(store, maker, [...observations("a", 2), { stream: "history", device: "a", value: "h1" }]);
  append(store, maker, [{ stream: "history", device: "a", value: "h2" }]);
  append(store, maker, observations("a", 1, 3));
  const reader = commitReader(store);
  const seen: string[][] = [];
  for (let commit = 0; ;) {
    const next = await reader.next(commit);
    if (next === undefined) break;
    assert(next.commit > commit);
    commit = next.commit;
    const records = next.blocks.flatMap((block) => [...recordsOf(block)]);
    seen.push(records.toSorted((a, b) => a.position - b.position).map(({ entry, seq }) => `${entry.stream}${seq}`));
  }
  const own = seen.filter((records) => records.some((record) => !record.startsWith("ledger")));
  assert.deepEqual(own, [["observations1", "observations2", "history0"], ["history0"], ["observations3"]]);
});

// ---- damage --------------------------------------------------------------------------------------------------

test("a corrupt block is set aside, named in the ledger number by number, and its neighbours stay", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const before = openStore(t, options);
  const maker = new GroupMaker();
  append(before, maker, observations("a", 3));
  append(before, maker, [...observations("a", 2, 4), ...observations("b", 1)]);
  append(before, maker, observations("a", 1, 6));
  const ids = blocksOf(before, "telemetry").map(({ id }) => id);
  abandon(before);
  editDatabase(options.folder, `UPDATE blocks_telemetry SET data = data || x'00' WHERE id = ${ids[1]}`);
  const store = openStore(t, options);
  const packed = store.next("telemetry", ids[0]!)!;
  assert.throws(() => unpackBlock(packed.id, packed.data, packed.crc), hasCode("JOURNAL_CORRUPT"));
  store.setCorruptAside("telemetry", ids[1]!);
  assert.deepEqual(
    recordsIn(store).map(({ device, seq }) => `${device}${seq}`),
    ["a1", "a2", "a3", "a6"],
  );
  assert.deepEqual(
    ledgerOf(store).map(({ device, first, last, reason, epoch }) => ({ device, first, last, reason, epoch })),
    [
      { device: "a", first: 4, last: 5, reason: "corrupt", epoch: before.epoch.text },
      { device: "b", first: 1, last: 1, reason: "corrupt", epoch: before.epoch.text },
    ],
  );
  assert.deepEqual(store.setCorruptAside("telemetry", ids[0]!), [], "a sound block is not set aside");
});

const damages: { name: string; damage: (path: string) => void; left: number }[] = [
  { name: "nothing keeps every record", damage: () => undefined, left: 3 },
  { name: "a lost write-ahead log keeps a prefix", damage: (path) => truncateSync(`${path}-wal`, 0), left: 0 },
  { name: "a torn last frame loses only the last commit", damage: tearWal, left: 2 },
  { name: "a file of noise is restored from the write-ahead log", damage: noise, left: 3 },
  {
    name: "a file of noise without its log starts afresh",
    damage: (path) => (noise(path), truncateSync(`${path}-wal`, 0)),
    left: 0,
  },
  { name: "a destroyed header starts afresh", damage: destroyHeader, left: 0 },
];

for (const { name, damage, left } of damages) {
  test(`after a crash and damage: ${name}, and the store works`, (t) => {
    const folder = temporaryFolder(t);
    const store = openStore(t, storeOptions(folder));
    const maker = new GroupMaker();
    for (let i = 1; i <= 3; i++) append(store, maker, observations("a", 1, i));
    const path = crashedCopy(t, folder);
    damage(join(path, "journal.db"));
    const again = openStore(t, storeOptions(path));
    assert.equal(recordsIn(again).length, left);
    append(again, new GroupMaker(), observations("z", 1));
    assert.equal(recordsIn(again).length, left + 1);
    assert.equal(
      again.setAside !== undefined,
      readdirSync(path).some((file) => file.includes(".corrupt-")),
    );
  });
}

/** The files as a killed process leaves them: the log is not yet copied into the database. */
function crashedCopy(t: TestContext, folder: string): string {
  const copy = temporaryFolder(t);
  for (const file of ["journal.db", "journal.db-wal"]) {
    if (existsSync(join(folder, file))) writeFileSync(join(copy, file), readFileSync(join(folder, file)));
  }
  return copy;
}

function noise(path: string): void {
  writeFileSync(path, Buffer.alloc(50_000, 7));
}

function tearWal(path: string): void {
  const wal = readFileSync(`${path}-wal`);
  truncateSync(`${path}-wal`, wal.length - 2_000);
}

function destroyHeader(path: string): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(100, 0xff), 0, 100, 0);
  closeSync(file);
  truncateSync(`${path}-wal`, 0);
}

test("a journal of a newer version is refused and left alone", (t) => {
  const folder = temporaryFolder(t);
  const store = openStore(t, storeOptions(folder));
  abandon(store);
  editDatabase(folder, "PRAGMA user_version = 99; UPDATE meta SET value = '99' WHERE key = 'format'");
  assert.throws(() => Store.open(storeOptions(folder), systemClock), hasCode("JOURNAL_FORMAT_NEWER"));
});

// ---- space ---------------------------------------------------------------------------------------------------

function fill(store: Store, maker: GroupMaker, commits: number): void {
  for (let i = 0; i < commits; i++) {
    const noise = Array.from({ length: 40 }, (_, n) => ({
      stream: "observations" as const,
      device: `d${n % 4}`,
      value: crypto.getRandomValues(Buffer.alloc(400)).toString("base64"),
    }));
    append(store, maker, noise);
  }
}

function reclaimAll(store: Store): void {
  for (let steps = 0; store.reclaim().more; steps++) assert(steps < 1_000, "reclaiming ends");
}

test("over the quota the oldest unsent records go, and every one of them is named in the ledger", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t), { quotaBytes: 16_777_216 }));
  const maker = new GroupMaker();
  fill(store, maker, 1_200);
  const before = recordsIn(store).length;
  reclaimAll(store);
  const kept = new Set(recordsIn(store).map(({ device, seq }) => `${device}/${seq}`));
  const named = new Set<string>();
  for (const loss of ledgerOf(store)) {
    for (let seq = loss.first!; seq <= loss.last!; seq++) named.add(`${loss.device}/${seq}`);
  }
  assert(named.size > 0, "something had to go");
  assert.equal(kept.size + named.size, before);
  assert(
    [...named].every((id) => !kept.has(id)),
    "what is named is gone",
  );
  assert(store.usage().bytes <= 16_777_216 + 1_000_000);
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, kept.size);
});

test("of what has to go, only what was sent and not settled may have been delivered", (t) => {
  const options = storeOptions(temporaryFolder(t), { quotaBytes: 16_777_216 });
  const store = openStore(t, options);
  fill(store, new GroupMaker(), 1_200);
  const ids = blocksOf(store, "telemetry").map(({ id }) => id);
  store.sending("telemetry", ids[9]! + 1, ids[11]!);
  store.sending("telemetry", ids[4]!, ids[4]!);
  store.sending("telemetry", ids.at(-1)!, ids.at(-1)!); // Live before its backfill.
  store.settle("telemetry", ids[4]!, ids[4]!);
  const firsts = new Map(blocksOf(store, "telemetry").map((block) => [block.id, block.entries[0]!.firstSeq]));
  reclaimAll(store);
  const maybe = ledgerOf(store).filter(({ reason }) => reason === "maybe-delivered");
  const [from, behind] = [firsts.get(ids[10]!)!, firsts.get(ids[12]!)!];
  assert.deepEqual(
    maybe.filter(({ device }) => device === "d0").map(({ first, last }) => [first, last]),
    [[from, behind - 1]],
  );
  assert(ledgerOf(store).some(({ reason }) => reason === "quota"));
});

test("after a start everything unsettled may have been delivered", (t) => {
  const options = storeOptions(temporaryFolder(t), { quotaBytes: 16_777_216 });
  const before = openStore(t, options);
  fill(before, new GroupMaker(), 1_200);
  abandon(before);
  const store = openStore(t, options);
  reclaimAll(store);
  assert.deepEqual([...new Set(ledgerOf(store).map(({ reason }) => reason))], ["maybe-delivered"]);
});

test("a settlement outlives a transaction that failed", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t)));
  const maker = new GroupMaker();
  append(store, maker, observations("a", 10));
  const [block] = blocksOf(store, "telemetry");
  store.settle("telemetry", 1, block!.id);
  const broken = { ...maker.group(observations("a", 1)), state: [["key", Symbol("no value")]] } as unknown as Group;
  assert.throws(() => store.commit(broken));
  assert.deepEqual(store.settledRanges("telemetry"), [1, block!.id]);
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 0);
  store.flush();
  assert.equal(store.usage().head.total.published, 10);
});

test("forwarded records go before unsent ones, without a ledger entry", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t), { quotaBytes: 16_777_216 }));
  const maker = new GroupMaker();
  fill(store, maker, 600);
  const ids = blocksOf(store, "telemetry").map(({ id }) => id);
  store.settle("telemetry", 1, ids[449]!);
  fill(store, maker, 500);
  reclaimAll(store);
  assert.deepEqual(ledgerOf(store), []);
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 650 * 40);
});

test("with the stop policy nothing unsent is dropped, and the store says that it is full", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t), { quotaBytes: 16_777_216, telemetryWhenFull: "stop" }));
  fill(store, new GroupMaker(), 1_200);
  const before = recordsIn(store).length;
  reclaimAll(store);
  assert.equal(recordsIn(store).length, before);
  assert.equal(store.commit(new GroupMaker().group(observations("late", 1))).kind, "full");
});

test("history expires by age and is counted, not ledgered", (t) => {
  const clock = new ManualClock();
  const store = openStore(t, storeOptions(temporaryFolder(t), { historyDays: 1 }), clock);
  append(store, new GroupMaker(), [{ stream: "history", device: "a", value: "h" }]);
  clock.advanceMs(25 * 3600e3);
  reclaimAll(store);
  assert.deepEqual(recordsIn(store, "history"), []);
  assert.deepEqual(ledgerOf(store), []);
  assert.equal(store.usage().head.total.expired, 1);
});

test("block ids are never reused, also when everything was deleted", (t) => {
  const clock = new ManualClock();
  const options = storeOptions(temporaryFolder(t), { historyDays: 1 });
  const store = openStore(t, options, clock);
  append(store, new GroupMaker(), [{ stream: "history", device: "a", value: "h" }]);
  const last = lanes.flatMap((lane) => blocksOf(store, lane)).reduce((max, { id }) => Math.max(max, id), 0);
  clock.advanceMs(25 * 3600e3);
  reclaimAll(store);
  abandon(store);
  const again = openStore(t, options, clock);
  append(again, new GroupMaker(), observations("a", 1));
  assert(blocksOf(again, "telemetry")[0]!.id > last);
});

test("the partition count is frozen while records are unsent, and changes when all is sent", (t) => {
  const options = storeOptions(temporaryFolder(t));
  const store = openStore(t, options);
  append(store, new GroupMaker(), observations("a", 1));
  abandon(store);
  assert.throws(() => Store.open({ ...options, partitions: 8 }, systemClock), hasCode("CONFIG_INVALID"));
  const again = openStore(t, options);
  for (const lane of lanes) again.settle(lane, 1, again.usage().head.nextBlock);
  again.flush();
  abandon(again);
  const changed = openStore(t, { ...options, partitions: 8 });
  assert.equal(changed.setAside, undefined);
});

function editDatabase(folder: string, sql: string): void {
  const db = new DatabaseSync(join(folder, "journal.db"));
  db.exec(sql);
  db.close();
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TidegateError && error.code === code;
}

test("a store whose disk is gone answers with an error that can be retried, and never with a crash", (t) => {
  const store = openStore(t, storeOptions(temporaryFolder(t)));
  const maker = new GroupMaker();
  append(store, maker, observations("a", 1));
  store.abandon();
  const questions: (() => unknown)[] = [
    () => store.usage(),
    () => store.next("telemetry", 0),
    () => store.writeManifest(),
    () => store.reclaim(),
    () => store.quarantined(1),
  ];
  for (const ask of questions) assert.throws(ask, hasCode("JOURNAL_IO"));
  append(store, maker, observations("b", 1));
  assert.deepEqual(
    recordsIn(store).map(({ device }) => device),
    ["a", "b"],
    "the next commit opens it again",
  );
});
