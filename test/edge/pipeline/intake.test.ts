// Goal: a delivery is settled only when it is on disk; what comes twice is stored once; what cannot be read is kept
// and named; and a burst beyond the room of a group waits instead of getting lost. Method: the real store, driven by hand.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { recordsOf, unpackBlock } from "../../../edge/journal/block.ts";
import type { Committed, Group } from "../../../edge/journal/group.ts";
import { Store } from "../../../edge/journal/store.ts";
import { Committer, type CommitLog } from "../../../edge/pipeline/committer.ts";
import { Devices } from "../../../edge/pipeline/devices.ts";
import { Intake, type Noted } from "../../../edge/pipeline/intake.ts";
import { RedeliveryLog } from "../../../edge/pipeline/redelivery.ts";
import { ProfileLibrary } from "../../../edge/profile-library.ts";
import type { Delivery } from "../../../edge/source.ts";
import { systemClock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import { createRouter } from "../../../src/profile/router.ts";
import type { LedgerRecord } from "../../../src/wire/records.ts";
import { storeOptions, temporaryFolder } from "../../support/records.ts";

/** A store whose commits can be held up, and told to fail. */
class HeldLog implements CommitLog {
  readonly store: Store;
  commits = 0;
  fail: TidegateError | undefined;
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  constructor(store: Store) {
    this.store = store;
  }

  hold(): void {
    this.#gate = new Promise((resolve) => (this.#open = resolve));
  }

  letGo(): void {
    this.#open();
  }

  async commit(group: Group): Promise<Committed> {
    await this.#gate;
    if (this.fail !== undefined) throw this.fail;
    this.commits++;
    return this.store.commit(group);
  }
}

const rule = {
  source: "s",
  topic: "p/{device}",
  device: "{device}",
  path: "a/b/c/d",
  item: undefined,
  profile: new ProfileLibrary(undefined).get("generic/json-sensor", undefined)!,
  devicesMax: 5,
};

class Bench {
  readonly log: HeldLog;
  readonly intake: Intake;
  readonly committer: Committer<Noted>;
  readonly devices = new Devices(4);
  readonly settled: string[] = [];
  readonly trouble: (string | undefined)[] = [];
  readonly notes: Noted[] = [];

  constructor(t: TestContext, folder: string, groupBytesMax = 2_097_152) {
    const store = Store.open(storeOptions(folder), systemClock);
    t.after(() => store.abandon());
    this.log = new HeldLog(store);
    const { devices } = this;
    const redeliveries = new RedeliveryLog();
    redeliveries.restore(store.redeliveries());
    const options = { groupBytesMax, commitLingerMs: 0, commitSpacingMs: 0 };
    this.committer = new Committer<Noted>(this.log, devices, redeliveries, options, {
      settled: () => undefined,
      stored: ({ notes }) => this.notes.push(...notes),
      sealed: () => this.intake.resume(),
      trouble: (error) => this.trouble.push(error?.code),
    });
    const limits = { gateway: "gw", epoch: store.epoch.text, payloadBytesMax: 10_000, inFlightMax: 1_000 };
    this.intake = new Intake(
      systemClock,
      createRouter([rule, { ...rule, topic: "items/{device}/{item}", item: "{item}" }]),
      devices,
      this.committer,
      redeliveries,
      new Map(),
      limits,
      {
        deviceSeen: () => undefined,
        isScored: () => true,
        observed: () => undefined,
      },
    );
  }

  offer(name: string, payload: string | Uint8Array, more: Partial<Delivery> = {}): "continue" | "pause" {
    return this.intake.offer({
      source: "s",
      address: "p/d1",
      body: { kind: "bytes", bytes: Buffer.from(payload) },
      receivedMicros: systemClock.nowMicros(),
      redelivery: undefined,
      cursor: undefined,
      settle: (outcome) => this.settled.push(`${name}:${outcome}`),
      ...more,
    });
  }

  stored(): string[] {
    const found: string[] = [];
    for (let after = 0; ;) {
      const packed = this.log.store.next("telemetry", after);
      if (packed === undefined) return found;
      after = packed.id;
      for (const { value } of recordsOf(unpackBlock(packed.id, packed.data, packed.crc))) {
        found.push(JSON.stringify((JSON.parse(value.toString()) as { values: unknown }).values));
      }
    }
  }

  async until(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns++) {
      assert(turns < 5_000, `waited in vain; settled so far: ${this.settled.join(" ")}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

const value = (n: number) => `{"temperature":${n}}`;

test("a device that sends each item to a topic of its own is read item by item", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  for (const [item, payload] of [
    ["temperature", "21"],
    ["pressure", "4"],
    ["temperature", "22"],
  ] as const) {
    bench.offer(item, payload, { address: `items/d1/${item}` });
  }
  await bench.until(() => bench.settled.length === 3);
  assert.deepEqual(bench.stored(), ['{"temperature":21}', '{"pressure":4}', '{"temperature":22}']);
});

test("nothing is settled before the commit, and then in the order of arrival", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.log.hold();
  for (let n = 1; n <= 3; n++) bench.offer(String(n), value(n));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(bench.settled, []);
  assert.deepEqual(bench.stored(), []);
  bench.log.letGo();
  await bench.until(() => bench.settled.length === 3);
  assert.deepEqual(bench.settled, ["1:stored", "2:stored", "3:stored"]);
  assert.deepEqual(bench.stored(), [value(1), value(2), value(3)]);
  assert.equal(bench.log.commits, 1, "what arrives together shares a commit");
});

test("what arrives during a commit shares the next one", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.log.hold();
  bench.offer("1", value(1));
  await new Promise((resolve) => setTimeout(resolve, 10));
  for (let n = 2; n <= 50; n++) bench.offer(String(n), value(n));
  bench.log.letGo();
  await bench.until(() => bench.settled.length === 50);
  assert.equal(bench.log.commits, 2);
});

const session = "mqtt:s:client";

test("a redelivery is acknowledged and not stored again, also by the next process", async (t) => {
  const folder = temporaryFolder(t);
  const first = new Bench(t, folder);
  first.offer("1", value(1), { redelivery: { session, packetId: 7, dup: false } });
  first.offer("1 again", value(1), { redelivery: { session, packetId: 7, dup: true } });
  await first.until(() => first.settled.length === 2);
  assert.deepEqual(first.stored(), [value(1)]);
  first.log.store.abandon();
  const second = new Bench(t, folder);
  second.offer("1 after the kill", value(1), { redelivery: { session, packetId: 7, dup: true } });
  await second.until(() => second.settled.length === 1);
  assert.deepEqual(second.settled, ["1 after the kill:stored"]);
  assert.deepEqual(second.stored(), [value(1)]);
  assert.equal(second.intake.counters.redeliveries, 1);
  second.offer("2", value(2));
  await second.until(() => second.settled.length === 2);
  assert.deepEqual(second.stored(), [value(1), value(2)], "a group of redeliveries alone does not lose new devices");
});

const notRedeliveries: {
  name: string;
  payload: string;
  redelivery: NonNullable<Delivery["redelivery"]>;
  forget?: boolean;
}[] = [
  { name: "the same packet id without DUP", payload: value(1), redelivery: { session, packetId: 7, dup: false } },
  { name: "another payload", payload: value(2), redelivery: { session, packetId: 7, dup: true } },
  { name: "another packet id", payload: value(1), redelivery: { session, packetId: 8, dup: true } },
  { name: "another session", payload: value(1), redelivery: { session: "mqtt:s:other", packetId: 7, dup: true } },
  {
    name: "a session that was forgotten",
    payload: value(1),
    redelivery: { session, packetId: 7, dup: true },
    forget: true,
  },
];

for (const { name, payload, redelivery, forget } of notRedeliveries) {
  test(`${name} is a message of its own`, async (t) => {
    const bench = new Bench(t, temporaryFolder(t));
    bench.offer("1", value(1), { redelivery: { session, packetId: 7, dup: false } });
    await bench.until(() => bench.settled.length === 1);
    if (forget === true) bench.intake.forgetSession(session);
    bench.offer("2", payload, { redelivery });
    await bench.until(() => bench.settled.length === 2);
    assert.equal(bench.stored().length, 2);
  });
}

const bad: { name: string; payload: string | Uint8Array; address?: string; reason: string }[] = [
  { name: "text that is not JSON", payload: "21.5 C", reason: "not-json" },
  { name: "bytes that are not text", payload: Buffer.from([0xff, 0xfe, 0x00]), reason: "not-text" },
  { name: "an unknown topic", payload: value(1), address: "elsewhere/x", reason: "unroutable" },
  { name: "more bytes than allowed", payload: `{"temperature":${"1".repeat(10_001)}}`, reason: "too-large" },
  { name: "depth without end", payload: "[".repeat(9_000), reason: "too-deep" },
];

for (const { name, payload, address, reason } of bad) {
  test(`${name} goes to quarantine, is acknowledged, and leaves its neighbours alone`, async (t) => {
    const bench = new Bench(t, temporaryFolder(t));
    bench.offer("1", value(1));
    bench.offer("bad", payload, address === undefined ? {} : { address });
    bench.offer("2", value(2));
    await bench.until(() => bench.settled.length === 3);
    assert.deepEqual(bench.settled, ["1:stored", "bad:stored", "2:stored"]);
    assert.deepEqual(bench.stored(), [value(1), value(2)]);
    const [row] = bench.log.store.quarantinePage({}, Infinity, 10).rows;
    assert.equal(row?.reason, reason);
    assert.equal(row?.address, address ?? "p/d1");
  });
}

test("devices beyond the cap are quarantined with that reason", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  for (let n = 1; n <= 7; n++) bench.offer(String(n), value(n), { address: `p/device-${n}` });
  await bench.until(() => bench.settled.length === 7);
  assert.equal(bench.stored().length, 5);
  assert.deepEqual(
    bench.log.store.quarantinePage({}, Infinity, 10).rows.map(({ reason }) => reason),
    ["device-limit", "device-limit"],
  );
});

test("a burst beyond a group's room pauses the source, waits, and is stored whole and in order", async (t) => {
  const bench = new Bench(t, temporaryFolder(t), 65_536);
  let paused = false;
  let resumed = 0;
  bench.intake.onResume(() => resumed++);
  bench.log.hold();
  for (let n = 1; n <= 900; n++) paused = bench.offer(String(n), value(n)) === "pause" || paused;
  assert(paused);
  assert(bench.intake.waiting > 0, "some had no room");
  bench.log.letGo();
  await bench.until(() => bench.settled.length === 900);
  assert.deepEqual(
    bench.stored(),
    Array.from({ length: 900 }, (_, i) => value(i + 1)),
  );
  assert.deepEqual(
    bench.settled,
    Array.from({ length: 900 }, (_, i) => `${i + 1}:stored`),
  );
  assert(resumed > 0);
});

test("other rules hold for what comes from then on; what waits for room goes the way that it came", async (t) => {
  const bench = new Bench(t, temporaryFolder(t), 65_536);
  bench.offer("0", value(0), { address: "p/d2" });
  bench.log.hold();
  for (let n = 1; n <= 900; n++) bench.offer(String(n), value(n));
  assert(bench.intake.waiting > 0, "some had no room");
  const before = new Map(bench.devices.all);
  bench.intake.reroute(createRouter([{ ...rule, topic: "p/d2", device: "d2" }]));
  assert.deepEqual([...bench.devices.all.keys()], ["d2"]);
  assert.equal(bench.devices.all.get("d2"), before.get("d2"), "what did not change keeps what its curation remembers");
  bench.offer("stranger", value(901));
  bench.intake.reroute(createRouter([{ ...rule, topic: "p/d2", device: "d2", path: "a/b/c/other" }]));
  assert.equal(bench.devices.all.get("d2")?.path, "a/b/c/other");
  bench.log.letGo();
  await bench.until(() => bench.settled.length === 902);
  assert.equal(bench.stored().length, 901);
  const [row] = bench.log.store.quarantinePage({}, Infinity, 10).rows;
  assert.deepEqual([row?.reason, row?.address], ["unroutable", "p/d1"]);
});

test("a source that starts again in the same process finds its cursors where they are", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.offer("1", value(1), { cursor: { key: "at", value: "7" } });
  await bench.until(() => bench.settled.length === 1);
  assert.deepEqual([...bench.intake.cursors("s")], [["at", "7"]]);
});

test("after a pause sources take turns, so that one that fills each group does not keep the others waiting", async (t) => {
  const bench = new Bench(t, temporaryFolder(t), 65_536);
  const offered = { first: 0, second: 0 };
  const total = 20_000;
  const flood = (source: "first" | "second"): void => {
    while (offered.first + offered.second < total && bench.offer(source, value(++offered[source])) === "continue");
  };
  bench.intake.onResume(() => flood("first"));
  bench.intake.onResume(() => flood("second"));
  flood("first");
  await bench.until(() => bench.settled.length === total);
  const { first, second } = offered;
  assert(second > first / 2 && first > second / 2, `${first} of the one and ${second} of the other`);
});

test("while the disk refuses, nothing is settled; when it works again, everything is", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.log.fail = new TidegateError("JOURNAL_IO", "no");
  bench.offer("1", value(1));
  await bench.until(() => bench.trouble.length >= 2);
  assert.deepEqual(bench.settled, []);
  bench.log.fail = undefined;
  await bench.until(() => bench.settled.length === 1);
  assert.equal(bench.trouble.at(-1), undefined);
  assert.deepEqual(bench.stored(), [value(1)]);
});

test("a stop while the disk refuses abandons what is not stored", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.log.fail = new TidegateError("JOURNAL_IO", "no");
  bench.offer("1", value(1));
  await bench.until(() => bench.trouble.length >= 1);
  await bench.committer.drain();
  assert.deepEqual(bench.settled, ["1:abandoned"]);
});

test("gaps that the source proves are named in the ledger with the delivery", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.offer("1", value(1), {
    gaps: [
      { reason: "source-gap", messages: 3, sinceMicros: 1.7e15 },
      { reason: "source-overflow", messages: 2, sinceMicros: 1.8e15 },
    ],
  });
  await bench.until(() => bench.settled.length === 1);
  const packed = bench.log.store.next("critical", 0)!;
  const records = [...recordsOf(unpackBlock(packed.id, packed.data, packed.crc))].map(({ value: text }) =>
    text.toString(),
  );
  const losses = records.map((text) => JSON.parse(text) as LedgerRecord).filter(({ kind }) => kind === "loss");
  assert.deepEqual(
    losses.map(({ device, reason, count }) => [device, reason, count]),
    [
      ["d1", "source-gap", 3],
      ["d1", "source-overflow", 2],
    ],
  );
});

test("a source cursor is stored with the delivery that carries it", async (t) => {
  const bench = new Bench(t, temporaryFolder(t));
  bench.offer("1", value(1), { cursor: { key: "k", value: "v1" } });
  bench.offer("2", value(2), { cursor: { key: "k", value: "v2" } });
  await bench.until(() => bench.settled.length === 2);
  assert.deepEqual(bench.log.store.statesBelow("source:s/"), [["k", "v2"]]);
});
