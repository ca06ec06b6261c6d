// Goal: what leaves the quarantine leaves it with a reason: a retry with its records, a deletion and an eviction with
// their names in the ledger, all in one transaction. Method: the real store; a crash after each step.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { recordsOf, unpackBlock } from "../../../edge/journal/block.ts";
import type { QuarantineItem, RetriedMessage } from "../../../edge/journal/group.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { Actor, AuditRecord, LedgerRecord } from "../../../src/wire/records.ts";
import { lanes } from "../../../src/wire/streams.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder } from "../../support/records.ts";

const t0 = 1.7e15;
const by: Actor = { role: "operator", from: "127.0.0.1" };

function openStore(t: TestContext, folder: string, overrides = {}): Store {
  const store = Store.open(storeOptions(folder, overrides), new ManualClock(t0));
  t.after(() => store.abandon());
  return store;
}

function bad(n: number, changes: Partial<QuarantineItem> = {}): QuarantineItem {
  return {
    timeMicros: t0 + n,
    source: "plant",
    address: `p/d${n}`,
    device: `d${n}`,
    profile: "generic/json-sensor",
    form: "bytes",
    reason: "not-json",
    detail: "no JSON",
    size: 3,
    bytes: Buffer.from(`#${String(n).padStart(2, "0")}`),
    ...changes,
  };
}

function fill(store: Store, count: number, changes: (n: number) => Partial<QuarantineItem> = () => ({})): void {
  const items = Array.from({ length: count }, (_, i) => bad(i + 1, changes(i + 1)));
  store.commit(new GroupMaker().group([], { quarantine: items }));
}

const idsOf = (store: Store): number[] => store.quarantinePage({}, Infinity, 1_000).rows.map(({ id }) => id);

/** Own records of the journal of one stream. */
function own<T>(store: Store, stream: "ledger" | "audit"): T[] {
  const values: T[] = [];
  for (let after = 0; ;) {
    const packed = store.next("critical", after);
    if (packed === undefined) return values;
    after = packed.id;
    for (const { entry, value } of recordsOf(unpackBlock(packed.id, packed.data, packed.crc))) {
      if (entry.stream === stream) values.push(JSON.parse(value.toString()) as T);
    }
  }
}

const losses = (store: Store): LedgerRecord[] =>
  own<LedgerRecord | { kind: "manifest" }>(store, "ledger").filter((record) => record.kind === "loss");

test("pages go from the newest to the oldest, and a filter leaves nothing out that fits", (t) => {
  const store = openStore(t, temporaryFolder(t));
  fill(store, 25, (n) => (n % 5 === 0 ? { reason: "bad-time", source: "line-2" } : {}));
  const seen: number[] = [];
  for (let before: number | undefined = Infinity; before !== undefined;) {
    const page = store.quarantinePage({}, before, 10);
    seen.push(...page.rows.map(({ id }) => id));
    before = page.next;
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 25 }, (_, i) => 25 - i),
  );
  const filters = [
    [{ reason: "bad-time" }, [25, 20, 15, 10, 5]],
    [{ source: "line-2", fromMicros: t0 + 10, toMicros: t0 + 20 }, [15, 10]],
    [{ device: "d7" }, [7]],
    [{ device: "d7", reason: "bad-time" }, []],
  ] as const;
  for (const [filter, ids] of filters) {
    const { rows, next } = store.quarantinePage(filter, Infinity, 100);
    assert.deepEqual([rows.map(({ id }) => id), next], [ids, undefined], JSON.stringify(filter));
  }
});

test("a search that finds nothing in many messages goes on where it stopped", (t) => {
  const store = openStore(t, temporaryFolder(t));
  fill(store, 2_500, (n) => (n === 1 ? { reason: "empty" } : {}));
  const first = store.quarantinePage({ reason: "empty" }, Infinity, 10);
  assert.deepEqual([first.rows.length, first.next], [0, 501]);
  const second = store.quarantinePage({ reason: "empty" }, first.next!, 10);
  assert.deepEqual([second.rows.map(({ id }) => id), second.next], [[1], undefined]);
});

const read = (id: number): RetriedMessage => ({ id, by, timeMicros: t0 + 99, outcome: { kind: "read" } });
const still = (id: number): RetriedMessage => ({
  id,
  by,
  timeMicros: t0 + 99,
  outcome: { kind: "bad", reason: "bad-time", detail: "no time" },
});

test("a retry that reads takes the message out with the records; one that does not counts a try", (t) => {
  const folder = temporaryFolder(t);
  const store = openStore(t, folder);
  fill(store, 3);
  const committed = store.commit(
    new GroupMaker().group(observations("d1", 2), { retried: [read(1), still(2), read(77)] }),
  );
  assert.equal(committed.kind, "stored");
  store.abandon();
  const again = openStore(t, folder);
  assert.deepEqual(idsOf(again), [3, 2]);
  const { tries, triedMicros, reason, detail, timeMicros } = again.quarantined(2)!;
  assert.deepEqual([tries, triedMicros, reason, detail, timeMicros], [1, t0 + 99, "bad-time", "no time", t0 + 2]);
  const { head } = again.usage();
  assert.deepEqual([head.quarantine.count, head.total.released, head.total.quarantined], [2, 1, 3]);
  const [audit, ...more] = own<AuditRecord>(again, "audit");
  assert.deepEqual(more, []);
  assert.deepEqual(
    [audit!.who, audit!.from, audit!.action, audit!.target, audit!.count, audit!.detail],
    ["operator", "127.0.0.1", "quarantine-retry", "3 messages from 1 to 77", 3, "2 could be read, 1 still not"],
  );
});

test("a transaction that fails leaves the message where it was", (t) => {
  const folder = temporaryFolder(t);
  const store = openStore(t, folder);
  fill(store, 1);
  const group = new GroupMaker().group(observations("d1", 1), { retried: [read(1)] });
  // A lane whose entries name a device that the store was never told of: the transaction breaks after the retry.
  const broken = { ...group, newDevices: [] };
  assert.throws(() => store.commit(broken));
  assert.deepEqual(idsOf(store), [1]);
  assert.deepEqual([store.usage().head.quarantine.count, store.usage().head.total.released], [1, 0]);
});

test("what a person deletes is named in ledger and audit, once, also when it is asked for twice", (t) => {
  const folder = temporaryFolder(t);
  const store = openStore(t, folder);
  fill(store, 4);
  assert.equal(store.deleteQuarantined([2, 3, 3, 99], by).deleted, 2);
  assert.deepEqual(store.deleteQuarantined([2, 3], by), { deleted: 0, blocks: [] });
  store.abandon();
  const again = openStore(t, folder);
  assert.deepEqual(idsOf(again), [4, 1]);
  const [loss, ...more] = losses(again);
  assert.deepEqual(more, []);
  assert.deepEqual([loss!.reason, loss!.count, loss!.device], ["quarantine-deleted", 2, "gw-test/quarantine"]);
  assert.deepEqual(
    own<AuditRecord>(again, "audit").map(({ action, target, count }) => [action, target, count]),
    [["quarantine-delete", "2 messages from 2 to 3", 2]],
  );
  const { head } = again.usage();
  assert.deepEqual([head.quarantine, head.losses], [{ count: 2, bytes: 6 }, { "quarantine-deleted": 2 }]);
});

test("an eviction of many is one entry in the ledger, and is listed with its reason", (t) => {
  const store = openStore(t, temporaryFolder(t), { quarantineBytesMax: 30 });
  fill(store, 15);
  assert.deepEqual(idsOf(store), [15, 14, 13, 12, 11, 10, 9, 8, 7, 6]);
  assert.deepEqual(
    losses(store).map(({ reason, count }) => [reason, count]),
    [["quarantine-evicted", 5]],
  );
  const [row, ...more] = store.losses(10);
  assert.deepEqual(more, []);
  assert.deepEqual([row!.reason, row!.stream, row!.records], ["quarantine-evicted", "quarantine", 5]);
});

test("losses of one kind that follow closely are one row, later ones another, and the list is bounded", (t) => {
  const clock = new ManualClock(t0);
  const store = Store.open(storeOptions(temporaryFolder(t), { quarantineBytesMax: 1 }), clock);
  t.after(() => store.abandon());
  for (let i = 0; i < 3; i++) fill(store, 2);
  clock.advanceMs(61_000);
  fill(store, 1);
  assert.deepEqual(
    store.losses(10).map(({ records }) => records),
    [1, 6],
  );
  assert.equal(store.losses(1).length, 1);
});

test("a journal of format 1 keeps its quarantine and never gives an id twice", (t) => {
  const folder = temporaryFolder(t);
  const store = openStore(t, folder);
  store.abandon();
  const db = new DatabaseSync(join(folder, "journal.db"));
  for (const lane of lanes) db.exec(`DROP TABLE merged_${lane}`);
  db.exec(`DROP TABLE quarantine; DROP TABLE losses; DROP TABLE highest; PRAGMA user_version = 1;
    DELETE FROM meta; ALTER TABLE state DROP COLUMN crc; ALTER TABLE epochs DROP COLUMN crc;
    CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, source TEXT NOT NULL,
      address TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT NOT NULL, size INTEGER NOT NULL, data BLOB NOT NULL);
    INSERT INTO quarantine VALUES (7, 5, 's', 'a', 'not-json', 'd', 3, x'414243'), (9, 6, 's', 'a', 'empty', '', 0, x'');
    DELETE FROM quarantine WHERE id = 9`);
  db.close();
  const migrated = openStore(t, folder);
  const { rows } = migrated.quarantinePage({}, Infinity, 10);
  assert.deepEqual(
    rows.map(({ id, size, keptBytes, device, tries }) => [id, size, keptBytes, device, tries]),
    [[7, 3, 3, "", 0]],
  );
  fill(migrated, 1);
  assert.deepEqual(idsOf(migrated), [10, 7]);
});
