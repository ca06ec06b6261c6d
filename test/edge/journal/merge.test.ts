// Goal: merging changes where records lie and nothing else: every reader finds the same blocks with the same bytes,
// numbers and ids, what is settled stays settled record by record, and what is lost is named exactly.
// Method: a real store with random records; what its readers see before a merge is compared with what they see after it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import { Journal } from "../../../edge/journal/journal.ts";
import { unpackStored } from "../../../edge/journal/merged-block.ts";
import { Store, type StoreOptions } from "../../../edge/journal/store.ts";
import { ManualClock, systemClock, type Clock } from "../../../src/clock.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import type { Lane, Stream } from "../../../src/wire/streams.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { runSeed } from "../../support/seed.ts";
import { blocksOf, commitReader, ledgerOf, mergeAll } from "../../support/stored.ts";
import { until } from "../../support/until.ts";

const laneOf: readonly Lane[] = ["critical", "insight", "telemetry", "history"];

function openStore(t: TestContext, options: StoreOptions, clock: Clock = systemClock): Store {
  const store = Store.open(options, clock);
  t.after(() => store.abandon());
  return store;
}

/** An hour passes at the end, so that also a few blocks are worth a merge. */
function openAged(t: TestContext, more: Partial<StoreOptions> = {}) {
  const clock = new ManualClock();
  const options = storeOptions(temporaryFolder(t), more);
  const store = openStore(t, options, clock);
  const maker = new GroupMaker();
  return {
    store,
    options,
    append: (records: readonly TestRecord[]) => assert.equal(store.commit(maker.group(records)).kind, "stored"),
    /** Appends one more block of each of the lanes, an hour later, and merges. */
    merge: (streams: readonly Stream[] = ["observations"]): number => {
      clock.advanceMs(3_600_000);
      const last = streams.map((stream) => ({ stream, device: "last", value: "last" }));
      assert.equal(store.commit(maker.group(last)).kind, "stored");
      // What is unsent of `insight` stays apart, to be dropped by its severity if it has to go.
      store.settle("insight", 1, store.usage().head.nextBlock);
      return mergeAll(store);
    },
  };
}

/** Times of all kinds: as the gateway writes them, others that look like it, none. */
function randomRecord({ next: random }: { next: () => number }): TestRecord {
  const device = `d${Math.floor(random() * 5)}`;
  const stream = (["observations", "history", "observations", "alerts", "devices", "sessions"] as const)[
    Math.floor(random() * 6)
  ]!;
  const micros = Math.floor(random() < 0.1 ? random() * 1e12 : 1.7e15 + random() * 1e9);
  const time = random() < 0.1 ? "2026-02-30T25:61:00.000000Z" : formatWireTime(micros);
  const received = random() < 0.2 ? "2026-11-21T09:28:12.12345 Z" : formatWireTime(1.7e15 + Math.floor(random() * 1e9));
  const kinds: (() => Omit<TestRecord, "stream" | "device">)[] = [
    () => ({ value: `{"time":"${time}","received":"${received}","n":${random()}}`, timeAt: 9, timeMicros: micros }),
    () => ({ value: `{"time":"${time}","n":"ünïcode"}`, timeAt: 9, timeMicros: micros }),
    () => ({ value: `{"time":"${time}`, timeAt: 9, timeMicros: micros }),
    () => ({ value: "" }),
    () => ({ value: "no time at all".repeat(Math.floor(random() * 20)) }),
    () => ({ value: formatWireTime(micros), timeAt: 0, timeMicros: micros }),
  ];
  return { stream, device, ...kinds[Math.floor(random() * kinds.length)]!() };
}

/** Everything that readers see. Times of a block's devices may be those of the longer run they are part of. */
function seen(store: Store) {
  return laneOf.map((lane) => blocksOf(store, lane).map(shown));
}

function shown(block: Block) {
  const entries = block.entries.map(({ minTimeMicros: _from, maxTimeMicros: _to, ...entry }) => entry);
  return { ...block, entries, records: block.records.toString("latin1") };
}

test("readers find the same blocks, byte for byte, before and after a merge, and after a crash behind it", (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const { store, options, append, merge } = openAged(t);
  for (let i = 0; i < 200; i++)
    append(Array.from({ length: 1 + Math.floor(random.next() * 20) }, () => randomRecord(random)));
  const before = seen(store);
  const head = structuredClone(store.usage().head);
  assert.equal(merge(["observations", "history", "alerts", "sessions"]), 4);
  const after = seen(store).map((blocks) => blocks.slice(0, -1));
  assert.deepEqual(after, before);
  const now = store.usage().head;
  for (const lane of laneOf) {
    assert.equal(now.lanes[lane].blocks, 1, lane);
    assert(now.lanes[lane].bytes < head.lanes[lane].bytes / 2, `${lane} became much smaller`);
    assert.equal(now.lanes[lane].records, head.lanes[lane].records + 1);
  }
  store.abandon();
  const again = openStore(t, options);
  assert.deepEqual(
    seen(again).map((blocks, i) => blocks.slice(0, before[i]!.length)),
    before,
  );
});

test("commits are read the same across lanes that were merged differently", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const { store, append, merge } = openAged(t);
  for (let i = 0; i < 60; i++)
    append(Array.from({ length: 1 + Math.floor(random.next() * 5) }, () => randomRecord(random)));
  const commits = async () => {
    const reader = commitReader(store);
    const found: unknown[] = [];
    for (let next = await reader.next(0); next !== undefined; next = await reader.next(next.commit)) {
      found.push([next.commit, next.blocks.map(shown)]);
    }
    return found;
  };
  const before = await commits();
  merge(["observations"]);
  assert.deepEqual((await commits()).slice(0, before.length), before);
  merge(["history", "alerts", "sessions"]);
  assert.deepEqual((await commits()).slice(0, before.length), before);
});

test("settling goes on part by part, and counts stay exact over merge, crash and the rest of the settlements", (t) => {
  const { store, options, append, merge } = openAged(t);
  for (let i = 0; i < 20; i++) append(observations("a", 10, i * 10));
  const ids = blocksOf(store, "telemetry").map(({ id }) => id);
  store.settle("telemetry", 1, ids[4]!);
  assert.equal(merge(), 1);
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 151);
  store.settle("telemetry", ids[4]! + 1, ids[9]!);
  store.settle("telemetry", ids[7]!, ids[9]!);
  store.settle("telemetry", ids[15]!, ids[15]!);
  store.flush();
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 91);
  assert.equal(store.usage().head.total.published, 110);
  store.abandon();
  const again = openStore(t, options);
  assert.equal(again.usage().head.lanes.telemetry.unsentRecords, 91);
  again.settle("telemetry", 1, blocksOf(again, "telemetry").at(-1)!.id);
  const { unsentRecords, unsentBytes } = again.usage().head.lanes.telemetry;
  assert.deepEqual({ unsentRecords, unsentBytes }, { unsentRecords: 0, unsentBytes: 0 });
  assert.equal(again.usage().head.total.published, 201);
});

test("of a merged block that has to go, exactly what is not settled is named, with the reason of each part", (t) => {
  const { store, append, merge } = openAged(t, { quotaBytes: 16_777_216, replayWindowHours: 8_760 });
  for (let i = 0; i < 10; i++) append([...observations("a", 3, i * 3), ...observations("b", 1, i)]);
  const ids = blocksOf(store, "telemetry").map(({ id }) => id);
  store.settle("telemetry", 1, ids[3]!);
  store.sending("telemetry", ids[4]!, ids[5]!);
  assert.equal(merge(), 1);
  const noise = () => ({
    stream: "observations" as const,
    device: "z",
    value: randomBytes(500_000).toString("base64"),
  });
  for (let i = 0; i < 30; i++) append([noise()]);
  for (let steps = 0; store.reclaim().more; steps++) assert(steps < 1_000);
  const named = ledgerOf(store).filter(({ device }) => device === "a" || device === "b");
  const total = (device: string, reason: string) =>
    named
      .filter((loss) => loss.device === device && loss.reason === reason)
      .flatMap(({ first, last }) => Array.from({ length: last! - first! + 1 }, (_, i) => first! + i));
  const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
  assert.deepEqual(total("a", "maybe-delivered"), upTo(13, 18));
  assert.deepEqual(total("a", "quota"), upTo(19, 30));
  assert.deepEqual(total("b", "maybe-delivered"), upTo(5, 6));
  assert.deepEqual(total("b", "quota"), upTo(7, 10));
});

test("a damaged merged block is named whole, from its directory, and its neighbours stay", (t) => {
  const { store, options, append, merge } = openAged(t);
  for (let i = 0; i < 10; i++) append(observations("a", 3, i * 3));
  merge();
  append(observations("a", 1, 31));
  store.abandon();
  const [id] = edit(options.folder, "SELECT id FROM merged_telemetry");
  edit(options.folder, `UPDATE blocks_telemetry SET data = data || x'00' WHERE id = ${id}`);
  const again = openStore(t, options);
  const packed = again.next("telemetry", 0)!;
  assert.throws(() => unpackStored(packed.id, packed.data, packed.crc));
  again.setCorruptAside("telemetry", packed.id);
  assert.deepEqual(
    blocksOf(again, "telemetry").flatMap((block) => [...recordsOf(block)].map(({ seq }) => seq)),
    [31],
  );
  assert.deepEqual(
    ledgerOf(again).map(({ device, first, last, reason, epoch }) => ({ device, first, last, reason, epoch })),
    [
      { device: "a", first: 1, last: 30, reason: "corrupt", epoch: store.epoch.text },
      { device: "last", first: 1, last: 1, reason: "corrupt", epoch: store.epoch.text },
    ],
  );
});

test("a damaged block within a run is set aside and named, and the others are merged around it", (t) => {
  const { store, options, append } = openAged(t);
  for (let i = 0; i < 10; i++) append(observations("a", 3, i * 3));
  const ids = blocksOf(store, "telemetry").map(({ id }) => id);
  store.abandon();
  edit(options.folder, `UPDATE blocks_telemetry SET data = data || x'00' WHERE id = ${ids[4]}`);
  // A later epoch ends the run of the one before.
  const again = openStore(t, options);
  again.commit(new GroupMaker().group(observations("b", 1)));
  mergeAll(again);
  assert.deepEqual(
    blocksOf(again, "telemetry").map(({ id }) => id),
    [...ids.filter((id) => id !== ids[4]), blocksOf(again, "telemetry").at(-1)!.id],
  );
  const numbers = blocksOf(again, "telemetry").flatMap((block) => [...recordsOf(block)].map(({ seq }) => seq));
  assert.deepEqual(numbers.slice(0, -1), [
    ...Array.from({ length: 12 }, (_, i) => i + 1),
    ...Array.from({ length: 15 }, (_, i) => i + 16),
  ]);
  assert.deepEqual(
    ledgerOf(again).map(({ first, last, reason }) => [first, last, reason]),
    [[13, 15, "corrupt"]],
  );
});

test("what was reclaimed while a merge was on its way stays reclaimed, and the rest is merged later", (t) => {
  const clock = new ManualClock();
  const store = openStore(t, storeOptions(temporaryFolder(t), { historyDays: 1 }), clock);
  const maker = new GroupMaker();
  for (let i = 0; i < 10; i++) {
    clock.advanceMs(3_600_000);
    store.commit(maker.group([{ stream: "history", device: "a", value: `${i}` }]));
  }
  let found = store.findMerge();
  while (found === "again") found = store.findMerge();
  assert(found !== "nothing");
  while (store.takeForMerge(found).more);
  clock.advanceMs(15 * 3_600_000);
  while (store.reclaim().more);
  const left = blocksOf(store, "history").map(shown);
  assert(left.length < 10 && left.length > 0);
  store.finishMerge(found, zstdCompressSync(found.builder!.body()));
  assert.deepEqual(blocksOf(store, "history").map(shown), left);
  assert(mergeAll(store) > 0);
  assert.deepEqual(blocksOf(store, "history").map(shown), left);
});

test("a crash before a merge is committed leaves everything as it was", (t) => {
  const { store, options, append } = openAged(t);
  for (let i = 0; i < 10; i++) append(observations("a", 3, i * 3));
  const before = seen(store);
  const clock = new ManualClock();
  store.abandon();
  const again = openStore(t, options, clock);
  again.abandon();
  const third = openStore(t, options, clock);
  assert.deepEqual(seen(third)[2], before[2]);
});

test("the journal's thread merges by itself while it commits", async (t) => {
  const journal = await Journal.open(storeOptions(temporaryFolder(t)));
  t.after(() => journal.close());
  const maker = new GroupMaker();
  for (let i = 0; i < 100; i++) {
    assert.equal((await journal.commit(maker.group(observations(`d${i % 3}`, 95, i * 100)))).kind, "stored");
  }
  const blocks = async () => (await journal.usage()).head.lanes.telemetry.blocks;
  await until("the blocks are merged", async () => (await blocks()) < 30);
  let records = 0;
  for (let next = await journal.nextCommit(0); next !== undefined; next = await journal.nextCommit(next.commit)) {
    records += next.blocks
      .filter(({ lane }) => lane === "telemetry")
      .reduce((sum, block) => sum + [...recordsOf(block)].length, 0);
  }
  assert.equal(records, 9_500);
});

function edit(folder: string, sql: string): number[] {
  const db = new DatabaseSync(join(folder, "journal.db"));
  try {
    return db
      .prepare(sql)
      .all()
      .map((row) => Number(Object.values(row)[0]));
  } finally {
    db.close();
  }
}

test("a journal of format 1 is taken over: its records, what was settled, its cursors, and then it is merged", (t) => {
  const folder = temporaryFolder(t);
  const old = readFileSync(join(import.meta.dirname, "format-1.db.zst"));
  writeFileSync(join(folder, "journal.db"), zstdDecompressSync(old));
  const store = openStore(t, storeOptions(folder));
  assert.equal(store.setAside, undefined);
  const records = () => blocksOf(store, "telemetry").flatMap((block) => [...recordsOf(block)].map(({ seq }) => seq));
  const all = Array.from({ length: 30 }, (_, i) => i + 1);
  assert.deepEqual(records(), all);
  const unsent = store.usage().head.lanes.telemetry.unsentRecords;
  assert(unsent > 0 && unsent < 30);
  assert.deepEqual(store.statesBelow("source:"), [["s/k", "9"]]);
  store.commit(new GroupMaker().group(observations("b", 1)));
  assert(mergeAll(store) > 0);
  assert.deepEqual(records(), [...all, 1]);
  store.settle("telemetry", 1, store.usage().head.nextBlock);
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 0);
});
