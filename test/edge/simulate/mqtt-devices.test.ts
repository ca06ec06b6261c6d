// Goal: every message of the simulated devices arrives, whatever happens to the gateway, and the counts say so.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { freePort } from "../../../demo/ports.ts";
import { brokerOptions } from "../../../edge/sources/broker/options.ts";
import { BrokerSource } from "../../../edge/sources/broker/source.ts";
import { hashPassword } from "../../../edge/sources/broker/users.ts";
import { MqttDevices } from "../../../edge/simulate/mqtt-devices.ts";
import { systemClock } from "../../../src/clock.ts";
import { Value } from "typebox/value";
import { FakeIngest } from "../../support/fake-ingest.ts";
import { until } from "../../support/until.ts";

const password = "for the test only";

async function usersFile(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-devices-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "users.yaml");
  const users = { plant: { password: await hashPassword(password), topics: ["plant"] } };
  await writeFile(file, JSON.stringify({ users }), { mode: 0o600 });
  return file;
}

async function startBroker(ingest: FakeIngest, port: number, file: string): Promise<BrokerSource> {
  const options = Value.Default(brokerOptions, { name: "plant", type: "broker", listen: { port }, usersFile: file });
  const broker = new BrokerSource(Value.Parse(brokerOptions, options), { clock: systemClock, report: () => undefined });
  await broker.start(ingest);
  return broker;
}

/** Topic and counter of what was stored. */
function arrived(ingest: FakeIngest): Set<string> {
  const texts = ingest.texts();
  return new Set(
    ingest.offered.flatMap(({ address }, i) => {
      const counter = /"counter":(\d+)/.exec(texts[i]!)?.[1];
      return counter === undefined ? [] : [`${address} ${counter}`];
    }),
  );
}

test("messages that were not acknowledged come again when the gateway is back, and each is counted once", async (t) => {
  const port = await freePort();
  const file = await usersFile(t);
  const before = new FakeIngest();
  await using first = await startBroker(before, port, file);
  const url = `mqtt://127.0.0.1:${port}`;
  await using devices = new MqttDevices({
    url,
    username: "plant",
    password,
    seed: 1,
    pumps: 2,
    sensors: 0,
    wear: undefined,
    badEveryMs: 0,
  });
  devices.start();
  // Each connection waits for its password to be hashed, which takes long on purpose.
  await until("the first messages", () => before.offered.length >= 6, Boolean, { withinMs: 40_000 });
  before.settle();
  await until("messages that are not stored yet", () => before.unsettled >= 2);
  before.settle(before.unsettled, "abandoned");
  await first[Symbol.asyncDispose]();
  const lost = devices.counts();
  assert(lost.acknowledged < lost.sent);

  const after = new FakeIngest();
  const store = setInterval(() => after.settle(), 20);
  t.after(() => clearInterval(store));
  await using second = await startBroker(after, port, file);
  assert.equal(second.status().state, "listening");
  await until("the devices to go on", () => devices.counts().acknowledged > lost.sent, Boolean, { withinMs: 40_000 });
  assert(await devices.finish(20_000), "every message was acknowledged");
  const { sent, acknowledged, refused, skipped } = devices.counts();
  assert.deepEqual({ acknowledged, refused, skipped }, { acknowledged: sent, refused: 0, skipped: 0 });
  assert.equal(new Set([...arrived(before), ...arrived(after)]).size, sent);
});
