// Goal: what is proven to be missing is asked for, once, bounded, and not before the patience is over; nothing is asked
// of a gateway with two senders, while anything is unread, or again and again in vain.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import fc from "fast-check";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { partsOf, stillOpen, type Hole } from "../../../cloud/commands/holes.ts";
import { Repairer } from "../../../cloud/commands/repairer.ts";
import { Requests } from "../../../cloud/commands/requests.ts";
import type { Row, Rows } from "../../../cloud/publish/rows.ts";
import { Store } from "../../../cloud/store/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import { readCommand, resendLimits, type CommandResult, type ResendCommand } from "../../../src/wire/commands.ts";
import { Ranges } from "../../../src/wire/ranges.ts";
import { commandResultKey } from "../../../src/wire/streams.ts";
import { until } from "../../support/until.ts";
import {
  epochA,
  numbered,
  observation,
  Offsets,
  prefix,
  second,
  t0,
  testOptions,
  type Keyed,
} from "../aggregate/support.ts";

const patienceSeconds = 60;

class FakeRows implements Rows {
  readonly sent: { readonly topic: string; readonly row: Row }[] = [];
  away = false;
  async send(topic: string, rows: readonly Row[]): Promise<void> {
    if (this.away) throw new Error("Kafka is away");
    for (const row of rows) this.sent.push({ topic, row });
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.sent.length = 0;
  }
}

interface Bench {
  readonly clock: ManualClock;
  readonly rows: FakeRows;
  readonly repairer: Repairer;
  readonly requests: Requests;
  readonly asked: ResendCommand[];
  caughtUp: boolean;
  cloned: boolean;
  readonly fold: (...records: Keyed[]) => void;
  /** Time goes by, with a look now and then, as the loop does. */
  readonly pass: (seconds: number) => void;
}

function bench(t: TestContext): Bench {
  const folder = mkdtempSync(join(tmpdir(), "tidegate-cloud-"));
  const store = Store.open(folder, t0);
  t.after(() => {
    store.close();
    rmSync(folder, { recursive: true });
  });
  const aggregator = new Aggregator(store, prefix, testOptions);
  for (const topic of ["observations.v1", "ledger.v1", "command-results.v1"]) {
    aggregator.positions.start({ topic: `${prefix}.${topic}`, partition: 0, topicId: "id", position: 0 });
  }
  const offsets = new Offsets();
  const clock = new ManualClock(t0);
  const rows = new FakeRows();
  const asked: ResendCommand[] = [];
  const made: Bench = {
    clock,
    rows,
    asked,
    requests: new Requests(store),
    caughtUp: true,
    cloned: false,
    fold: (...records) =>
      void aggregator.fold(
        records.map((record) => offsets.place(record, 0)),
        t0,
      ),
    pass: (seconds) => {
      for (let passed = 0; passed < seconds; passed += 5) {
        clock.advanceMs(5000);
        repairer.look();
      }
    },
    repairer: undefined as unknown as Repairer,
  };
  const repairer = new Repairer({
    store,
    registry: () => aggregator.registry,
    rows,
    topic: `${prefix}.commands.v1`,
    options: { enabled: true, patienceSeconds, requestSeconds: 300 },
    clock,
    caughtUp: () => made.caughtUp,
    isCloned: () => made.cloned,
    asked: (command) => asked.push(command),
    failed: () => undefined,
  });
  t.after(() => repairer.stop());
  return Object.assign(made, { repairer });
}

function seen(...seqs: number[]): Keyed[] {
  return seqs.map((seq) => observation("press-1", { seq }, t0 + seq * second, { temperature: seq }));
}

function manifest(seq: number, highest: number): Keyed {
  return numbered(
    "ledger",
    "gw-1/p0",
    { seq },
    {
      kind: "manifest",
      epoch: epochA,
      partition: 0,
      time: formatWireTime(t0 + seq * 10 * second),
      final: false,
      highest: { observations: { "press-1": highest } },
    },
  );
}

function result(seq: number, id: string, more: Partial<CommandResult> = {}, gateway = "gw-1"): Keyed {
  const value = { kind: "resend", id, gateway, time: formatWireTime(t0), state: "done", resent: 0, gone: 0 };
  return numbered(
    "commandResults",
    commandResultKey("gw-1"),
    { seq },
    { ...value, pending: 0, unknown: 0, detail: "", ...more },
  );
}

test("what a manifest claims and what lies below a received number is asked for after the patience", (t) => {
  const { fold, pass, asked } = bench(t);
  fold(...seen(1, 2, 5), manifest(1, 8));
  pass(patienceSeconds - 5);
  assert.equal(asked.length, 0, "not before");
  pass(15 + patienceSeconds);
  assert.equal(asked.length, 1);
  const { parts, gateway, expires } = asked[0] as ResendCommand;
  const ranges = [
    [3, 4],
    [6, 8],
  ];
  assert.deepEqual(parts, [{ epoch: epochA, stream: "observations", device: "press-1", ranges }]);
  assert.equal(gateway, "gw-1");
  assert(expires > formatWireTime(t0 + 300 * second));
});

test("holes that close meanwhile, and those that are new at every look, are not asked for", (t) => {
  const { fold, pass, asked } = bench(t);
  for (let at = 0; at < 20; at++) {
    // As backfill does: the newest number is far ahead, and what is missing comes a little later.
    fold(...seen(at * 2 + 2), manifest(at + 1, at * 2 + 2));
    pass(25);
    fold(...seen(at * 2 + 1));
  }
  assert.deepEqual(asked, []);
});

test("the ledger's holes are asked for too, and what the ledger names is not", (t) => {
  const { fold, pass, asked } = bench(t);
  const loss = { kind: "loss", epoch: epochA, stream: "observations", device: "press-1", first: 2, last: 3, count: 2 };
  const when = { from: formatWireTime(t0), to: formatWireTime(t0) };
  fold(...seen(1, 4), manifest(1, 4), manifest(3, 4));
  fold(numbered("ledger", "press-1", { seq: 1 }, { ...loss, ...when, reason: "quota" }));
  pass(3 * patienceSeconds);
  assert.deepEqual(asked[0]?.parts, [{ epoch: epochA, stream: "ledger", device: "gw-1/p0", ranges: [[2, 2]] }]);
});

test("nothing is asked while records are unread, or of a gateway with two senders", (t) => {
  const made = bench(t);
  made.fold(...seen(2));
  made.caughtUp = false;
  made.pass(3 * patienceSeconds);
  made.caughtUp = true;
  made.cloned = true;
  made.pass(3 * patienceSeconds);
  assert.deepEqual(made.asked, []);
  made.cloned = false;
  made.pass(patienceSeconds + 5);
  assert.equal(made.asked.length, 1);
});

test("one request at a time; an answer or its end lets the next one follow, in vain ever more slowly", (t) => {
  const { fold, pass, asked, requests, clock } = bench(t);
  fold(...seen(2));
  pass(2 * patienceSeconds + 5);
  assert.equal(asked.length, 1);
  pass(200);
  assert.equal(asked.length, 1, "not answered yet");
  assert.equal(requests.newest("gw-1", clock.nowMicros())?.state, "open");
  fold(result(1, asked[0]!.id, { unknown: 1 }));
  assert.equal(requests.newest("gw-1", clock.nowMicros())?.state, "done");
  pass(24 * 3600);
  const times = asked.map(({ issued }) => Date.parse(issued) / 1000);
  const pauses = times.slice(1).map((time, i) => time - times[i]!);
  assert(
    pauses.length > 3 && pauses.every((pause, i) => i === 0 || pause >= pauses[i - 1]! || pause >= 3600),
    String(pauses),
  );
  assert(asked.length < 40, `${asked.length} requests in a day`);
});

test("only the gateway that was asked can answer, and the first answer counts", (t) => {
  const { fold, pass, asked, requests } = bench(t);
  fold(...seen(2));
  pass(2 * patienceSeconds + 5);
  const { id } = asked[0]!;
  fold(result(1, id, { resent: 7 }, "gw-2"), result(2, "00000000-other"), result(3, id, { resent: 1 }), result(4, id));
  assert.deepEqual(requests.sums().get("gw-1"), { requests: 1, resent: 1, gone: 0, pending: 0, unknown: 0 });
});

test("a request is published until Kafka has it, once, and as gateways read it", async (t) => {
  const { fold, pass, asked, rows, repairer } = bench(t);
  fold(...seen(2));
  pass(2 * patienceSeconds + 5);
  rows.away = true;
  repairer.start();
  await new Promise((resolve) => setImmediate(resolve));
  rows.away = false;
  await until("published", () => rows.sent.length > 0, Boolean, { withinMs: 20_000 });
  const [{ topic, row }] = rows.sent as [{ topic: string; row: Row }];
  assert.deepEqual([topic, row.key], [`${prefix}.commands.v1`, "gw-1"]);
  const read = readCommand(Buffer.from(row.value!), "gw-1");
  assert(read.kind === "command");
  assert.deepEqual(read.command, asked[0]);
  assert.equal(rows.sent.length, 1);
});

const hole = fc.record({
  sequenceNo: fc.integer({ min: 1, max: 5 }),
  numbers: fc
    .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 3000 })), {
      minLength: 1,
      maxLength: 100,
    })
    .map((pairs) => {
      const ranges = new Ranges();
      for (const [first, more] of pairs) ranges.add(first, first + more);
      return ranges;
    }),
});

test("whatever is missing, a request is one that gateways accept, and names only what was missing twice", () => {
  const holes = fc
    .uniqueArray(hole, { selector: ({ sequenceNo }) => sequenceNo, maxLength: 100 })
    .map((list) =>
      list.map((h): Hole => ({ ...h, gateway: "gw-1", epoch: epochA, stream: "alerts", device: `d${h.sequenceNo}` })),
    );
  fc.assert(
    fc.property(holes, holes, (before, now) => {
      const both = stillOpen(before, now);
      const parts = partsOf(both);
      for (const { device, ranges } of parts) {
        for (const list of [before, now]) {
          const own = list.find((h) => h.device === device)!;
          for (const [first, last] of ranges) assert(own.numbers.covers(first, last));
        }
      }
      if (both.length === 0) return;
      const times = { issued: formatWireTime(t0), expires: formatWireTime(t0 + second) };
      const command = { kind: "resend", id: "00000000-0000", gateway: "gw-1", ...times, parts };
      const value = Buffer.from(JSON.stringify(command));
      assert(value.length <= resendLimits.bytes);
      assert.equal(readCommand(value, "gw-1").kind, "command");
    }),
  );
});
