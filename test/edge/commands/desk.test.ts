// Goal: what the cloud asks for is sent again exactly as it was, under its old identity, or named as gone; each command
// counts once; nothing that does not fit does anything.
// Method: a real journal behind real ports, the real forwarder over a sink in memory, an inbox in memory.
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MessageChannel } from "node:worker_threads";
import { test, type TestContext } from "node:test";
import { CommandDesk } from "../../../edge/commands/desk.ts";
import type { CommandInbox, CommandMessage, CommandReader, InboxPosition } from "../../../edge/commands/inbox-port.ts";
import { commandJournal, serveCommands } from "../../../edge/commands/journal-port.ts";
import { Forwarder } from "../../../edge/forward/forwarder.ts";
import { JournalPort, serveForwarder } from "../../../edge/forward/journal-port.ts";
import { Store, type StoreOptions } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import { resendLimits, type CommandResult, type ResendCommand, type ResendPart } from "../../../src/wire/commands.ts";
import type { LedgerRecord } from "../../../src/wire/records.ts";
import { lanes } from "../../../src/wire/streams.ts";
import { FakeSink, unknown, type StoredRow } from "../../support/fake-sink.ts";
import { forwardDefaults } from "../../support/forward-defaults.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { mergeAll } from "../../support/stored.ts";
import { runSeed } from "../../support/seed.ts";
import { until } from "../../support/until.ts";

const gateway = "gw-test";
const t0 = Date.UTC(2026, 10, 21, 9) * 1000;

/** One partition of a topic that can be made again, and be away. */
class FakeInbox implements CommandInbox {
  readonly messages: { readonly key: string; readonly value: Buffer }[] = [];
  topicId = "first";
  fault: TidegateError | undefined;
  opens = 0;
  /** How often the certificates were replaced. */
  renewals = 0;

  async open(from: InboxPosition | undefined): Promise<CommandReader> {
    if (this.fault !== undefined) throw this.fault;
    this.opens += 1;
    const { renewals } = this;
    const isOutdated = (): boolean => this.renewals > renewals;
    let at = from?.topicId === this.topicId ? from.offset : 0;
    const next = async (waitMs: number): Promise<CommandMessage | undefined> => {
      if (this.fault !== undefined) throw this.fault;
      const message = this.messages[at];
      if (message !== undefined) return { ...message, next: { topicId: this.topicId, offset: ++at } };
      await new Promise((resolve) => setTimeout(resolve, Math.min(waitMs, 5)));
      return undefined;
    };
    return {
      next,
      get outdated() {
        return isOutdated();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
}

interface Bench {
  readonly inbox: FakeInbox;
  readonly sink: FakeSink;
  readonly clock: ManualClock;
  store: Store;
  desk: CommandDesk;
  /** Everything that is stored has been sent. */
  readonly sent: () => Promise<void>;
  readonly append: (...records: TestRecord[]) => void;
  /** As a kill and a start, with damage in between. */
  readonly restart: (damage?: (db: DatabaseSync) => void) => Promise<void>;
  readonly ask: (parts: readonly ResendPart[], more?: Partial<ResendCommand>) => string;
  readonly result: (id: string) => Promise<CommandResult>;
}

async function bench(t: TestContext, overrides: Partial<StoreOptions> = {}): Promise<Bench> {
  const options = storeOptions(temporaryFolder(t), overrides);
  const inbox = new FakeInbox();
  const sink = new FakeSink();
  const clock = new ManualClock(t0);
  let ids = 0;
  let ends: (() => Promise<void>)[] = [];
  let maker = new GroupMaker();

  const start = async (): Promise<Pick<Bench, "store" | "desk">> => {
    const store = Store.open(options, clock);
    maker = new GroupMaker();
    const forStore = {
      next: (...args: Parameters<Store["next"]>) => store.next(...args),
      setCorruptAside: (...args: Parameters<Store["setCorruptAside"]>) => void store.setCorruptAside(...args),
      settledRanges: () => lanes.map((lane) => [lane, store.settledRanges(lane)] as const),
      quarantine: () => assert.fail("nothing is refused"),
      sending: store.sending.bind(store),
      settle: store.settle.bind(store),
    };
    const channels = [new MessageChannel(), new MessageChannel(), new MessageChannel()] as const;
    const stops = [serveForwarder(channels[0].port1, forStore), serveForwarder(channels[1].port1, forStore)];
    serveCommands(channels[2].port1, {
      memory: () => store.commandMemory(),
      bounds: (parts) => store.numberBounds(parts),
      search: (...args) => store.search(...args),
      finish: (served) => {
        for (const { lane, id } of store.finishCommand(served)) forwarder.announce(lane, id);
      },
    });
    const journal = new JournalPort(channels[0].port2);
    const blocks = new JournalPort(channels[1].port2);
    const forwarder = new Forwarder({
      sink,
      journal,
      clock,
      options: { ...forwardDefaults, retryMinMs: 1, retryMaxMs: 4 },
      topicPrefix: "t",
      partitions: options.partitions,
    });
    const desk = new CommandDesk({
      gateway,
      inbox,
      journal: commandJournal(channels[2].port2),
      blocks,
      resend: (block, found) => forwarder.resend(block, ({ stream, device }, seq) => found.has(stream, device, seq)),
      clock,
    });
    await forwarder.start();
    desk.start();
    ends = [
      async () => {
        await Promise.all([forwarder.stop(0), desk.stop()]);
        journal.close();
        blocks.close();
        for (const stop of stops) stop();
        channels[2].port1.close();
        store.abandon();
      },
    ];
    made.announce = (lane, id) => forwarder.announce(lane, id);
    return { store, desk };
  };
  const end = async (): Promise<void> => {
    for (const stop of ends.splice(0)) await stop();
  };
  const made = {
    inbox,
    sink,
    clock,
    announce: (_lane: StoredLane, _id: number): void => undefined,
    append: (...records: TestRecord[]) => {
      const committed = made.store.commit(maker.group(records));
      assert(committed.kind === "stored");
      for (const { lane, id } of committed.blocks) made.announce(lane, id);
    },
    sent: async () => {
      await until("all sent", () => lanes.every((lane) => made.store.usage().head.lanes[lane].unsentRecords === 0));
      made.store.flush();
    },
    restart: async (damage: (db: DatabaseSync) => void = () => undefined) => {
      await end();
      await sink.nextRun();
      const db = new DatabaseSync(join(options.folder, "journal.db"));
      damage(db);
      db.close();
      Object.assign(made, await start());
    },
    ask: (parts: readonly ResendPart[], more: Partial<ResendCommand> = {}) => {
      const id = `command-${++ids}`;
      const times = { issued: formatWireTime(clock.nowMicros()), expires: formatWireTime(clock.nowMicros() + 600e6) };
      const command = { kind: "resend", id, gateway, ...times, parts, ...more };
      inbox.messages.push({ key: gateway, value: Buffer.from(JSON.stringify(command)) });
      return id;
    },
    result: async (id: string) => {
      const find = (): CommandResult | undefined => resultsIn(sink.stored).find((result) => result.id === id);
      return (await until(`the result of ${id}`, find, (found) => found !== undefined))!;
    },
  } as unknown as Bench & { announce: (lane: StoredLane, id: number) => void };
  Object.assign(made, await start());
  t.after(end);
  return made;
}

type StoredLane = (typeof lanes)[number];

function resultsIn(rows: readonly StoredRow[]): CommandResult[] {
  return rows
    .filter(({ stream }) => stream === "commandResults")
    .map(({ value }) => JSON.parse(value) as CommandResult);
}

function lossesIn(rows: readonly StoredRow[]): LedgerRecord[] {
  return rows
    .filter(({ stream }) => stream === "ledger")
    .map(({ value }) => JSON.parse(value) as LedgerRecord)
    .filter(({ kind }) => kind === "loss");
}

/** What came twice or more: the copies after the first one. */
function copiesIn(rows: readonly StoredRow[]): StoredRow[] {
  const seen = new Map<string, StoredRow>();
  return rows.filter((row) => {
    const identity = `${row.epoch}/${row.stream}/${row.device}/${row.seq}`;
    const first = seen.get(identity);
    if (first === undefined) seen.set(identity, row);
    else assert.equal(row.value, first.value, `${identity} came again with other bytes`);
    return first !== undefined;
  });
}

/** The journal's own records may be on their way when the process dies, and come again by themselves. */
function observationCopies(sink: FakeSink): StoredRow[] {
  return copiesIn(sink.stored).filter(({ stream }) => stream === "observations");
}

function part(epoch: string, device: string, ...ranges: [number, number][]): ResendPart {
  return { epoch, stream: "observations", device, ranges };
}

test("records come again with their old epoch, number and bytes, marked, and no others", async (t) => {
  const { append, sent, ask, result, sink, store, restart } = await bench(t);
  append(...observations("a", 50), ...observations("b", 50));
  append(...observations("a", 50, 51), { stream: "alerts", device: "a", value: '{"alert":1}' });
  await sent();
  const old = store.epoch.text;
  await restart();
  append(...observations("a", 10));
  await sent();
  const before = sink.stored.length;
  const alerts: ResendPart = { epoch: old, stream: "alerts", device: "a", ranges: [[1, 1]] };
  const id = ask([part(old, "a", [49, 52], [60, 60]), part(old, "b", [7, 7]), alerts]);
  const { state, resent, gone, pending, unknown: notKnown } = await result(id);
  assert.deepEqual([state, resent, gone, pending, notKnown], ["done", 7, 0, 0, 0]);
  const copies = copiesIn(sink.stored);
  const names = copies.map(({ stream, device, seq }) => `${stream}/${device}/${seq}`);
  assert.deepEqual(
    names.toSorted(),
    ["alerts/a/1", "observations/a/49", "observations/a/50", "observations/a/51", "observations/a/52"].concat(
      "observations/a/60",
      "observations/b/7",
    ),
  );
  assert(copies.every(({ epoch, backfill }) => epoch === old && backfill));
  assert.equal(sink.stored.length, before + 7 + 1, "and the result");
  assert.deepEqual(sink.violations, []);
});

test("what is not sent yet is left alone; numbers that nobody gave and epochs that nobody had are not answered", async (t) => {
  const { append, sent, ask, result, sink, store } = await bench(t);
  append(...observations("a", 5));
  await sent();
  sink.script = (topic) => (topic === "t.observations.v1" ? unknown : { kind: "accepted" });
  append(...observations("a", 5, 6));
  const parts = [part(store.epoch.text, "a", [6, 7], [11, 20]), part("9-00000000000000ff", "a", [1, 3])];
  const { state, resent, gone, pending, unknown: notKnown } = await result(ask(parts));
  assert.deepEqual([state, resent, gone, pending, notKnown], ["done", 0, 0, 2, 13]);
  assert.deepEqual(lossesIn(sink.stored), []);
});

test("what the replay window no longer has is named in the ledger, number by number, with the result", async (t) => {
  const { append, sent, ask, result, sink, store, clock } = await bench(t, { replayWindowHours: 1 });
  append(...observations("a", 10));
  await sent();
  clock.advanceMs(2 * 3_600_000);
  append(...observations("a", 10, 11));
  await sent();
  while (store.reclaim().more);
  const { resent, gone } = await result(ask([part(store.epoch.text, "a", [2, 3], [9, 12])]));
  assert.deepEqual([resent, gone], [2, 4]);
  await until("the ledger", () => lossesIn(sink.stored).length === 2);
  assert.deepEqual(
    lossesIn(sink.stored).map(({ device, first, last, count, reason }) => [device, first, last, count, reason]),
    [
      ["a", 2, 3, 2, "expired-sent"],
      ["a", 9, 10, 2, "expired-sent"],
    ],
  );
});

test("of a damaged highest number nothing is concluded", async (t) => {
  const { append, sent, ask, result, sink, restart, store } = await bench(t);
  append(...observations("a", 10));
  await sent();
  await restart((db) => db.exec("UPDATE highest SET seq = 5000 WHERE device = 'a'"));
  const answer = await result(ask([part(store.epoch.text, "a", [9, 12])]));
  assert.deepEqual([answer.resent, answer.gone, answer.unknown], [2, 0, 2]);
  assert.deepEqual(lossesIn(sink.stored), []);
});

const endings: readonly { readonly name: string; readonly end: (store: Store) => void }[] = [
  { name: "a crash", end: () => undefined },
  { name: "a crash behind a manifest", end: (store) => void store.writeManifest() },
  { name: "a clean stop", end: (store) => void store.writeManifest(true) },
];

for (const { name, end } of endings) {
  test(`of an epoch that ended with ${name}, numbers that were never given are not ledgered, also when all of it is reclaimed`, async (t) => {
    const site = await bench(t, { replayWindowHours: 1 });
    const { append, sent, ask, result, sink, clock, restart } = site;
    append(...observations("a", 10), ...observations("b", 3));
    await sent();
    const old = site.store.epoch.text;
    end(site.store);
    await restart();
    await sent();
    clock.advanceMs(2 * 3_600_000);
    while (site.store.reclaim().more);
    assert.equal(site.store.next("telemetry", 0), undefined);
    await restart();
    const ledger: ResendPart = { epoch: old, stream: "ledger", device: "gw-test/p0", ranges: [[90, 99]] };
    const forged = [part(old, "a", [9, 5_000]), part(old, "b", [1_000, 1_009]), part(old, "c", [1, 1]), ledger];
    const answer = await result(ask(forged));
    assert.deepEqual([answer.state, answer.gone, answer.unknown], ["done", 2, 4_990 + 10 + 1 + 10]);
    await until("the ledger", () => lossesIn(sink.stored).length === 1);
    const [loss] = lossesIn(sink.stored);
    assert.deepEqual([loss!.epoch, loss!.device, loss!.first, loss!.last], [old, "a", 9, 10]);
  });
}

test("a command is served once: not when it comes again, not after a restart, not when the topic is made again", async (t) => {
  const { append, sent, ask, result, sink, inbox, restart, store } = await bench(t);
  append(...observations("a", 3));
  await sent();
  await result(ask([part(store.epoch.text, "a", [1, 1])]));
  inbox.messages.push(inbox.messages[0]!);
  await restart();
  inbox.topicId = "made again";
  await restart();
  const last = ask([part(store.epoch.text, "a", [2, 2])]);
  await result(last);
  assert.deepEqual(
    observationCopies(sink).map(({ seq }) => seq),
    [1, 2],
  );
  const ids = new Set(resultsIn(sink.stored).map(({ id }) => id));
  assert.equal(ids.size, 2);
});

test("a command that is being served when the process dies is served after the next start", async (t) => {
  const { append, sent, ask, result, sink, restart, store } = await bench(t);
  append(...observations("a", 3));
  await sent();
  sink.script = (topic) => (topic === "t.observations.v1" ? "hang" : { kind: "accepted" });
  const id = ask([part(store.epoch.text, "a", [2, 2])]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(resultsIn(sink.stored), []);
  sink.script = () => ({ kind: "accepted" });
  await restart();
  assert.equal((await result(id)).resent, 1);
  assert.deepEqual(
    observationCopies(sink).map(({ seq }) => seq),
    [2],
  );
});

const own = (epoch: string): ResendPart => part(epoch, "a", [1, 1]);
const wrong: {
  readonly name: string;
  readonly make: (epoch: string) => Partial<ResendCommand>;
  readonly says: RegExp;
}[] = [
  { name: "an unknown field", make: () => ({ also: 1 }) as object, says: /schema/ },
  { name: "another kind", make: () => ({ kind: "reboot" }) as object, says: /schema/ },
  { name: "a stream without numbers", make: () => ({ parts: [{ stream: "devices" }] }) as object, says: /schema/ },
  { name: "a time that is none", make: () => ({ issued: "x".repeat(27) }), says: /time/ },
  { name: "ranges that overlap", make: (e) => ({ parts: [part(e, "a", [1, 5], [5, 9])] }), says: /ascending/ },
  {
    name: "too many records",
    make: (e) => ({ parts: [part(e, "a", [1, resendLimits.records + 1])] }),
    says: /more than/,
  },
  { name: "too many parts", make: (e) => ({ parts: Array.from({ length: 65 }, () => own(e)) }), says: /schema/ },
  { name: "a number that is none", make: (e) => ({ parts: [part(e, "a", [1, 2 ** 53])] }), says: /schema/ },
  {
    name: "a name of an object's own",
    make: () => ({ parts: [part("__proto__", "__proto__", [1, 1])] }),
    says: /schema/,
  },
];

for (const { name, make, says } of wrong) {
  test(`refused as a whole, with the reason: ${name}`, async (t) => {
    const { append, sent, ask, result, sink, store, desk } = await bench(t);
    append(...observations("a", 3));
    await sent();
    const { state, detail, resent } = await result(ask([own(store.epoch.text)], make(store.epoch.text)));
    assert.deepEqual([state, resent], ["refused", 0]);
    assert.match(detail, says);
    assert.deepEqual(copiesIn(sink.stored), []);
    assert.equal(desk.report().refused, 1);
  });
}

test("commands for others are ignored; garbage and commands without an id are counted; neighbours are served", async (t) => {
  const { append, sent, ask, result, sink, store, desk, inbox } = await bench(t);
  append(...observations("a", 3));
  await sent();
  inbox.messages.push({ key: "gw-other", value: Buffer.from("{") }, { key: gateway, value: Buffer.from("{") });
  ask([own(store.epoch.text)], { gateway: "gw-other" });
  ask([own(store.epoch.text)], { id: "../../etc" });
  inbox.messages.push({ key: gateway, value: Buffer.alloc(resendLimits.bytes + 1, 32) });
  await result(ask([own(store.epoch.text)]));
  assert.deepEqual(
    copiesIn(sink.stored).map(({ seq }) => seq),
    [1],
  );
  assert.deepEqual([desk.report().refused, desk.report().served], [4, 1]);
});

test("an expired command is answered and not served, unless the gateway does not know the time", async (t) => {
  const { append, sent, ask, result, sink, store, clock } = await bench(t);
  append(...observations("a", 3));
  await sent();
  const expires = formatWireTime(t0 - 1);
  assert.equal((await result(ask([own(store.epoch.text)], { expires }))).state, "expired");
  assert.deepEqual(copiesIn(sink.stored), []);
  clock.setMicros(0);
  assert.equal((await result(ask([own(store.epoch.text)], { expires }))).state, "done");
});

test("a topic that is missing or refused is an alarm until it can be read", async (t) => {
  const { append, sent, ask, result, store, desk, inbox } = await bench(t);
  append(...observations("a", 3));
  await sent();
  inbox.fault = new TidegateError("SINK_TOPIC_MISSING", "topic t.commands.v1 does not exist", { hint: "Run it." });
  await until("the alarm", () => desk.alarms().length === 1);
  assert.match(desk.alarms()[0]!, /Commands of the cloud cannot be read: topic t.commands.v1 does not exist. Run it./);
  inbox.fault = undefined;
  await result(ask([own(store.epoch.text)]));
  assert.deepEqual(desk.alarms(), []);
});

test("whatever is asked, while sends fail and live data flows: exactly that comes again, in order, live data undisturbed", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const { append, sent, ask, result, sink, store } = await bench(t);
  for (let block = 0; block < 30; block++) {
    append(...["a", "b", "c"].flatMap((device) => observations(device, 20, block * 20 + 1)));
  }
  await sent();
  sink.script = () => (random.next() < 0.3 ? (random.next() < 0.5 ? "lost" : unknown) : { kind: "accepted" });
  const wanted = ["a", "b"].map((device) => {
    const from = random.between(1, 400);
    return part(
      store.epoch.text,
      device,
      [from, from + random.between(0, 60)],
      [from + 80, from + random.between(90, 150)],
    );
  });
  const firstCopies = sink.stored.length;
  const id = ask(wanted);
  for (let i = 0; i < 20; i++) append(...observations("a", 3, 601 + i * 3));
  const { resent } = await result(id);
  await sent();
  const again = sink.stored.slice(firstCopies).filter(({ backfill, stream }) => backfill && stream === "observations");
  const expected = wanted.flatMap(({ device, ranges }) =>
    ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => `${device}/${first + i}`)),
  );
  const distinct = [...new Set(again.map(({ device, seq }) => `${device}/${seq}`))];
  assert.deepEqual(distinct.toSorted(), expected.toSorted());
  assert.equal(resent, expected.length);
  copiesIn(sink.stored);
  assert.deepEqual(sink.violations, []);
});

test("records that were merged with others come again as they were", async (t) => {
  const { append, sent, ask, result, sink, store, clock } = await bench(t);
  for (let block = 0; block < 40; block++) append(...observations("a", 5, block * 5 + 1), ...observations("b", 2));
  clock.advanceMs(3_600_000);
  append(...observations("c", 1));
  await sent();
  assert(mergeAll(store) > 0);
  const { resent, gone } = await result(
    ask([part(store.epoch.text, "a", [3, 17], [150, 150]), part(store.epoch.text, "b", [80, 80])]),
  );
  assert.deepEqual([resent, gone], [17, 0]);
  assert.deepEqual(
    copiesIn(sink.stored)
      .map(({ device, seq }) => `${device}${seq}`)
      .toSorted(),
    [...Array.from({ length: 15 }, (_, i) => `a${i + 3}`), "a150", "b80"].toSorted(),
  );
});

test("a reader whose certificates were replaced is given up for a new one, and nothing is said to be wrong", async (t) => {
  const { append, sent, ask, result, inbox, store, desk } = await bench(t);
  append(...observations("a", 3));
  await sent();
  assert.equal((await result(ask([part(store.epoch.text, "a", [1, 2])]))).resent, 2);
  inbox.renewals += 1;
  await until("a new reader", () => inbox.opens === 2);
  assert.equal((await result(ask([part(store.epoch.text, "a", [3, 3])]))).resent, 1);
  assert.equal(inbox.opens, 2);
  assert.equal(desk.report().fault, undefined);
  assert.equal(desk.report().served, 2);
});

test("a damaged block in the window is gone, and its neighbours come", async (t) => {
  const { append, sent, ask, result, restart, store } = await bench(t);
  append(...observations("a", 3));
  append(...observations("a", 3, 4));
  append(...observations("a", 3, 7));
  await sent();
  const old = store.epoch.text;
  await restart((db) => {
    const second = "SELECT id FROM blocks_telemetry ORDER BY id LIMIT 1 OFFSET 1";
    db.exec(`UPDATE blocks_telemetry SET data = data || x'00' WHERE id = (${second})`);
  });
  const { resent, gone } = await result(ask([part(old, "a", [1, 9])]));
  assert.deepEqual([resent, gone], [6, 3]);
});
