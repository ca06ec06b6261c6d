// Goal: the generator's oracle is right: what it calls acknowledged was delivered, byte-identical when it is sent again.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { connectAsync, type MqttClient } from "mqtt";
import { startLoad } from "../support/load.ts";
import { startMosquitto, type Mosquitto } from "../support/mosquitto.ts";
import { startProxy } from "../support/proxy.ts";
import { until } from "../support/until.ts";

test("at a fixed rate it sends each counter once, and all are delivered", async (t) => {
  const mosquitto = await startMosquitto(t);
  const heard = await listen(t, mosquitto);
  const load = startLoad(t, { port: mosquitto.port, connections: 4, devices: 10, rate: 2000 });
  await until(
    "two thousand are acknowledged",
    async () => (await load.report()).acked,
    (acked) => acked >= 2000,
  );
  const report = await load.finish();
  assert.equal(report.acked, report.sent);
  assert.equal(report.strayAcks + report.unorderedAcks + report.redelivered + report.abandoned, 0);
  assert(report.ackedPerSecond < 2100, `open loop keeps its rate: ${report.ackedPerSecond}`);
  await until(
    "the subscriber has all",
    () => heard.messages,
    (messages) => messages === report.sent,
  );
  for (const [device, { sent, acked }] of Object.entries(report.devices)) {
    assert.deepEqual(acked, [1, sent]);
    assert.equal(heard.of(device).size, sent);
  }
});

test("in fast mode it stops at what was allowed and goes on when more is", async (t) => {
  const mosquitto = await startMosquitto(t);
  const load = startLoad(t, { port: mosquitto.port, connections: 4, devices: 10, fast: { allowed: 5000 } });
  await until(
    "the allowance is used up",
    async () => (await load.report()).acked,
    (acked) => acked === 5000,
  );
  assert.equal((await load.report()).sent, 5000);
  await load.allow(20_000);
  await until(
    "the new allowance too",
    async () => (await load.report()).acked,
    (acked) => acked === 20_000,
  );
  const report = await load.finish();
  assert(report.cpuMicrosPerMessage < 30, `${report.cpuMicrosPerMessage} µs of processor time per message`);
});

test("what a broken connection left unacknowledged comes again with DUP and the same bytes", async (t) => {
  const mosquitto = await startMosquitto(t);
  const heard = await listen(t, mosquitto);
  const proxy = await startProxy(t, mosquitto);
  const load = startLoad(t, { port: proxy.port, connections: 2, devices: 4, rate: 1000 });
  for (let round = 1; round <= 3; round++) {
    await until(
      "messages flow",
      async () => (await load.report()).acked,
      (acked) => acked > round * 300,
    );
    proxy.fault("down", { kind: "drop" });
    const before = heard.messages;
    await until(
      "deliveries go on without acknowledgement",
      () => heard.messages,
      (now) => now > before + 20,
    );
    proxy.cut();
    proxy.fault("down", { kind: "none" });
  }
  const report = await load.finish();
  assert(report.redelivered > 0, "something was redelivered");
  assert.equal(report.sessionsLost, 0);
  assert.equal(report.acked, report.sent);
  await until(
    "each counter came",
    () => heard.distinct(),
    (distinct) => distinct === report.sent,
  );
  assert(heard.messages > report.sent, "mosquitto passes a redelivery on as a message of its own");
  assert.deepEqual(heard.contradictions, []);
});

test("it survives the broker being killed", async (t) => {
  const mosquitto = await startMosquitto(t);
  const load = startLoad(t, { port: mosquitto.port, connections: 3, devices: 6, rate: 1000 });
  await until(
    "messages flow",
    async () => (await load.report()).acked,
    (acked) => acked > 200,
  );
  await mosquitto.kill();
  await mosquitto.restart();
  const { acked } = await load.report();
  await until(
    "messages flow again",
    async () => (await load.report()).acked,
    (now) => now > acked + 200,
  );
  const report = await load.finish();
  // A killed mosquitto has forgotten its sessions: what it had not acknowledged must not be sent again.
  assert.equal(report.sessionsLost, 3);
  assert.equal(report.sent, report.acked + report.abandoned);
});

interface Heard {
  messages: number;
  readonly contradictions: string[];
  of(device: string): ReadonlyMap<number, string>;
  distinct(): number;
}

/** An independent subscriber: which counters came, and whether repeats had the same bytes. */
async function listen(t: TestContext, mosquitto: Mosquitto): Promise<Heard> {
  const client: MqttClient = await connectAsync(mosquitto.url);
  t.after(() => client.endAsync(true));
  const devices = new Map<string, Map<number, string>>();
  const of = (device: string): Map<number, string> => {
    const known = devices.get(device) ?? new Map<number, string>();
    devices.set(device, known);
    return known;
  };
  const heard: Heard = {
    messages: 0,
    contradictions: [],
    of,
    distinct: () => [...devices.values()].reduce((sum, seen) => sum + seen.size, 0),
  };
  client.on("message", (topic, payload) => {
    const text = payload.toString("utf8");
    const { values } = JSON.parse(text) as { values: { n: number; temperature: number } };
    const seen = of(topic.split("/")[2] ?? "");
    if ((seen.get(values.n) ?? text) !== text) heard.contradictions.push(text);
    seen.set(values.n, text);
    heard.messages += 1;
  });
  await client.subscribeAsync("plant/#", { qos: 1 });
  return heard;
}
