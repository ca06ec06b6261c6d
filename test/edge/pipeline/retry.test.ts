// Goal: a retry ends in the journal exactly as a new message would, and nowhere twice; what still cannot be read
// stays. Method: the real store, intake and committer; commits are held and the store is "killed" around them.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { recordsOf, unpackBlock } from "../../../edge/journal/block.ts";
import type { Group } from "../../../edge/journal/group.ts";
import { Store } from "../../../edge/journal/store.ts";
import { Committer } from "../../../edge/pipeline/committer.ts";
import { Devices } from "../../../edge/pipeline/devices.ts";
import { Intake, type Noted } from "../../../edge/pipeline/intake.ts";
import { RedeliveryLog } from "../../../edge/pipeline/redelivery.ts";
import { keepBody, restoreBody } from "../../../edge/pipeline/kept-body.ts";
import { Retry } from "../../../edge/pipeline/retry.ts";
import { ProfileLibrary } from "../../../edge/profile-library.ts";
import { systemClock } from "../../../src/clock.ts";
import type { Body, Point } from "../../../src/profile/body.ts";
import { createRouter } from "../../../src/profile/router.ts";
import type { Actor } from "../../../src/wire/records.ts";
import type { Lane } from "../../../src/wire/streams.ts";
import { storeOptions, temporaryFolder } from "../../support/records.ts";
import { until } from "../../support/until.ts";

const by: Actor = { role: "operator", from: "127.0.0.1" };
const receivedMicros = 1.7e15;

class Site {
  readonly store: Store;
  readonly intake: Intake;
  readonly committer: Committer<Noted>;
  readonly retry: Retry;
  acknowledged = 0;
  observed = 0;
  commit: (group: Group) => Promise<ReturnType<Store["commit"]>>;

  /** `topic` is what the one rule of the configuration matches. */
  constructor(t: TestContext, folder: string, topic: string, groupBytesMax = 2_097_152) {
    const store = Store.open(storeOptions(folder), systemClock);
    this.store = store;
    t.after(() => store.abandon());
    this.commit = async (group) => store.commit(group);
    const devices = new Devices(4);
    const redeliveries = new RedeliveryLog();
    const options = { groupBytesMax, commitLingerMs: 0, commitSpacingMs: 0 };
    this.committer = new Committer<Noted>({ commit: (group) => this.commit(group) }, devices, redeliveries, options, {
      settled: (count) => (this.acknowledged += count),
      stored: () => undefined,
      sealed: () => this.intake.resume(),
      trouble: () => undefined,
    });
    const profile = new ProfileLibrary(undefined).get("generic/json-sensor", undefined)!;
    const place = { source: "s", device: "{device}", path: "a/b/c/d", item: undefined };
    const router = createRouter([{ ...place, topic, profile, devicesMax: 50 }]);
    const limits = { gateway: "gw", epoch: store.epoch.text, payloadBytesMax: 200_000, inFlightMax: 1_000 };
    this.intake = new Intake(systemClock, router, devices, this.committer, redeliveries, new Map(), limits, {
      deviceSeen: () => undefined,
      isScored: () => false,
      observed: () => this.observed++,
    });
    const log = {
      quarantined: async (id: number) => store.quarantined(id),
      quarantinedBytes: async (id: number) => store.quarantinedBytes(id),
    };
    this.retry = new Retry(log, this.intake);
  }

  async receive(...payloads: readonly (readonly [address: string, payload: string])[]): Promise<void> {
    let settled = 0;
    for (const [address, payload] of payloads) {
      const body: Body = { kind: "bytes", bytes: Buffer.from(payload) };
      const settle = (): void => void settled++;
      this.intake.offer({
        source: "s",
        address,
        body,
        receivedMicros,
        redelivery: undefined,
        cursor: undefined,
        settle,
      });
    }
    await until("all are settled", () => settled === payloads.length);
  }

  ids(): number[] {
    return this.store.quarantinePage({}, Infinity, 1_000).rows.map(({ id }) => id);
  }

  values(lane: Lane, stream: string): { device: string; received: string; values: { v: number } }[] {
    const values: { device: string; received: string; values: { v: number } }[] = [];
    for (let after = 0; ;) {
      const packed = this.store.next(lane, after);
      if (packed === undefined) return values;
      after = packed.id;
      for (const { entry, value } of recordsOf(unpackBlock(packed.id, packed.data, packed.crc))) {
        if (entry.stream === stream) values.push(JSON.parse(value.toString()) as (typeof values)[number]);
      }
    }
  }
}

const value = (v: number): string => JSON.stringify({ v });

test("a message without a rule is read once there is one, with the time at which it was received", async (t) => {
  const folder = temporaryFolder(t);
  const before = new Site(t, folder, "other/{device}");
  await before.receive(["p/d1", value(1)], ["p/d2", value(2)]);
  assert.deepEqual(before.ids(), [2, 1]);
  before.store.abandon();

  const after = new Site(t, folder, "p/{device}");
  assert.deepEqual(await after.retry.all([1, 2, 3, 1], by), [{ kind: "read" }, { kind: "read" }, { kind: "gone" }]);
  assert.deepEqual(after.ids(), []);
  const stored = after.values("telemetry", "observations");
  assert.deepEqual(
    stored.map(({ device, values }) => [device, values.v]),
    [
      ["d1", 1],
      ["d2", 2],
    ],
  );
  assert.ok(stored.every(({ received }) => received === "2023-11-14T22:13:20.000000Z"));
  assert.deepEqual([after.acknowledged, after.observed], [0, 0], "neither a delivery nor news of the device");
});

test("a message that still cannot be read stays, with the reason of today and a count of tries", async (t) => {
  const folder = temporaryFolder(t);
  const before = new Site(t, folder, "other/{device}");
  await before.receive(["p/d1", "{{"]);
  assert.equal(before.store.quarantined(1)!.reason, "unroutable");
  before.store.abandon();
  const after = new Site(t, folder, "p/{device}");
  for (const tries of [1, 2]) {
    const [outcome] = await after.retry.all([1], by);
    assert.equal(outcome?.kind === "bad" && outcome.reason, "not-json");
    assert.equal(after.store.quarantined(1)!.tries, tries);
  }
  assert.equal(after.values("insight", "quarantine").length, 1, "it was announced once, not again by each retry");
  assert.equal(after.store.usage().head.total.quarantined, 1);
});

test("killed before the commit nothing has happened; killed after it the message is read and gone", async (t) => {
  const folder = temporaryFolder(t);
  const before = new Site(t, folder, "other/{device}");
  await before.receive(["p/d1", value(1)]);
  before.store.abandon();

  const killed = new Site(t, folder, "p/{device}");
  let asked = false;
  killed.commit = () => new Promise(() => (asked = true));
  void killed.retry.all([1], by);
  await until("the commit was asked for", () => asked);
  killed.store.abandon();

  const again = new Site(t, folder, "p/{device}");
  assert.deepEqual([again.ids(), again.values("telemetry", "observations").length], [[1], 0]);
  await again.retry.all([1], by);
  again.store.abandon();
  const last = new Site(t, folder, "p/{device}");
  assert.deepEqual([last.ids(), last.values("telemetry", "observations").length], [[], 1]);
});

test("two people who retry the same message get it once", async (t) => {
  const folder = temporaryFolder(t);
  const before = new Site(t, folder, "other/{device}");
  await before.receive(["p/d1", value(1)]);
  before.store.abandon();
  const after = new Site(t, folder, "p/{device}");
  const both = await Promise.all([after.retry.all([1], by), after.retry.all([1], { ...by, from: "10.0.0.1" })]);
  assert.deepEqual(
    both.map(([outcome]) => outcome!.kind),
    ["read", "gone"],
  );
  assert.equal(after.values("telemetry", "observations").length, 1);
});

test("many retries that need more room than a group has wait their turn", async (t) => {
  const folder = temporaryFolder(t);
  const wide = JSON.stringify(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`m${i}`, i])));
  const before = new Site(t, folder, "other/{device}");
  await before.receive(...Array.from({ length: 60 }, (_, i) => [`p/d${i % 40}`, wide] as const));
  before.store.abandon();
  const after = new Site(t, folder, "p/{device}", 65_536);
  const outcomes = await after.retry.all(after.ids(), by);
  assert.equal(outcomes.filter(({ kind }) => kind === "read").length, 60);
  assert.deepEqual([after.ids(), after.values("telemetry", "observations").length], [[], 60]);
});

test("of a message that was too large only the beginning is kept, so a retry says so and changes nothing", async (t) => {
  const folder = temporaryFolder(t);
  const site = new Site(t, folder, "p/{device}");
  await site.receive(["q/d1", `{"v":"${"x".repeat(100_000)}"}`]);
  const { size, keptBytes } = site.store.quarantined(1)!;
  assert.ok(size > 100_000 && keptBytes === 65_536);
  const [outcome] = await site.retry.all([1], by);
  assert.equal(outcome?.kind === "bad" && outcome.reason, "too-large");
  assert.deepEqual(site.ids(), [1]);
});

test("a record that Kafka refused is stored again under a new number", async (t) => {
  const folder = temporaryFolder(t);
  const site = new Site(t, folder, "p/{device}");
  await site.receive(["p/d1", value(1)]);
  const [stored] = site.values("telemetry", "observations");
  const bytes = Buffer.from(JSON.stringify(stored));
  const item = { timeMicros: 5, source: "kafka", address: "observations/d1", device: "d1", profile: "" };
  const why = { reason: "refused-by-kafka", detail: "MESSAGE_TOO_LARGE" } as const;
  const loss = { kind: "loss", epoch: site.store.epoch.text, stream: "observations", device: "d1" } as const;
  const times = { from: "2026-11-21T09:00:00.000000Z", to: "2026-11-21T09:00:00.000000Z" };
  site.store.refuse([
    {
      item: { ...item, ...why, form: "bytes", size: bytes.length, bytes },
      loss: { ...loss, ...times, first: 1, last: 1, count: 1, reason: "refused" },
    },
  ]);
  assert.deepEqual(await site.retry.all([1], by), [{ kind: "read" }]);
  assert.deepEqual(site.ids(), []);
  assert.deepEqual(site.values("telemetry", "observations"), [stored, stored]);
});

test("what the quarantine keeps of typed values is what came, whatever JSON cannot say", () => {
  const point = { quality: "good", timeMicros: 5, status: undefined } as const;
  const hostile = [
    9_223_372_036_854_775_807n,
    -1n,
    NaN,
    Infinity,
    -Infinity,
    -0,
    1e-320,
    "\u0000",
    "",
    true,
    undefined,
  ];
  const points: Point[] = hostile.map((each, i) => ({ ...point, item: `i${i}`, value: each }));
  const kept = keepBody({ kind: "points", points });
  const restored = restoreBody(kept);
  assert.ok(restored?.kind === "points");
  for (const [i, { value: back }] of restored.points.entries()) assert.ok(Object.is(back, hostile[i]), String(back));
  assert.equal(restoreBody({ form: "points", bytes: Buffer.from('[{"item":') }), undefined);
});
