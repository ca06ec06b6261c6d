import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hashPassword } from "../../../../edge/sources/broker/users.ts";
import { TidegateError } from "../../../../src/errors.ts";
import { settledTurns, sourceContract, type Opened } from "../../../contract/source.ts";
import { FakeIngest } from "../../../support/fake-ingest.ts";
import { brokerSource, startedBroker, type Report } from "../../../support/mqtt-sources.ts";
import { publishPacket, WirePeer } from "../../../support/wire-peer.ts";

for (const version of [5, 4] as const) {
  const session = version === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {};
  sourceContract(`broker, version ${version}`, async (ingest): Promise<Opened> => {
    const source = await startedBroker(ingest);
    const dial = async (clean: boolean): Promise<WirePeer> => {
      const peer = await WirePeer.dial(source.port, version);
      await peer.connect({ clean, ...session });
      return peer;
    };
    const peer = await dial(false);
    return {
      source,
      peer,
      reconnect: async (present) => {
        peer.socket.destroy();
        return dial(!present);
      },
      [Symbol.asyncDispose]: async () => {
        await source[Symbol.asyncDispose]();
        peer.socket.destroy();
      },
    };
  });
}

let folder = "";
let usersFile = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "tidegate-broker-"));
  usersFile = join(folder, "users.yaml");
  const password = await hashPassword("correct horse battery");
  const user = (topics: string, more = ""): string => `{ password: "${password}", topics: [${topics}]${more} }`;
  await writeFile(
    usersFile,
    `users:
  press-17: ${user("plant/line-2/press-17", ", clientId: press-17")}
  pump: ${user('"plant/pumps/"')}
  __proto__x: ${user("x")}
`,
    { mode: 0o600 },
  );
});
after(async () => rm(folder, { recursive: true, force: true }));

const password = Buffer.from("correct horse battery");

async function connected(port: number, clientId: string): Promise<WirePeer> {
  const peer = await WirePeer.dial(port);
  await peer.connect({ clientId });
  return peer;
}

async function withUsers(
  body: (port: number, ingest: FakeIngest, reports: Report[]) => Promise<void>,
  fields: Parameters<typeof brokerSource>[0] = {},
): Promise<void> {
  const reports: Report[] = [];
  const ingest = new FakeIngest();
  await using source = brokerSource({ allowAnonymous: false, usersFile, ...fields }, reports);
  await source.start(ingest);
  await body(source.port, ingest, reports);
}

test("broker: wrong password, unknown user and no user are refused alike", async () => {
  const rows = [
    { username: "press-17", password: Buffer.from("wrong") },
    { username: "nobody", password },
    { username: "__proto__", password },
    {},
  ];
  await withUsers(async (port) => {
    const answers = rows.map(async (credentials) => (await WirePeer.dial(port)).connect(credentials));
    for (const { returnCode } of await Promise.all(answers)) assert.equal(returnCode, 4);
    const v5 = await WirePeer.dial(port, 5);
    assert.equal((await v5.connect({ username: "press-17", password: Buffer.from("wrong") })).reasonCode, 0x86);
    await v5.untilClosed();
  });
});

test("broker: a user publishes below its own topics only", async () => {
  await withUsers(async (port, ingest, reports) => {
    for (const topic of [
      "plant/line-2/press-18",
      "plant/line-2/press-170",
      "plant",
      "$SYS/x",
      "plant/+/a",
      "a/#",
      "",
    ]) {
      const peer = await WirePeer.dial(port);
      assert.equal((await peer.connect({ username: "press-17", password })).returnCode, 0);
      // mqtt-packet refuses to write some of these, so the packet is written by hand.
      const name = Buffer.from(topic);
      peer.raw(Buffer.concat([Buffer.from([0x32, name.length + 4, 0, name.length]), name, Buffer.from([0, 1])]));
      await peer.untilClosed();
    }
    assert.equal(ingest.offered.length, 0);
    assert.equal(reports.length, 7);
    const peer = await WirePeer.dial(port);
    await peer.connect({ username: "press-17", password });
    peer.publish(1, "a", { topic: "plant/line-2/press-17" });
    peer.publish(2, "b", { topic: "plant/line-2/press-17/data" });
    await ingest.waitForOffers(2);
    ingest.settle();
  });
});

test("broker: a client id is bound to its user, and cannot contain topic characters", async () => {
  await withUsers(async (port, ingest) => {
    const refused = ["press-18", "press-17/x", "a+", "#", "a\nb", "x".repeat(129)].map(async (clientId) => {
      const username = clientId === "press-18" ? "press-17" : "pump";
      const peer = await WirePeer.dial(port);
      assert.equal((await peer.connect({ clientId, username, password })).returnCode, 2, JSON.stringify(clientId));
    });
    await Promise.all(refused);
    for (const clientId of ["__proto__", "hasOwnProperty", "constructor"]) {
      const peer = await WirePeer.dial(port);
      assert.equal((await peer.connect({ clientId, username: "pump", password })).returnCode, 0);
      peer.publish(1, "x", { topic: "plant/pumps/__proto__" });
    }
    await ingest.waitForOffers(3);
    ingest.settle();
  });
});

test("broker: a client id in use is taken over by its user, never by another", async () => {
  await withUsers(async (port) => {
    const first = await WirePeer.dial(port, 5);
    await first.connect({ clientId: "shared", username: "pump", password });
    const stranger = await WirePeer.dial(port, 5);
    const refused = await stranger.connect({ clientId: "shared", username: "__proto__x", password });
    assert.equal(refused.reasonCode, 0x85);
    const second = await WirePeer.dial(port, 5);
    assert.equal((await second.connect({ clientId: "shared", username: "pump", password })).reasonCode, 0);
    assert.equal((await first.next("disconnect")).reasonCode, 0x8e);
  });
});

test("broker: subscriptions are granted below the own command prefix only", async () => {
  const ingest = new FakeIngest();
  await using source = await startedBroker(ingest);
  const rows: [string, number][] = [
    ["cmd/press-17/#", 1],
    ["cmd/press-17/set/speed", 1],
    ["cmd/press-17/set/#", 1],
    ["cmd/press-18/#", 0x80],
    ["cmd/press-17", 0x80],
    ["cmd/+/#", 0x80],
    ["cmd/press-17/+/x", 0x80],
    ["#", 0x80],
    ["+/x", 0x80],
    ["$SYS/#", 0x80],
    ["$share/g/cmd/press-17/#", 0x80],
  ];
  const peer = await WirePeer.dial(source.port);
  await peer.connect();
  peer.send({ cmd: "subscribe", messageId: 5, subscriptions: rows.map(([topic]) => ({ topic, qos: 2 })) });
  const { granted } = await peer.next("suback");
  assert.deepEqual(
    granted,
    rows.map(([, code]) => code),
  );
});

test("broker: a session survives a restart of the gateway once something of it was stored", async () => {
  const ingest = new FakeIngest();
  {
    await using source = await startedBroker(ingest);
    const peer = await WirePeer.dial(source.port);
    assert.equal((await peer.connect({ clean: false })).sessionPresent, false);
    peer.publish(1, "a");
    await ingest.waitForOffers(1);
    ingest.settle();
    await peer.until(() => peer.acks().length === 1, "PUBACK");
  }
  await using source = await startedBroker(ingest);
  const other = await WirePeer.dial(source.port);
  assert.equal((await other.connect({ clientId: "unknown", clean: false })).sessionPresent, false);
  const peer = await WirePeer.dial(source.port);
  assert.equal((await peer.connect({ clean: false })).sessionPresent, true);
  const clean = await WirePeer.dial(source.port);
  assert.equal((await clean.connect({ clean: true })).sessionPresent, false);
  await clean.roundTrip();
  clean.socket.destroy();
  const last = await WirePeer.dial(source.port);
  assert.equal((await last.connect({ clean: false })).sessionPresent, false);
});

test("broker: a will is published when the connection breaks, not after DISCONNECT", async () => {
  const ingest = new FakeIngest();
  await using source = await startedBroker(ingest);
  const will = { topic: "plant/press-17/state", payload: Buffer.from("offline"), qos: 1 as const, retain: true };
  const orderly = await WirePeer.dial(source.port);
  await orderly.connect({ clientId: "a", will });
  orderly.send({ cmd: "disconnect" });
  await orderly.untilClosed();
  const broken = await WirePeer.dial(source.port);
  await broken.connect({ clientId: "b", will });
  broken.socket.destroy();
  await ingest.waitForOffers(1);
  assert.deepEqual(ingest.texts(), ["offline"]);
  assert.equal(ingest.offered[0]!.redelivery, undefined);
  ingest.settle();
});

test("broker: PINGREQ of a paused client is answered, and silence counts only while it is read", async () => {
  const ingest = new FakeIngest();
  ingest.pauseAt = 1;
  await using source = await startedBroker(ingest);
  const peer = await WirePeer.dial(source.port);
  await peer.connect({ keepalive: 1 });
  peer.publish(1, "a");
  peer.publish(2, "b");
  await ingest.waitForOffers(1);
  await peer.roundTrip();
  assert.equal(ingest.offered.length, 1);
  // More than a paused connection may hold: the socket stops, and the keep alive clock with it.
  peer.raw(Buffer.concat(Array.from({ length: 200 }, () => Buffer.from("3206000161000a78", "hex"))));
  const big = publishPacket(3, "x".repeat(2_000_000));
  peer.send(big);
  await settledTurns(1000);
  assert.equal(peer.closed, false);
  ingest.pauseAt = Number.POSITIVE_INFINITY;
  ingest.settle();
  await ingest.waitForOffers(203);
  ingest.settle();
});

test("broker: after a pause clients take turns, so that those that flood do not keep the others waiting", async () => {
  const ingest = new FakeIngest();
  ingest.pauseAt = 10;
  await using source = await startedBroker(ingest);
  const floods = await Promise.all(["a", "b", "c"].map((clientId) => connected(source.port, clientId)));
  const quiet = await connected(source.port, "quiet");
  for (const peer of floods) {
    for (let id = 1; id <= 400; id++) peer.publish(id, "flood");
    await peer.roundTrip();
  }
  quiet.publish(1, "quiet");
  await quiet.roundTrip();
  let pauses = 0;
  for (; !ingest.texts().includes("quiet"); pauses++) {
    assert(pauses < 100, "a quiet client waits for all that others have sent");
    ingest.settle();
  }
  assert(pauses <= floods.length + 1, `a quiet client had its turn after ${pauses} pauses`);
  ingest.pauseAt = Number.POSITIVE_INFINITY;
  ingest.settle();
});

for (const version of [4, 5] as const) {
  test(`broker: a client of version ${version} has at most inFlightMax messages that are not stored`, async () => {
    const ingest = new FakeIngest();
    await using source = await startedBroker(ingest, { inFlightMax: 20 });
    const peer = await WirePeer.dial(source.port, version);
    const connack = await peer.connect();
    assert.equal(connack.properties?.receiveMaximum, version === 5 ? 20 : undefined);
    for (let id = 1; id <= 50; id++) peer.publish(id, String(id));
    await peer.roundTrip();
    assert.equal(ingest.offered.length, 20);
    for (const offered of [40, 50]) {
      ingest.settle();
      await ingest.waitForOffers(offered);
      assert.equal(ingest.offered.length, offered);
    }
    ingest.settle();
  });
}

test("broker: a silent client is disconnected after 1.5 keep alive times", async () => {
  await using source = await startedBroker(new FakeIngest());
  const peer = await WirePeer.dial(source.port, 5);
  await peer.connect({ keepalive: 1 });
  await peer.untilClosed();
  assert.equal((await peer.next("disconnect")).reasonCode, 0x8d);
});

test("broker: limits on connections, on connects per second and on the time until CONNECT", async () => {
  const ingest = new FakeIngest();
  await using source = await startedBroker(ingest, { connectionsMax: 2, connectTimeoutMs: 100 });
  const first = await WirePeer.dial(source.port);
  await first.connect();
  const silent = await WirePeer.dial(source.port);
  const third = await WirePeer.dial(source.port);
  await third.untilClosed();
  await silent.untilClosed();
  assert.equal(first.closed, false);
  await using slow = await startedBroker(new FakeIngest(), { connectsPerSecondMax: 1 });
  await (await WirePeer.dial(slow.port)).connect();
  await (await WirePeer.dial(slow.port)).untilClosed();
});

test("broker: a taken port is PORT_IN_USE, and open doors are refused before listening", async () => {
  await using source = await startedBroker(new FakeIngest());
  const second = brokerSource({ listen: { host: "127.0.0.1", port: source.port } });
  await assert.rejects(second.start(new FakeIngest()), { code: "PORT_IN_USE" });
  const doors = [
    { allowAnonymous: false },
    { allowAnonymous: true, listen: { host: "0.0.0.0", port: 0 } },
    { allowAnonymous: false, usersFile, listen: { host: "0.0.0.0", port: 0 } },
  ];
  for (const door of doors) {
    assert.throws(
      () => brokerSource(door),
      (error) => error instanceof TidegateError && error.code === "CONFIG_INVALID",
    );
  }
});

test("broker: a client that does not read its PUBACKs is not read from", async () => {
  const ingest = new FakeIngest();
  const settleSoon = setInterval(() => ingest.settle(), 1);
  await using source = await startedBroker(ingest, { inFlightMax: 60_000 });
  const socket = net.connect(source.port, "127.0.0.1");
  const peer = new WirePeer(socket);
  await peer.connect();
  socket.pause();
  const batch = Buffer.alloc(9 * 60_000);
  for (let n = 0; n < 60_000; n++) {
    batch.set([0x32, 7, 0, 1, 0x61, 0, 0, 0x78, 0x78], n * 9);
    batch.writeUInt16BE(n + 1, n * 9 + 5);
  }
  let offered = -1;
  for (let round = 0; round < 200 && offered !== ingest.offered.length; round++) {
    offered = ingest.offered.length;
    socket.write(batch);
    await settledTurns(20);
  }
  clearInterval(settleSoon);
  assert.equal(offered, ingest.offered.length, "the broker kept on reading");
  socket.destroy();
});
