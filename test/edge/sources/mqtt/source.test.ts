import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet } from "mqtt-packet";
import { settledTurns, sourceContract, type Opened } from "../../../contract/source.ts";
import { FakeIngest } from "../../../support/fake-ingest.ts";
import { mqttSource, type Report } from "../../../support/mqtt-sources.ts";
import { publishPacket, ScriptedBroker } from "../../../support/wire-peer.ts";

function connack(version: number | undefined, sessionPresent: boolean): Packet {
  const code = version === 5 ? { reasonCode: 0 } : { returnCode: 0 };
  return { cmd: "connack", sessionPresent, ...code };
}

for (const version of [5, 4]) {
  sourceContract(`mqtt client, version ${version}`, async (ingest): Promise<Opened> => {
    const broker = new ScriptedBroker();
    let sessionPresent = false;
    broker.answers.connack = (connect) => {
      if (connect.protocolVersion !== version) return "version";
      return connack(version, sessionPresent);
    };
    const source = mqttSource(await broker.listen());
    await source.start(ingest);
    const first = version === 5 ? 0 : 1;
    const peer = await broker.connection(first);
    return {
      source,
      peer,
      reconnect: async (present) => {
        sessionPresent = present;
        peer.socket.destroy();
        return broker.connection(first + 1, present ? "connect" : "subscribe");
      },
      [Symbol.asyncDispose]: async () => {
        await source[Symbol.asyncDispose]();
        await broker[Symbol.asyncDispose]();
      },
    };
  });
}

async function withBroker(
  fields: Parameters<typeof mqttSource>[1],
  body: (parts: {
    broker: ScriptedBroker;
    source: ReturnType<typeof mqttSource>;
    ingest: FakeIngest;
    reports: Report[];
    start: () => Promise<void>;
  }) => Promise<void>,
): Promise<void> {
  await using broker = new ScriptedBroker();
  const reports: Report[] = [];
  const ingest = new FakeIngest();
  await using source = mqttSource(await broker.listen(), fields, reports);
  await body({ broker, source, ingest, reports, start: async () => source.start(ingest) });
}

async function untilStatus(source: ReturnType<typeof mqttSource>, pattern: RegExp): Promise<void> {
  const deadline = Date.now() + 5000;
  const text = (): string => `${source.status().state}: ${source.status().detail}`;
  while (!pattern.test(text())) {
    if (Date.now() > deadline) assert.fail(`the status stayed "${text()}"`);
    await settledTurns(1);
  }
}

test("mqtt client: CONNECT asks for a kept session and a large window, SUBSCRIBE for QoS 1", async () => {
  await withBroker({ topics: ["plant/#", "site/+/x"], receiveMaximum: 10_000 }, async ({ broker, start }) => {
    await start();
    const peer = await broker.connection(0);
    const connect = await peer.next("connect");
    assert.equal(connect.clean, false);
    assert.equal(connect.clientId, "gw");
    assert.equal(connect.properties?.receiveMaximum, 10_000);
    assert.equal(connect.properties?.sessionExpiryInterval, 604_800);
    assert.equal(connect.properties?.topicAliasMaximum, undefined);
    await peer.until(() => peer.packets.filter(({ cmd }) => cmd === "subscribe").length === 2, "SUBSCRIBEs");
    const asked = peer.packets.flatMap((packet) => (packet.cmd === "subscribe" ? packet.subscriptions : []));
    assert.deepEqual(
      asked.map(({ topic, qos, rh }) => ({ topic, qos, rh })),
      [
        { topic: "plant/#", qos: 1, rh: 1 },
        { topic: "site/+/x", qos: 1, rh: 1 },
      ],
    );
  });
});

test("mqtt client: a refused filter is named, the others work on", async () => {
  await withBroker({ topics: ["plant/#", "secret/#"] }, async ({ broker, source, ingest, start }) => {
    broker.answers.suback = (topic) => (topic.startsWith("secret") ? 0x80 : 1);
    await start();
    const peer = await broker.connection(0);
    await untilStatus(source, /^connected: .*"secret\/#" was refused \(0x80\)/);
    peer.publish(1, "a");
    await ingest.waitForOffers(1);
    ingest.settle();
  });
});

test("mqtt client: refusal of all filters or of the password is a state with its reason", async () => {
  await withBroker({}, async ({ broker, source, start }) => {
    broker.answers.suback = () => 0x80;
    await start();
    await untilStatus(source, /^waiting: .*was refused/);
    broker.answers.connack = () => ({ cmd: "connack", reasonCode: 0x86, sessionPresent: false });
    await untilStatus(source, /^waiting: .*bad user name or password \(0x86\)/);
  });
});

test("mqtt client: QoS 0 where QoS 1 was asked for is reported", async () => {
  await withBroker({}, async ({ broker, source, start }) => {
    broker.answers.suback = () => 0;
    await start();
    await untilStatus(source, /^connected: .*QoS 0 only/);
  });
});

test("mqtt client: a broker that closes on version 5 is tried with 3.1.1", async () => {
  await withBroker({}, async ({ broker, source, start }) => {
    broker.answers.connack = ({ protocolVersion }) => (protocolVersion === 5 ? "close" : connack(4, false));
    await start();
    await untilStatus(source, /^connected: MQTT 3\.1\.1/);
  });
});

test("mqtt client: after a takeover it waits long, so that two owners of a client id do not chase each other", async () => {
  await withBroker({}, async ({ broker, source, start }) => {
    await start();
    const peer = await broker.connection(0);
    await untilStatus(source, /^connected/);
    peer.send({ cmd: "disconnect", reasonCode: 0x8e });
    await untilStatus(source, /^waiting: another client connected with the same client id/);
    await settledTurns(50);
    assert.equal(broker.peers.length, 1);
  });
});

test("mqtt client: a broker that is away is a state; it connects when the broker comes", async () => {
  const broker = new ScriptedBroker();
  const port = await broker.listen();
  await broker[Symbol.asyncDispose]();
  await using source = mqttSource(port);
  await source.start(new FakeIngest());
  await untilStatus(source, /^(waiting|connecting): /);
  await untilStatus(source, /^waiting: nothing listens there/);
});

test("mqtt client: a broker that does not answer CONNECT or PINGREQ is given up", async () => {
  await withBroker({ connectTimeoutMs: 100 }, async ({ broker, source, start }) => {
    broker.answers.connack = () => undefined;
    await start();
    await untilStatus(source, /^waiting: no CONNACK within 100 ms/);
    // The broker's keep alive of one second overrides ours.
    broker.answers.pingresp = false;
    broker.answers.connack = () => ({
      cmd: "connack",
      reasonCode: 0,
      sessionPresent: false,
      properties: { serverKeepAlive: 1 },
    });
    await untilStatus(source, /^connected/);
    await untilStatus(source, /^waiting: no answer to PINGREQ/);
  });
});

test("mqtt client: the window bounds what is in flight, also where the broker does not", async () => {
  await withBroker({ receiveMaximum: 5 }, async ({ broker, ingest, start }) => {
    await start();
    const peer = await broker.connection(0);
    const ids = Array.from({ length: 20 }, (_, n) => n + 1);
    peer.send(...ids.map((id) => publishPacket(id, `m${id}`)));
    await ingest.waitForOffers(5);
    await settledTurns();
    assert.equal(ingest.offered.length, 5);
    while (peer.acks().length < ids.length) {
      const before = peer.acks().length;
      ingest.settle();
      await peer.until(() => peer.acks().length > before, "further PUBACKs");
    }
    assert.deepEqual(peer.acks(), ids);
  });
});

test("mqtt client: a kept session is not subscribed again, since that would repeat retained messages", async () => {
  await withBroker({}, async ({ broker, source, start }) => {
    broker.answers.connack = ({ protocolVersion }) => connack(protocolVersion, broker.peers.length > 1);
    await start();
    const first = await broker.connection(0);
    await untilStatus(source, /^connected: .*new session/);
    first.socket.destroy();
    await untilStatus(source, /^connected: .*session resumed/);
    assert.ok(broker.peers[1]!.packets.every(({ cmd }) => cmd !== "subscribe"));
  });
});
