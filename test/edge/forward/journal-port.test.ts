// Goal: the journal looks the same through a MessagePort as it does directly, and a damaged block is no obstacle.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { JournalPort, serveForwarder, type ForwardStore } from "../../../edge/forward/journal-port.ts";
import type { RefusedRecord } from "../../../edge/forward/protocol.ts";
import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import { Store } from "../../../edge/journal/store.ts";
import { systemClock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import type { Lane } from "../../../src/wire/streams.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder } from "../../support/records.ts";
import { mergeAll } from "../../support/stored.ts";
import { until } from "../../support/until.ts";

const refused: RefusedRecord = {
  epoch: "3-00112233445566aa",
  stream: "observations",
  device: "press-17",
  seq: 5,
  value: new Uint8Array([1, 2]),
  reason: "too large",
};

function connect(t: TestContext, store: Partial<ForwardStore>): { port: JournalPort; close: () => void } {
  const { port1, port2 } = new MessageChannel();
  const absent: ForwardStore = {
    next: () => undefined,
    setCorruptAside: () => {},
    settledRanges: () => [],
    quarantine: () => {},
    sending: () => {},
    settle: () => {},
  };
  const close = serveForwarder(port2, { ...absent, ...store });
  t.after(close);
  return { port: new JournalPort(port1), close };
}

/** A store on disk with `blocks` blocks of three observations each, and the port of a forwarder to it. */
function connectStore(t: TestContext, blocks: number, damage: (db: DatabaseSync) => void = () => {}) {
  const options = storeOptions(temporaryFolder(t));
  const before = Store.open(options, systemClock);
  const maker = new GroupMaker();
  for (let i = 0; i < blocks; i++) before.commit(maker.group(observations("a", 3, i * 3)));
  before.abandon();
  const db = new DatabaseSync(join(options.folder, "journal.db"));
  damage(db);
  db.close();
  const store = Store.open(options, systemClock);
  t.after(() => store.abandon());
  const { port } = connect(t, {
    next: (lane, after) => store.next(lane, after),
    setCorruptAside: (lane, id) => void store.setCorruptAside(lane, id),
  });
  return { store, port };
}

async function readAll(port: JournalPort, lane: Lane): Promise<Block[]> {
  const blocks: Block[] = [];
  for (let after = 0; ;) {
    const block = await port.next(lane, after);
    if (block === undefined) return blocks;
    blocks.push(block);
    after = block.id;
  }
}

function sequences(blocks: readonly Block[]): number[] {
  return blocks.flatMap((block) => [...recordsOf(block)].map(({ seq }) => seq));
}

test("blocks come back whole, also a second time, and absence stays absence", async (t) => {
  const { port } = connectStore(t, 3);
  const blocks = await readAll(port, "telemetry");
  assert.deepEqual(sequences(blocks), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual(await readAll(port, "telemetry"), blocks);
  assert.equal(await port.next("insight", 0), undefined);
});

test("merged blocks come back one by one, also to two passes that read at different places", async (t) => {
  const { store, port } = connectStore(t, 8);
  const before = await readAll(port, "telemetry");
  store.commit(new GroupMaker().group(observations("b", 1)));
  assert.equal(mergeAll(store), 1);
  const others = connect(t, { next: (lane, after) => (asked++, store.next(lane, after)) });
  let asked = 0;
  const [main, repair]: [Block[], Block[]] = [[], []];
  for (let i = 0; i < 7; i++) {
    main.push((await others.port.next("telemetry", main.at(-1)?.id ?? 0))!);
    if (i % 2 === 1) repair.push((await others.port.next("telemetry", repair.at(-1)?.id ?? 0))!);
  }
  assert.deepEqual(main, before.slice(0, 7));
  assert.deepEqual(repair, before.slice(0, 3));
  assert.equal(asked, 3, "one question found the merged block, the one behind it, and nothing more");
});

test("corrupt blocks are skipped and named in the ledger, their neighbours are delivered", async (t) => {
  const { store, port } = connectStore(t, 5, (db) => {
    const ids = db
      .prepare("SELECT id FROM blocks_telemetry ORDER BY id")
      .all()
      .map(({ id }) => Number(id));
    db.exec(`UPDATE blocks_telemetry SET crc = crc + 1 WHERE id IN (${ids[1]}, ${ids[2]})`);
    db.exec(`UPDATE blocks_telemetry SET data = 'no longer a BLOB' WHERE id = ${ids[4]}`);
  });
  assert.deepEqual(sequences(await readAll(port, "telemetry")), [1, 2, 3, 10, 11, 12]);
  const own = (await readAll(port, "critical")).flatMap((block) => [...recordsOf(block)]);
  const losses = own.map(
    ({ value }) => JSON.parse(value.toString()) as { kind: string; first: number; reason: string },
  );
  assert.deepEqual(
    losses.filter(({ kind }) => kind === "loss").map(({ first, reason }) => [first, reason]),
    [
      [4, "corrupt"],
      [7, "corrupt"],
      [13, "corrupt"],
    ],
  );
  assert.equal(store.usage().head.lanes.telemetry.unsentRecords, 6);
});

test("a corrupt block that cannot be set aside yet fails the read, and is skipped later", async (t) => {
  let full = true;
  let aside = false;
  const { port } = connect(t, {
    next: () => (aside ? undefined : { id: 7, crc: 1, data: new Uint8Array([1, 2, 3]) }),
    setCorruptAside: (lane, id) => {
      assert.deepEqual([lane, id], ["telemetry", 7]);
      if (full) throw new TidegateError("JOURNAL_FULL", "the disk is full");
      aside = true;
    },
  });
  await assert.rejects(port.next("telemetry", 0), { code: "JOURNAL_IO", message: "the disk is full" });
  full = false;
  assert.equal(await port.next("telemetry", 0), undefined);
});

test("settled ranges are loaded", async (t) => {
  const { port } = connect(t, { settledRanges: () => [["critical", [1, 4, 7, 9]]] });
  assert.deepEqual(await port.load(), new Map([["critical", [1, 4, 7, 9]]]));
});

test("neighbouring ranges travel as one, and what is sending before what is settled", async (t) => {
  const calls: unknown[] = [];
  const { port } = connect(t, {
    sending: (...range) => calls.push(["sending", ...range]),
    settle: (...range) => calls.push(["settle", ...range]),
  });
  port.settle("telemetry", 1, 3);
  port.sending("telemetry", 5, 6);
  port.sending("telemetry", 7, 7);
  port.settle("telemetry", 4, 7);
  port.settle("critical", 5, 5);
  port.flush();
  await port.load(); // Asked after them, so they are through when it is answered.
  assert.deepEqual(calls, [
    ["sending", "telemetry", 5, 7],
    ["settle", "telemetry", 1, 7],
    ["settle", "critical", 5, 5],
  ]);
});

test("what is about to be sent is told in the turn in which it is said", async (t) => {
  const calls: unknown[] = [];
  const { port } = connect(t, { sending: (...range) => calls.push(range) });
  port.sending("telemetry", 5, 6);
  await Promise.resolve();
  await port.load();
  assert.deepEqual(calls, [["telemetry", 5, 6]]);
});

test("refused records are in the quarantine when the port says so", async (t) => {
  const stored: RefusedRecord[] = [];
  let full = true;
  const { port } = connect(t, {
    quarantine: (records) => {
      if (full) throw new TidegateError("JOURNAL_FULL", "the disk is full");
      stored.push(...records);
    },
  });
  await assert.rejects(port.quarantine([refused]), { message: "the disk is full" });
  full = false;
  await port.quarantine([refused]);
  assert.deepEqual(stored, [refused]);
});

test("a journal that fails is an error of that request only", async (t) => {
  const { port } = connect(t, {
    next: () => {
      throw new Error("disk");
    },
  });
  await assert.rejects(port.next("telemetry", 0), { code: "JOURNAL_IO", message: "disk" });
  assert.equal((await port.load()).size, 0);
});

test("a journal worker that is gone fails what waits", async (t) => {
  const { port, close } = connect(t, {});
  const waiting = assert.rejects(port.next("telemetry", 0), { code: "WORKER_DIED" });
  close();
  await waiting;
});

test("small blocks come together, in order and each once, and a damaged one among them stops nothing", async (t) => {
  const { store, port } = connectStore(t, 40, (db) => {
    db.exec("UPDATE blocks_telemetry SET crc = crc + 1 WHERE id = (SELECT max(id) - 20 FROM blocks_telemetry)");
  });
  const reads = t.mock.method(store, "next");
  const blocks = await readAll(port, "telemetry");
  const ids = blocks.map(({ id }) => id);
  assert.equal(ids.length, 39);
  assert.deepEqual(
    ids,
    [...new Set(ids)].toSorted((a, b) => a - b),
  );
  // What was asked ahead, behind the damage, is looked up once more.
  assert.ok(reads.mock.callCount() < 100, `${reads.mock.callCount()} look-ups`);
});

test("what follows is asked for before it is needed, and its absence is not believed later", async (t) => {
  const { store, port } = connectStore(t, 16);
  const reads = t.mock.method(store, "next");
  const first = await port.next("telemetry", 0);
  await until("the journal was asked for what follows", () => reads.mock.callCount() === 17);
  assert.equal(store.commit(new GroupMaker().group(observations("b", 2))).kind, "stored");
  const others: Block[] = [];
  for (let block = first; block !== undefined; block = await port.next("telemetry", block.id)) others.push(block);
  assert.equal(others.length, 17);
  assert.deepEqual(
    [...recordsOf(others[16]!)].map(({ seq }) => seq),
    [1, 2],
  );
});
