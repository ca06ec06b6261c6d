// Goal: the journal looks the same through a MessagePort as it does directly.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { JournalPort, serveForwarder, type ForwardJournal } from "../../../edge/forward/journal-port.ts";
import type { RefusedRecord } from "../../../edge/forward/protocol.ts";
import type { Block } from "../../../edge/journal/block.ts";

const block: Block = {
  id: 12,
  lane: "telemetry",
  epoch: "3-00112233445566aa",
  commit: 9,
  entries: [
    {
      stream: "observations",
      device: "press-17",
      partition: 1,
      firstSeq: 5,
      count: 1,
      minTimeMicros: 1.7e15,
      maxTimeMicros: 1.7e15,
    },
  ],
  records: Buffer.from("twelve bytes and more"),
};

const refused: RefusedRecord = {
  epoch: block.epoch,
  stream: "observations",
  device: "press-17",
  seq: 5,
  value: new Uint8Array([1, 2]),
  reason: "too large",
};

function connect(journal: Partial<ForwardJournal>): { port: JournalPort; close: () => void } {
  const { port1, port2 } = new MessageChannel();
  const absent: ForwardJournal = {
    next: () => Promise.resolve(undefined),
    nextCommit: () => Promise.resolve([]),
    load: () => Promise.resolve(new Map()),
    settle: () => {},
    quarantine: () => {},
  };
  const close = serveForwarder(port2, { ...absent, ...journal });
  return { port: new JournalPort(port1), close };
}

test("a block comes back whole, and absence stays absence", async () => {
  const { port, close } = connect({ next: (_lane, after) => Promise.resolve(after < 12 ? block : undefined) });
  assert.deepEqual(await port.next("telemetry", 11), block);
  assert.equal(await port.next("telemetry", 12), undefined);
  close();
});

test("the blocks of a commit come back in order", async () => {
  const { port, close } = connect({ nextCommit: () => Promise.resolve([block, { ...block, id: 13 }]) });
  assert.deepEqual(
    (await port.nextCommit(8)).map(({ id }) => id),
    [12, 13],
  );
  close();
});

test("settled ranges are loaded", async () => {
  const { port, close } = connect({ load: () => Promise.resolve(new Map([["critical", [1, 4, 7, 9]]] as const)) });
  assert.deepEqual(await port.load(), new Map([["critical", [1, 4, 7, 9]]]));
  close();
});

test("neighbouring settlements travel as one range, behind the refused records before them", async () => {
  const calls: unknown[] = [];
  const { port, close } = connect({
    settle: (...range) => calls.push(range),
    quarantine: (records) => calls.push(records),
  });
  port.settle("telemetry", 1, 3);
  port.settle("telemetry", 4, 4);
  port.settle("critical", 5, 5);
  port.quarantine([refused]);
  await port.load(); // asked after them, so they are through when it is answered
  port.flush();
  await port.load();
  assert.deepEqual(calls.slice(-2), [
    ["telemetry", 1, 4],
    ["critical", 5, 5],
  ]);
  assert.deepEqual(calls[0], [refused]);
  close();
});

test("a journal that fails is an error of that request only", async () => {
  const { port, close } = connect({ next: () => Promise.reject(new Error("disk")) });
  await assert.rejects(port.next("telemetry", 0), { code: "JOURNAL_IO", message: "disk" });
  assert.equal((await port.load()).size, 0);
  close();
});

test("a journal worker that is gone fails what waits", async () => {
  const { port, close } = connect({ next: () => new Promise(() => {}) });
  const waiting = assert.rejects(port.next("telemetry", 0), { code: "WORKER_DIED" });
  close();
  await waiting;
});
