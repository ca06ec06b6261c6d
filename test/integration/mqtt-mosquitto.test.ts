// Goal: against a broker and clients that we did not write, nothing that was published with QoS 1 is missed, and what
// comes twice can be recognised.
import assert from "node:assert/strict";
import { test } from "node:test";
import mqtt from "mqtt";
import { contentHash, hashOfTopic, RedeliveryLog } from "../../edge/pipeline/redelivery.ts";
import type { Delivery } from "../../edge/source.ts";
import { FakeIngest } from "../support/fake-ingest.ts";
import { startMosquitto } from "../support/mosquitto.ts";
import { mqttSource } from "../support/mqtt-sources.ts";
import type { Cleanup } from "../support/processes.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";

/** Publishes `<prefix>-<n>` with QoS 1 and resolves once the broker has acknowledged all of them. */
async function publishAll(url: string, count: number, prefix: string): Promise<void> {
  const client = await mqtt.connectAsync(url);
  const perRound = 5000;
  for (let n = 0; n < count; n += perRound) {
    const round = Array.from({ length: Math.min(perRound, count - n) }, async (_, i) =>
      client.publishAsync("plant/press-17/data", `${prefix}-${n + i}`, { qos: 1 }),
    );
    await Promise.all(round);
  }
  await client.endAsync();
}

/** Settles every few milliseconds, as commits do. */
function committing(t: Cleanup, ingest: FakeIngest): void {
  const timer = setInterval(() => ingest.settle(), 5);
  t.after(() => clearInterval(timer));
}

/** Removes the redeliveries that the gateway recognises. */
function withoutRedeliveries(offered: readonly Delivery[]): string[] {
  const log = new RedeliveryLog();
  const kept: string[] = [];
  for (const { address, body, redelivery } of offered) {
    assert(body.kind === "bytes" && redelivery !== undefined);
    const { session, packetId, dup } = redelivery;
    const hash = contentHash(hashOfTopic(address), body.bytes);
    if (dup && log.has(session, packetId, hash)) continue;
    log.note(session, packetId, hash);
    kept.push(Buffer.from(body.bytes).toString("utf8"));
  }
  return kept;
}

for (const protocol of ["5", "3.1.1"] as const) {
  test(`MQTT ${protocol}: 100,000 messages over a connection that is cut again and again`, async (t) => {
    const broker = await startMosquitto(t, { maxInflightMessages: protocol === "5" ? 20 : 1000 });
    const proxy = await startProxy(t, broker);
    const ingest = new FakeIngest();
    await using source = mqttSource(proxy.port, { protocol });
    await source.start(ingest);
    await until("the subscription", () => source.status().state === "connected");
    committing(t, ingest);
    const count = 100_000;
    const publishing = publishAll(broker.url, count, "m");
    for (const share of [0.1, 0.3, 0.5, 0.7]) {
      await until(`${share} of the messages`, () => ingest.offered.length > count * share, Boolean, {
        withinMs: 60_000,
      });
      proxy.cut();
    }
    await publishing;
    const distinct = (): number => new Set(ingest.texts()).size;
    await until("every message", () => ingest.offered.length >= count && distinct() === count, Boolean, {
      withinMs: 60_000,
    });
    assert.deepEqual(
      withoutRedeliveries(ingest.offered),
      Array.from({ length: count }, (_, n) => `m-${n}`),
    );
    assert.equal(ingest.forgotten.length, 1, "the broker kept the session");
  });

  test(`MQTT ${protocol}: messages published while the gateway was away wait in the session`, async (t) => {
    const broker = await startMosquitto(t);
    const ingest = new FakeIngest();
    {
      await using source = mqttSource(broker.port, { protocol });
      await source.start(ingest);
      await until("the subscription", () => source.status().state === "connected");
    }
    await publishAll(broker.url, 2000, "away");
    await using source = mqttSource(broker.port, { protocol });
    committing(t, ingest);
    await source.start(ingest);
    await ingest.waitForOffers(2000, 20_000);
    assert.equal(new Set(ingest.texts()).size, 2000);
  });
}

test("a long queue whose PUBACKs get lost: mosquitto sends more than it may, and all of it is recognised", async (t) => {
  const broker = await startMosquitto(t);
  const proxy = await startProxy(t, broker);
  const ingest = new FakeIngest();
  {
    await using source = mqttSource(broker.port, { protocol: "5" });
    await source.start(ingest);
    await until("the subscription", () => source.status().state === "connected");
  }
  const count = 40_000;
  await publishAll(broker.url, count, "m");
  await using source = mqttSource(proxy.port, { protocol: "5" });
  await source.start(ingest);
  await ingest.waitForOffers(1, 20_000);
  committing(t, ingest);
  await until("PUBACKs have made room for more", () => ingest.offered.length > 10_000);
  proxy.fault("up", { kind: "drop" });
  await ingest.waitForOffers(20_000, 20_000);
  proxy.cut();
  proxy.fault("up", { kind: "none" });
  const distinct = (): number => new Set(ingest.texts()).size;
  await until("every message", () => distinct() === count, Boolean, { withinMs: 20_000 });
  assert(ingest.offered.length > count, "some came twice");
  assert.deepEqual(
    withoutRedeliveries(ingest.offered),
    Array.from({ length: count }, (_, n) => `m-${n}`),
  );
});

for (const persistence of [true, false]) {
  test(`kill -9 and restart of a broker ${persistence ? "with" : "without"} persistence`, async (t) => {
    const lines = persistence ? ["autosave_on_changes true", "autosave_interval 1"] : [];
    const broker = await startMosquitto(t, { persistence, lines });
    const ingest = new FakeIngest();
    await using source = mqttSource(broker.port);
    await source.start(ingest);
    committing(t, ingest);
    await until("the subscription", () => source.status().state === "connected");
    await publishAll(broker.url, 1000, "before");
    await ingest.waitForOffers(1000, 20_000);
    await broker.kill();
    await until("the loss is noticed", () => source.status().state !== "connected");
    await broker.restart();
    await until("the next connection", () => source.status().state === "connected", Boolean, { withinMs: 20_000 });
    assert.equal(ingest.forgotten.length, persistence ? 1 : 2, source.status().detail);
    await publishAll(broker.url, 1000, "after");
    await until("what came after", () => new Set(ingest.texts()).size === 2000, Boolean, { withinMs: 20_000 });
  });
}
