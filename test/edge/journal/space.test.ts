// Goal: each lane keeps within its share and by its policy, in the order forwarded → history → policy; what is lost is
// named exactly, what must not be lost is refused; and space that is not needed goes back to the disk.
// Method: a real store with small quotas and a clock of our own.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { recordsOf } from "../../../edge/journal/block.ts";
import { Forecast } from "../../../edge/journal/forecast.ts";
import { Store, type StoreOptions } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import type { Lane, Stream } from "../../../src/wire/streams.ts";
import { GroupMaker, observations, storeOptions, temporaryFolder, type TestRecord } from "../../support/records.ts";
import { blocksOf, ledgerOf } from "../../support/stored.ts";

const quotaBytes = 16_777_216;

function open(t: TestContext, more: Partial<StoreOptions> = {}) {
  const clock = new ManualClock();
  const options = storeOptions(temporaryFolder(t), { quotaBytes, ...more });
  const store = Store.open(options, clock);
  t.after(() => store.abandon());
  const maker = new GroupMaker();
  const append = (records: readonly TestRecord[]): string => {
    const { kind } = store.commit(maker.group(records));
    maker.forget();
    return kind;
  };
  return { clock, options, store, append };
}

function noise(stream: Stream, bytes: number, device = "d"): TestRecord {
  return { stream, device, value: randomBytes((bytes * 3) / 4).toString("base64") };
}

function alert(priority: string, bytes: number, device: string): TestRecord {
  const explanation = randomBytes((bytes * 3) / 4).toString("base64");
  return { stream: "alerts", device, value: JSON.stringify({ kind: "raise", priority, explanation }) };
}

function reclaimAll(store: Store): void {
  for (let steps = 0; store.reclaim().more; steps++) assert(steps < 1_000, "reclaiming ends");
}

function numbersIn(store: Store, lane: Lane, device: string): number[] {
  return blocksOf(store, lane)
    .flatMap((block) => [...recordsOf(block)])
    .flatMap(({ entry, seq }) => (entry.device === device ? [seq] : []));
}

test("a storm of alerts keeps within its share: the least severe go first, oldest first, each is named, nothing else goes", (t) => {
  const { store, append } = open(t, { insightSharePercent: 10 });
  append(observations("a", 10));
  for (let i = 0; i < 60; i++) {
    append([alert("critical", 9_000, "grave")]);
    append([alert("low", 30_000, "petty")]);
  }
  reclaimAll(store);
  assert(store.usage().head.lanes.insight.bytes <= quotaBytes / 10);
  assert.equal(numbersIn(store, "insight", "grave").length, 60, "no severe one while there are others");
  const kept = numbersIn(store, "insight", "petty");
  assert(kept.length > 0 && kept.length < 60);
  const named = ledgerOf(store).flatMap(({ device, first, last }) =>
    Array.from({ length: last! - first! + 1 }, (_, i) => `${device}${first! + i}`),
  );
  assert.deepEqual(
    named,
    Array.from({ length: 60 - kept.length }, (_, i) => `petty${i + 1}`),
  );
  assert.equal(numbersIn(store, "telemetry", "a").length, 10);
});

test("ranges that follow each other are one ledger entry, however many blocks held them", (t) => {
  const { store, append } = open(t, { insightSharePercent: 1 });
  for (let i = 0; i < 60; i++) append([alert("low", 9_000, "petty")]);
  reclaimAll(store);
  assert.equal(ledgerOf(store).length, 1);
});

test("other limits hold from then on: what is beyond them goes, and no more", (t) => {
  const { store, append, options } = open(t, { quotaBytes: 10 * quotaBytes });
  for (let i = 0; i < 24; i++) append([noise("observations", 1_000_000)]);
  reclaimAll(store);
  assert.equal(ledgerOf(store).length, 0);
  store.limit({ ...options, quotaBytes });
  reclaimAll(store);
  assert.equal(store.usage().quotaBytes, quotaBytes);
  assert(store.usage().bytes <= quotaBytes, `${store.usage().bytes} bytes`);
  const [loss] = ledgerOf(store);
  assert.deepEqual([loss?.first, loss?.reason], [1, "quota"]);
  store.limit({ ...options, telemetryWhenFull: "stop", quotaBytes: quotaBytes / 2 });
  reclaimAll(store);
  assert.equal(append(observations("d", 1)), "full");
});

test("history beyond its share expires, oldest first, and is counted, not ledgered", (t) => {
  const { store, append } = open(t, { historySharePercent: 10 });
  for (let i = 0; i < 100; i++) append([noise("history", 40_000)]);
  reclaimAll(store);
  const { head } = store.usage();
  assert(head.lanes.history.bytes <= quotaBytes / 10);
  assert.equal(head.total.expired + head.lanes.history.records, 100);
  assert.deepEqual(ledgerOf(store), []);
});

test("where telemetry stops, critical records go on into their reserve, and telemetry goes on when there is room", (t) => {
  const { store, append } = open(t, { telemetryWhenFull: "stop", criticalReservePercent: 20 });
  const kinds: string[] = [];
  for (let i = 0; i < 400 && kinds.at(-1) !== "full"; i++) {
    kinds.push(append([noise("observations", 90_000)]));
    reclaimAll(store);
  }
  assert.equal(kinds.at(-1), "full");
  assert(store.usage().bytes < quotaBytes * 0.82, "the reserve is free");
  assert.equal(append([noise("sessions", 90_000)]), "stored");
  assert.deepEqual(ledgerOf(store), []);
  assert(store.usage().lanes.telemetry.isFull && !store.usage().lanes.critical.isFull);
  store.settle("telemetry", 1, store.usage().head.nextBlock);
  reclaimAll(store);
  assert.equal(append([noise("observations", 90_000)]), "stored");
});

test("unsent observations beyond their age are dropped and named with the reason age, and with their own times", (t) => {
  const { clock, store, append } = open(t, { telemetryMaxAgeHours: 2 });
  append(observations("a", 3));
  clock.advanceMs(3_600_000);
  append(observations("a", 2, 4));
  clock.advanceMs(3_600_001);
  reclaimAll(store);
  assert.deepEqual(
    ledgerOf(store).map(({ device, first, last, count, reason, from, to }) => [
      device,
      first,
      last,
      count,
      reason,
      from,
      to,
    ]),
    [["a", 1, 3, 3, "age", "2023-11-14T22:13:20.000000Z", "2023-11-14T22:13:20.000002Z"]],
  );
  assert.deepEqual(numbersIn(store, "telemetry", "a"), [4, 5]);
});

test("what Kafka has goes first, also behind a backlog that it overtook", (t) => {
  const { store, append } = open(t, { telemetrySharePercent: 20 });
  for (let i = 0; i < 100; i++) append([noise("observations", 20_000, "backlog")]);
  const last = blocksOf(store, "telemetry").at(-1)!.id;
  for (let i = 0; i < 150; i++) append([noise("observations", 20_000, "live")]);
  store.settle("telemetry", last + 1, store.usage().head.nextBlock);
  reclaimAll(store);
  assert.deepEqual(ledgerOf(store), []);
  assert.equal(numbersIn(store, "telemetry", "backlog").length, 100);
  assert(numbersIn(store, "telemetry", "live").length < 150);
});

test("each lane tells its quota, the age of its oldest unsent record, and when it will be full", (t) => {
  const { clock, store, append } = open(t, { insightSharePercent: 25 });
  assert.equal(store.usage().lanes.telemetry.oldestUnsentMicros, undefined);
  const startMicros = clock.nowMicros();
  for (let second = 0; second < 120; second++) {
    append([noise("observations", 10_000)]);
    clock.advanceMs(1_000);
    store.usage();
  }
  const { lanes, head } = store.usage();
  assert.equal(lanes.insight.quotaBytes, quotaBytes / 4);
  assert.equal(lanes.insight.fullInSeconds, undefined);
  assert.equal(lanes.telemetry.oldestUnsentMicros, startMicros);
  const expected = (quotaBytes * 0.95 - head.lanes.telemetry.unsentBytes) / (head.lanes.telemetry.unsentBytes / 120);
  assert(Math.abs(lanes.telemetry.fullInSeconds! / expected - 1) < 0.2, `${lanes.telemetry.fullInSeconds}`);
  store.settle("telemetry", 1, blocksOf(store, "telemetry")[9]!.id);
  assert.equal(store.usage().lanes.telemetry.oldestUnsentMicros, startMicros + 10_000_000);
});

test("a forecast follows the lane that grows, and ends when it shrinks", () => {
  const forecast = new Forecast();
  const bytes = (telemetry: number) => ({ critical: 0, insight: 0, telemetry, history: 0 });
  for (let second = 0; second <= 300; second++) forecast.sample(second * 1_000, bytes(second * 100));
  assert.equal(Math.round(forecast.fullInSeconds("telemetry", 5_000, 1e9)!), 50);
  assert.equal(Math.round(forecast.fullInSeconds("telemetry", 5_000, 1_000)!), 10, "what all have in common is less");
  assert.equal(forecast.fullInSeconds("insight", 5_000, 1e9), undefined);
  for (let second = 301; second <= 600; second++) forecast.sample(second * 1_000, bytes(0));
  assert.equal(forecast.fullInSeconds("telemetry", 5_000, 1e9), undefined);
});

test("the file becomes smaller after a backlog was drained, in small steps, and keeps what is next needed", (t) => {
  const { options, store, append } = open(t, { quotaBytes: 1_000_000_000, replayWindowHours: 0 });
  for (let i = 0; i < 60; i++) append([noise("observations", 800_000)]);
  store.settle("telemetry", 1, store.usage().head.nextBlock);
  reclaimAll(store);
  append(observations("a", 10));
  const size = (): number => statSync(join(options.folder, "journal.db")).size;
  const before = size();
  for (let step = 0; step < 40; step++) {
    store.shrink();
    append(observations("a", 1));
  }
  assert(before > 30e6 && size() < 20e6, `${before} to ${size()} bytes`);
  assert(size() > 15e6, "some pages are kept");
  assert.equal(numbersIn(store, "telemetry", "a").length, 50);
});
