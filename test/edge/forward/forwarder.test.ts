// Goal: every record reaches the sink or the quarantine, first copies in order per device within live and within
// backfill; what is settled was stored; memory is bounded; nothing stuck holds up anything else.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Forwarder } from "../../../edge/forward/forwarder.ts";
import type { ForwardOptions } from "../../../edge/forward/options.ts";
import { ManualClock, systemClock, type Clock } from "../../../src/clock.ts";
import { forwardDefaults } from "../../support/forward-defaults.ts";
import { FakeForwardJournal, type NewRecord } from "../../support/fake-forward-journal.ts";
import { FakeSink, unknown } from "../../support/fake-sink.ts";
import { randomOf, runSeed } from "../../support/seed.ts";
import { until } from "../../support/until.ts";

const quick: ForwardOptions = {
  ...forwardDefaults,
  sendSpacingMs: 0,
  liveFirstAfterMs: 60_000,
  parkAfterMs: 0,
  retryMinMs: 1,
  retryMaxMs: 4,
  configurationRetryMs: 5,
};

interface Bench {
  readonly sink: FakeSink;
  readonly journal: FakeForwardJournal;
  forwarder: Forwarder;
  /** Appends a commit and hands it over live. */
  commit(...records: readonly NewRecord[]): void;
  /** As a kill: the forwarder ends at once, a new one starts from the durable cursor. */
  restart(): Promise<void>;
}

async function start(
  t: TestContext,
  options: Partial<ForwardOptions> = {},
  journal = new FakeForwardJournal(),
  clock: Clock = systemClock,
): Promise<Bench> {
  const sink = new FakeSink();
  const make = (): Forwarder =>
    new Forwarder({
      sink,
      journal,
      clock,
      options: { ...quick, ...options },
      topicPrefix: "t",
      partitions: 4,
    });
  const bench: Bench = {
    sink,
    journal,
    forwarder: make(),
    commit: (...records) => {
      for (const block of journal.append(records)) bench.forwarder.accept(block);
    },
    restart: async () => {
      await bench.forwarder.stop(0);
      await sink.nextRun();
      bench.forwarder = make();
      await bench.forwarder.start();
    },
  };
  t.after(() => bench.forwarder.stop(0));
  await bench.forwarder.start();
  return bench;
}

function observation(device: number, value?: string): NewRecord {
  const record = { stream: "observations" as const, device: `d${device}`, partition: device % 4 };
  return value === undefined ? record : { ...record, value };
}

const alert: NewRecord = { stream: "alerts", device: "d1", partition: 1 };

/** First copies per run, stream and device, live and backfill apart, are in order, and values are those that were appended. */
function assertInOrder({ sink }: Bench): void {
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { stream, device, seq, backfill, value, run } of sink.stored) {
    const key = `${stream}/${device}`;
    if (!value.startsWith("large")) assert.equal(value, `${key}/${seq}`);
    if (seen.has(`${key}/${seq}`)) continue;
    seen.add(`${key}/${seq}`);
    const track = `${run}/${key}/${backfill}`;
    assert.ok(seq > (last.get(track) ?? 0), `${track}: ${seq} after ${last.get(track)}`);
    last.set(track, seq);
  }
  assert.deepEqual(sink.violations, []);
}

/** Everything that was appended is stored or quarantined, and what is settled was. */
function assertConserved({ sink, journal }: Bench): void {
  const arrived = new Set(sink.stored.map(({ stream, device, seq }) => `${stream}/${device}/${seq}`));
  for (const { stream, device, seq } of journal.quarantined) arrived.add(`${stream}/${device}/${seq}`);
  const lost = journal.appended.filter(({ stream, device, seq }) => !arrived.has(`${stream}/${device}/${seq}`));
  assert.deepEqual(lost, []);
}

async function settled(bench: Bench): Promise<void> {
  await until("everything is settled", () => bench.journal.unsettled().length === 0);
  assertConserved(bench);
  assertInOrder(bench);
  await until("all memory is given back", () => bench.journal.unreleased.size === 0);
}

test("live blocks of all lanes arrive without a single read", async (t) => {
  const bench = await start(t);
  await until("the journal was read to its end", () => bench.journal.reads >= 3);
  const { reads } = bench.journal;
  for (let i = 0; i < 50; i++) bench.commit(observation(i % 7), alert, observation((i + 1) % 7));
  await settled(bench);
  assert.equal(bench.journal.reads, reads);
  assert.equal(bench.sink.stored.length, 150);
});

test("rows of several blocks share a send while one is in flight", async (t) => {
  const bench = await start(t);
  let sends = 0;
  bench.sink.script = () => (sends++, { kind: "accepted" });
  await until("started", () => bench.journal.reads >= 3);
  for (let i = 0; i < 200; i++) bench.commit(observation(4));
  await settled(bench);
  assert.ok(sends <= 10, `${sends} sends for 200 blocks`);
});

test("commits soon after a send wait for each other, unless they fill a send or the forwarder stops", async (t) => {
  const hour = 3_600_000;
  const bench = await start(t, { sendSpacingMs: hour, sendRowsMax: 3 });
  const sends: number[] = [];
  bench.sink.script = (_, __, rows) => {
    sends.push(rows.length);
    return { kind: "accepted" };
  };
  bench.commit(observation(1));
  await until("the first send goes at once", () => sends.length === 1);
  bench.commit(observation(1));
  bench.commit(observation(1));
  bench.commit(observation(1));
  await settled(bench);
  assert.deepEqual(sends, [1, 3]);
  bench.commit(observation(1));
  await until("it waits", () => (bench.forwarder.report().lanes.telemetry?.heldBytes ?? 0) > 0);
  await bench.forwarder.stop(0);
  assert.deepEqual(sends, [1, 3]);
  assert.equal(bench.journal.unsettled().length, 1, "what was not sent stays in the journal");
});

test("what was stored before the start is read and sent", async (t) => {
  const journal = new FakeForwardJournal();
  for (let i = 0; i < 30; i++) for (const block of journal.append([observation(i % 5), alert])) block.release();
  await settled(await start(t, {}, journal));
});

test("a stored block that is not lent from memory is read as soon as it is announced", async (t) => {
  const bench = await start(t);
  bench.commit(observation(1), alert);
  await settled(bench);
  for (let i = 0; i < 3; i++) {
    for (const block of bench.journal.append([observation(i), alert])) {
      block.release();
      bench.forwarder.announce(block.lane, block.id);
    }
    await settled(bench);
  }
  assert.equal(bench.sink.stored.length, 8);
});

test("a stored block that is announced while older ones wait in memory is not forgotten", async (t) => {
  const bench = await start(t, { windowBytesMax: 1 });
  await until("started", () => bench.journal.reads >= 3);
  bench.commit(observation(1));
  bench.commit(observation(1));
  for (const block of bench.journal.append([observation(1)])) {
    block.release();
    bench.forwarder.announce(block.lane, block.id);
  }
  await settled(bench);
});

test("history never leaves the gateway", async (t) => {
  const bench = await start(t);
  bench.commit({ stream: "history", device: "d1", partition: 1 }, observation(1));
  await until("the observation arrives", () => bench.sink.stored.length === 1);
  await until("released", () => bench.journal.unreleased.size === 0);
  assert.equal(bench.sink.stored.length, 1);
});

test("an unknown outcome sends the same rows again until they are accepted", async (t) => {
  const bench = await start(t);
  let failures = 6;
  bench.sink.script = () => (failures-- > 0 ? (failures % 2 === 0 ? "lost" : unknown) : { kind: "accepted" });
  for (let i = 0; i < 20; i++) bench.commit(observation(1), observation(2));
  await settled(bench);
});

test("one stuck partition stalls no other, in bounded memory, and catches up in order", async (t) => {
  for (const stream of ["observations", "alerts"] as const) {
    const bench = await start(t, { windowBytesMax: 300, liveBytesMax: 300 });
    let stuck = true;
    bench.sink.script = (_topic, partition) => (stuck && partition === 1 ? unknown : { kind: "accepted" });
    const of = (device: number): NewRecord => ({ stream, device: `d${device}`, partition: device });
    for (let i = 0; i < 60; i++) {
      bench.commit(of(1), of(2));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const arrived = (): number => bench.sink.stored.filter(({ partition }) => partition === 2).length;
    await until("the other partition is through", () => arrived() >= 60);
    assert.ok(bench.journal.unsettled().length > 0);
    const held = bench.journal.unreleased.size;
    assert.ok(held <= 20, `${held} live blocks held`);
    stuck = false;
    await settled(bench);
  }
});

test("a refused row goes to the quarantine with its bytes, its neighbours arrive", async (t) => {
  const bench = await start(t);
  bench.sink.script = (_topic, _partition, rows) => {
    const bad = [...rows].flatMap(({ seq }, index) => (seq % 5 === 0 ? [index] : []));
    return bad.length > 0 ? { kind: "refused", rows: bad, reason: "INVALID_RECORD" } : { kind: "accepted" };
  };
  bench.commit(...Array.from({ length: 23 }, () => observation(3)));
  await settled(bench);
  assert.deepEqual(
    bench.journal.quarantined.map(({ seq, value, reason }) => [seq, Buffer.from(value).toString(), reason]),
    [5, 10, 15, 20].map((seq) => [seq, `observations/d3/${seq}`, "INVALID_RECORD"]),
  );
});

test("too large a send is halved until a single row is refused", async (t) => {
  const bench = await start(t);
  bench.sink.batchBytesMax = 100;
  const large = `large${"x".repeat(200)}`;
  bench.commit(...Array.from({ length: 40 }, (_, i) => observation(3, i === 17 ? large : undefined)));
  await settled(bench);
  assert.deepEqual(
    bench.journal.quarantined.map(({ seq }) => seq),
    [18],
  );
});

test("a refused row is settled only when the quarantine has it", async (t) => {
  const bench = await start(t);
  bench.sink.valueBytesMax = 100;
  bench.journal.refusesToStore = true;
  bench.commit(observation(3, `large${"x".repeat(200)}`));
  await until("alarm", () => bench.forwarder.report().alarms.some((text) => text.includes("the disk is full")));
  assert.equal(bench.journal.unsettled().length, 1);
  bench.journal.refusesToStore = false;
  await settled(bench);
  assert.deepEqual(bench.forwarder.report().alarms, []);
  assert.equal(bench.journal.quarantined.length, 1);
});

test("a block from memory counts as handed out before rows of it are sent, since it is sent even when it is dropped", async (t) => {
  const bench = await start(t, { sendRowsMax: 2 });
  const sentAtSend: number[][] = [];
  let hanging = true;
  bench.sink.script = () => {
    sentAtSend.push([...bench.journal.sent]);
    return hanging ? "hang" : { kind: "accepted" };
  };
  bench.commit(observation(1), observation(1));
  for (let i = 0; i < 4; i++) bench.commit(observation(1));
  await until("the first send", () => sentAtSend.length === 1);
  await until("all blocks are taken", () => bench.journal.sent.size === 5);
  hanging = false;
  bench.sink.endHanging();
  await settled(bench);
  assert.ok(sentAtSend[0]!.includes(1));
});

test("what waits for a person is tried at once when the clock was set, whose stamps Kafka may have refused", async (t) => {
  const clock = new ManualClock();
  const bench = await start(t, { configurationRetryMs: 3_600_000 }, new FakeForwardJournal(), clock);
  let sends = 0;
  bench.sink.script = () => {
    sends += 1;
    const cause = { kind: "configuration" as const, message: "INVALID_TIMESTAMP" };
    return sends === 1 ? { kind: "unknown", cause } : { kind: "accepted" };
  };
  bench.commit(observation(1));
  await until("refused", () => bench.forwarder.report().alarms.some((text) => text.includes("INVALID_TIMESTAMP")));
  clock.setMicros(clock.nowMicros() - 3_600_000_000);
  await settled(bench);
  assert.equal(sends, 2);
});

test("a row beyond the sink's limit is refused without a send", async (t) => {
  const bench = await start(t);
  bench.sink.valueBytesMax = 100;
  bench.commit(observation(3), observation(3, `large${"x".repeat(200)}`), observation(3));
  await settled(bench);
  assert.equal(bench.journal.quarantined.length, 1);
});

test("after an outage telemetry goes live first and the rest follows as backfill; alerts stay in order", async (t) => {
  const bench = await start(t, { liveFirstAfterMs: 40, windowBytesMax: 100, parkAfterMs: 1000 });
  let down = true;
  bench.sink.script = () => (down ? unknown : { kind: "accepted" });
  await until("started", () => bench.journal.reads >= 3);
  for (let i = 0; i < 100; i++) bench.commit(observation(1), alert);
  await new Promise((resolve) => setTimeout(resolve, 60));
  down = false;
  bench.commit(observation(1), alert);
  await settled(bench);
  const telemetry = bench.sink.stored.filter(({ stream }) => stream === "observations");
  const newest = telemetry.findIndex(({ seq }) => seq === 101);
  assert.equal(telemetry[newest]!.backfill, false);
  assert.ok(telemetry.filter(({ backfill }) => backfill).length > 50);
  assert.ok(
    telemetry.slice(newest).some(({ seq }) => seq < 101),
    "older rows come behind",
  );
  assert.ok(bench.sink.stored.every(({ stream, backfill }) => stream === "observations" || !backfill));
});

test("live blocks beyond the limit are given back and read from the journal later", async (t) => {
  const bench = await start(t, { liveBytesMax: 500, windowBytesMax: 200 });
  let down = true;
  bench.sink.script = () => (down ? unknown : { kind: "accepted" });
  for (let i = 0; i < 200; i++) bench.commit(observation(i % 3));
  await until("memory is bounded", () => bench.journal.unreleased.size < 35);
  down = false;
  await settled(bench);
});

test("after a crash everything unsettled is sent again and nothing settled is missing", async (t) => {
  const bench = await start(t);
  bench.sink.script = (_topic, partition) => (partition === 2 ? "hang" : { kind: "accepted" });
  for (let i = 0; i < 40; i++) bench.commit(observation(i % 6));
  await until("the others are through", () => bench.sink.stored.length >= 30);
  bench.sink.script = () => ({ kind: "accepted" });
  await bench.restart();
  await settled(bench);
});

test("a fault that a person has to repair is an alarm until it is gone", async (t) => {
  const bench = await start(t);
  let wrong = true;
  bench.sink.script = () =>
    wrong ? { kind: "unknown", cause: { kind: "configuration", message: "bad password" } } : { kind: "accepted" };
  bench.commit(observation(1));
  await until("alarm", () => bench.forwarder.report().alarms.some((text) => text.includes("bad password")));
  assert.equal(bench.forwarder.report().state, "waiting");
  wrong = false;
  await settled(bench);
  assert.equal(bench.forwarder.report().state, "connected");
  assert.deepEqual(bench.forwarder.report().alarms, []);
});

test("what waits for the connection is sent as soon as it is back, not at the end of its pause", async (t) => {
  const bench = await start(t, { retryMinMs: 600_000, retryMaxMs: 600_000 });
  await until("connected", () => bench.forwarder.report().state === "connected");
  let away = true;
  bench.sink.script = () => (away ? unknown : { kind: "accepted" });
  bench.commit(observation(1), observation(2));
  await until("all senders wait", () => bench.forwarder.report().streams.observations?.resent === 2);
  away = false;
  bench.commit(observation(3));
  await settled(bench);
});

test("under any schedule of faults and crashes nothing is lost and first copies stay in order", async (t) => {
  const seeds = runSeed((line) => t.diagnostic(line));
  for (let round = 0; round < 25; round++) {
    const random = randomOf(seeds.between(0, 2 ** 31));
    const bench = await start(t, {
      windowBytesMax: random.between(60, 800),
      liveBytesMax: random.between(0, 1500),
      liveFirstAfterMs: random.between(1, 30),
      sendRowsMax: random.between(1, 20),
      sendsMax: random.between(1, 6),
    });
    let faulty = true;
    const badPartition = random.between(0, 3);
    bench.sink.script = (_topic, partition) => {
      if (!faulty) return { kind: "accepted" };
      const dice = random.next();
      if (partition === badPartition && dice < 0.7) return unknown;
      return dice < 0.1 ? "lost" : dice < 0.2 ? unknown : { kind: "accepted" };
    };
    for (let i = 0; i < 120; i++) {
      const streams = ["observations", "observations", "alerts", "ledger"] as const;
      const count = random.between(1, 4);
      bench.commit(
        ...Array.from({ length: count }, () => {
          const device = random.between(0, 6);
          return { stream: random.pick(streams), device: `d${device}`, partition: device % 4 };
        }),
      );
      if (random.next() < 0.3) await new Promise((resolve) => setTimeout(resolve, random.between(0, 2)));
      if (random.next() < 0.01) await bench.restart();
    }
    faulty = false;
    await settled(bench).catch((cause: unknown) => {
      throw new Error(`round ${round} of seed ${seeds.seed}`, { cause });
    });
    await bench.forwarder.stop(0);
  }
});
