// Goal: the past is read from a moment on, whole, in the order of arrival, also where it was merged; a damaged block is
// set aside and left out. Method: a store behind its port, read over a message channel.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";
import { MessageChannel } from "node:worker_threads";
import { recordsOf } from "../../../edge/journal/block.ts";
import { HistoryReader, serveHistory } from "../../../edge/journal/history-port.ts";
import { Store } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { Lane } from "../../../src/wire/streams.ts";
import { GroupMaker, storeOptions, temporaryFolder } from "../../support/records.ts";
import { runSeed } from "../../support/seed.ts";
import { mergeAll } from "../../support/stored.ts";

function site(t: TestContext) {
  const clock = new ManualClock();
  const options = storeOptions(temporaryFolder(t));
  const store = Store.open(options, clock);
  t.after(() => store.abandon());
  const maker = new GroupMaker();
  const random = runSeed((line) => t.diagnostic(line));
  const times: number[] = [];
  let number = 0;
  /** Commits of three records, a minute after each other. */
  const append = (commits: number): void => {
    for (let i = 0; i < commits; i++) {
      clock.advanceMs(60_000);
      const records = Array.from({ length: 3 }, () => ({
        stream: random.next() < 0.5 ? ("observations" as const) : ("history" as const),
        device: "pump",
        value: String(number++),
      }));
      times.push(clock.nowMicros());
      assert.equal(store.commit(maker.group(records)).kind, "stored");
    }
  };
  const { port1, port2 } = new MessageChannel();
  serveHistory(port2, {
    lastBefore: (lane, micros) => store.lastBefore(lane, micros),
    nextOf: (wanted) => store.nextOf(wanted),
    setCorruptAside: (lane, id) => void store.setCorruptAside(lane, id),
  });
  t.after(() => port1.close());
  return { store, options, clock, times, append, reader: new HistoryReader(port1) };
}

async function numbersSince(reader: HistoryReader, micros: number): Promise<number[]> {
  const numbers: number[] = [];
  for await (const blocks of reader.commitsSince(["telemetry", "history"], micros)) {
    const records = blocks
      .filter(({ lane }) => lane !== "critical")
      .flatMap((block) => [...recordsOf(block)])
      .toSorted((a, b) => a.position - b.position);
    numbers.push(...records.map(({ value }) => Number(value)));
  }
  return numbers;
}

const from = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, i) => first + i);

test("from any moment on, in order, before and after a merge", async (t) => {
  const { store, times, append, clock, reader } = site(t);
  append(40);
  assert.deepEqual(await numbersSince(reader, 0), from(0, 120));
  for (const [commit, time] of times.entries()) {
    const numbers = await numbersSince(reader, time);
    const [first] = numbers;
    // A lane that had nothing in between begins earlier, and the other with it.
    assert.ok(first! <= 3 * commit && first! > 3 * commit - 60, `from commit ${commit} on: ${first}`);
    assert.deepEqual(numbers, from(first!, 120));
  }
  clock.advanceMs(3_600_000);
  append(1);
  assert.ok(mergeAll(store) > 0);
  assert.deepEqual(await numbersSince(reader, 0), from(0, 123));
  for (const [commit, time] of times.entries()) {
    const numbers = await numbersSince(reader, time);
    assert.ok(numbers[0]! <= 3 * commit, `what was merged comes whole: ${numbers[0]}`);
    assert.deepEqual(numbers, from(numbers[0]!, 123));
  }
});

test("one lane alone", async (t) => {
  const { append, reader } = site(t);
  append(10);
  const seen: [Lane, number][] = [];
  for await (const block of reader.blocksSince("telemetry", 0)) {
    for (const { value } of recordsOf(block)) seen.push([block.lane, Number(value)]);
  }
  assert.ok(seen.length > 5 && seen.every(([lane]) => lane === "telemetry"));
  assert.deepEqual(
    seen.map(([, n]) => n),
    seen.map(([, n]) => n).toSorted((a, b) => a - b),
  );
});

test("a damaged block is set aside and the rest is read", async (t) => {
  const { store, options, append } = site(t);
  append(20);
  store.abandon();
  const db = new DatabaseSync(join(options.folder, "journal.db"));
  db.exec("UPDATE blocks_telemetry SET crc = crc + 1 WHERE id = (SELECT min(id) FROM blocks_telemetry)");
  db.close();
  const again = Store.open(options, new ManualClock());
  t.after(() => again.abandon());
  const { port1, port2 } = new MessageChannel();
  t.after(() => port1.close());
  const aside: number[] = [];
  serveHistory(port2, {
    lastBefore: (lane, micros) => again.lastBefore(lane, micros),
    nextOf: (wanted) => again.nextOf(wanted),
    setCorruptAside: (lane, id) => {
      aside.push(id);
      again.setCorruptAside(lane, id);
    },
  });
  const numbers = await numbersSince(new HistoryReader(port1), 0);
  assert.equal(aside.length, 1);
  assert.ok(numbers.length >= 50 && numbers.length < 60, `${numbers.length} of 60`);
});
