import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { Value } from "typebox/value";
import type { Notification } from "../../../../edge/sources/opcua/connection.ts";
import { opcuaSourceOptions, type OpcuaSourceOptions } from "../../../../edge/sources/opcua/options.ts";
import { createOpcuaSource, type OpcuaSource } from "../../../../edge/sources/opcua/source.ts";
import { ManualClock } from "../../../../src/clock.ts";
import { FakeIngest } from "../../../support/fake-ingest.ts";
import { FakeServer, notificationOf } from "../../../support/fake-opcua.ts";
import { until } from "../../../support/until.ts";

interface Plant {
  readonly server: FakeServer;
  readonly ingest: FakeIngest;
  readonly clock: ManualClock;
  readonly source: OpcuaSource;
  readonly logged: string[];
}

const minimal = {
  name: "line-2",
  type: "opcua",
  endpoint: "opc.tcp://10.0.0.17:4840/UA",
  devices: [
    { id: "press-17", items: { temperature: "nsu=urn:acme:press;s=17.T", force: "nsu=urn:acme:press;s=17.F" } },
    { id: "press-18", items: { temperature: "nsu=urn:acme:press;s=18.T" } },
  ],
};

function optionsOf(changes: Partial<OpcuaSourceOptions> = {}): OpcuaSourceOptions {
  return Value.Parse(
    opcuaSourceOptions,
    Value.Default(opcuaSourceOptions, { ...structuredClone(minimal), ...changes }),
  );
}

/** A source on a fake server and a clock that stands still; connected unless the test prepared otherwise. */
async function plant(
  t: TestContext,
  changes: Partial<OpcuaSourceOptions> = {},
  prepare?: (server: FakeServer) => void,
  { server, ingest } = { server: new FakeServer(), ingest: new FakeIngest() },
): Promise<Plant> {
  prepare?.(server);
  const clock = new ManualClock();
  const logged: string[] = [];
  const context = {
    gatewayId: "gw-1",
    dataFolder: "/nowhere",
    clock,
    readSecret: () => Promise.resolve(""),
    log: (_level: string, message: string) => void logged.push(message),
  };
  const source = createOpcuaSource(optionsOf(changes), context, server.connect);
  t.after(() => source[Symbol.asyncDispose]());
  await source.start(ingest);
  if (server.reachable) await connected({ server, source });
  return { server, ingest, clock, source, logged };
}

/** The same values, each with the Overflow bit. */
function overflowing(notification: Notification): Notification {
  const statusCode = { value: 0x0480, name: "Good" };
  const changes = notification.changes.map(({ handle, value }) => ({ handle, value: { ...value, statusCode } }));
  return { ...notification, changes };
}

async function connected({ server, source }: Pick<Plant, "server" | "source">): Promise<void> {
  await until(
    "two PublishRequests at the server",
    () => source.status().state === "connected" && server.current.held === 2,
  );
}

test("a notification becomes one delivery per device, with the items as the configuration names them", async (t) => {
  const { server, ingest, clock } = await plant(t);
  server.current.send([0, 63.2, 1_000], [2, 41, 1_001], [1, 900, 1_002]);
  await ingest.waitForOffers(2);
  assert.deepEqual(
    ingest.offered.map(({ source, address, body, receivedMicros }) => ({ source, address, body, receivedMicros })),
    [
      {
        source: "line-2",
        address: "press-17",
        receivedMicros: clock.nowMicros(),
        body: {
          kind: "points",
          points: [
            { item: "temperature", value: 63.2, quality: "good", timeMicros: 1_000_000, status: undefined },
            { item: "force", value: 900, quality: "good", timeMicros: 1_002_000, status: undefined },
          ],
        },
      },
      {
        source: "line-2",
        address: "press-18",
        receivedMicros: clock.nowMicros(),
        body: {
          kind: "points",
          points: [{ item: "temperature", value: 41, quality: "good", timeMicros: 1_001_000, status: undefined }],
        },
      },
    ],
  );
});

test("a notification is acknowledged only after all of it is stored", async (t) => {
  const { server, ingest } = await plant(t);
  const connection = server.current;
  connection.send([0, 1, 1_000], [2, 1, 1_000]);
  await ingest.waitForOffers(2);
  connection.send([0, 2, 2_000]);
  await ingest.waitForOffers(3);
  connection.keepAlive();
  await until("the next PublishRequest", () => connection.held === 2);
  assert.deepEqual(connection.acknowledged, []);

  ingest.settle(1);
  connection.keepAlive();
  await until("the next PublishRequest", () => connection.held === 2);
  assert.deepEqual(connection.acknowledged, [], "half of the first notification is not enough");

  ingest.settle();
  connection.keepAlive();
  await until("the acknowledgement", () => connection.acknowledged.length === 2);
  assert.deepEqual(connection.acknowledged, [1, 2]);
});

// Otherwise a process that dies here leaves a place before it, and the next one takes the hole for a loss.
test("what is not worth storing is acknowledged with the next values that are stored", async (t) => {
  const { server, ingest } = await plant(t);
  const connection = server.current;
  const nextRequest = async (): Promise<void> => {
    connection.keepAlive();
    await until("the next PublishRequest", () => connection.held === 2);
  };
  connection.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  ingest.settle();
  connection.send();
  await until("the next PublishRequest", () => connection.held === 2);
  await nextRequest();
  assert.deepEqual(connection.acknowledged, [1], "an empty notification is not");

  connection.send([0, 2, 2_000]);
  await ingest.waitForOffers(2);
  ingest.settle();
  await nextRequest();
  await until("the acknowledgements", () => connection.acknowledged.length === 3);
  assert.deepEqual(connection.acknowledged, [1, 2, 3]);
});

test("what was abandoned is never acknowledged", async (t) => {
  const { server, ingest } = await plant(t);
  server.current.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  ingest.settle(1, "abandoned");
  server.current.keepAlive();
  await until("the next PublishRequest", () => server.current.held === 2);
  assert.deepEqual(server.current.acknowledged, []);
});

test("in a pause the server is asked for nothing, and the session is kept alive by touching it", async (t) => {
  const { server, ingest, clock, source } = await plant(t);
  const connection = server.current;
  ingest.pauseAt = 1;
  connection.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  connection.keepAlive();
  await until("no PublishRequest at the server", () => connection.held === 0);
  for (let i = 0; i < 4; i++) {
    clock.advanceMs(5_000);
    await until("a touch", () => connection.touched === i + 1);
  }
  assert.equal(source.status().state, "connected");

  ingest.settle();
  await until("PublishRequests again", () => connection.held === 2);
  assert.deepEqual(connection.acknowledged, [1]);
});

test("at most `unsettledMax` notifications wait for the disk", async (t) => {
  const { server, ingest } = await plant(t, { unsettledMax: 3 });
  for (let i = 1; i <= 3; i++) {
    server.current.send([0, i, i * 1_000]);
    await ingest.waitForOffers(i);
  }
  server.current.send([0, 4, 4_000]);
  await ingest.waitForOffers(4);
  assert.equal(server.current.held, 0, "the one that was asked for already is taken, no other is asked for");
  ingest.settle(2);
  await until("PublishRequests again", () => server.current.held > 0);
});

test("a missing notification is fetched once with Republish and handed on in its place", async (t) => {
  const { server, ingest, source } = await plant(t);
  const connection = server.current;
  server.kept.set(1, connection.loseOne([0, 1, 1_000]));
  connection.send([0, 2, 2_000]);
  await ingest.waitForOffers(2);
  assert.deepEqual(valuesOf(ingest), [1, 2]);
  assert.deepEqual(connection.republished, [1]);
  assert.equal(source.counters.gaps, 0);
});

test("a notification that the server no longer has is a gap: counted, said with the next delivery of each device", async (t) => {
  const { server, ingest, source } = await plant(t);
  const connection = server.current;
  connection.loseOne([0, 1, 1_000]);
  connection.loseOne([0, 2, 2_000]);
  connection.send([0, 3, 3_000]);
  await ingest.waitForOffers(1);
  connection.send([0, 4, 4_000], [2, 4, 4_000]);
  await ingest.waitForOffers(3);
  assert.deepEqual(connection.republished, [1, 2], "each is asked for once");
  assert.equal(source.counters.gaps, 2);
  assert.deepEqual(
    ingest.offered.map(({ gaps }) => gaps?.[0]?.messages),
    [2, undefined, 2],
  );
});

test("a server that answers Republish with something else is not believed, and not asked for ever", async (t) => {
  const { server, ingest, source } = await plant(t);
  const connection = server.current;
  const first = connection.loseOne([0, 1, 1_000]);
  server.kept.set(1, { ...first, sequence: 99, changes: [] });
  connection.send([0, 2, 2_000]);
  await ingest.waitForOffers(1);
  assert.deepEqual(valuesOf(ingest), [2]);
  assert.equal(source.counters.gaps, 1);
});

test("a keep-alive shows a gap too: it carries the number that comes next", async (t) => {
  const { server, source } = await plant(t);
  server.current.loseOne([0, 1, 1_000]);
  server.current.keepAlive();
  await until("the gap", () => source.counters.gaps === 1);
});

test("after a restart with other namespace indexes the items are found again by URI, and repeats are dropped", async (t) => {
  const { server, ingest, clock, source } = await plant(t);
  server.current.send([0, 1, 1_000], [1, 5, 1_000]);
  await ingest.waitForOffers(1);
  server.namespaces = ["http://opcfoundation.org/UA/", "urn:server", "urn:new", "urn:acme:press"];
  server.startTime += 1;
  server.transferable = { available: [] };
  server.current.lost("socket closed");
  await until("the connection is closed", () => server.alive.length === 0);
  clock.advanceMs(500);
  await until("a second connection", () => server.connections.length === 2);
  await connected({ server, source });
  assert.deepEqual(
    server.current.created.map(({ nodeId }) => nodeId),
    ["ns=3;s=17.T", "ns=3;s=17.F", "ns=3;s=18.T"],
  );
  server.current.send([0, 1, 1_000], [1, 6, 2_000]);
  await ingest.waitForOffers(2);
  assert.deepEqual(valuesOf(ingest), [1, 5, 6]);
  assert.equal(source.counters.repeats, 1);
  assert.equal(source.counters.transfers, 0, "another server process: its subscription ids mean something else");
  assert.deepEqual(ingest.offered[1]!.gaps?.[0]?.messages, 0, "how many values were missed is not known");
});

test("after a broken network the subscription is taken over, and what the server kept is fetched", async (t) => {
  const { server, ingest, clock, source } = await plant(t);
  const first = server.current;
  first.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  server.kept.set(2, first.loseOne([0, 2, 2_000]));
  server.kept.set(3, first.loseOne([0, 3, 3_000]));
  server.transferable = { available: [1, 2, 3] };
  first.lost("socket closed");
  await until("the connection is closed", () => server.alive.length === 0);
  assert.equal(first.closed!.keepSubscription, true);
  clock.advanceMs(500);
  await until("a second connection", () => server.connections.length === 2);
  await connected({ server, source });
  server.current.continueAt(4);
  server.current.send([0, 4, 4_000]);
  await ingest.waitForOffers(4);
  assert.deepEqual(valuesOf(ingest), [1, 2, 3, 4]);
  assert.deepEqual(server.current.republished, [2, 3], "what was handed on before is not asked for again");
  assert.equal(source.counters.transfers, 1);
  assert.equal(source.counters.gaps, 0);
  assert(ingest.offered.every(({ gaps }) => gaps === undefined));
});

test("values that say that older ones were dropped are named with their device, since the value before", async (t) => {
  const { server, ingest, clock, source } = await plant(t);
  server.current.send([0, 1, 1_000], [2, 1, 1_000]);
  await ingest.waitForOffers(2);
  const { subscription } = server.current;
  server.current.answer(
    overflowing(
      notificationOf(subscription, 2, [
        [0, 2, 2_000],
        [1, 2, 2_000],
      ]),
    ),
  );
  await ingest.waitForOffers(3);
  server.current.continueAt(3);
  server.current.send([0, 3, 3_000]);
  await ingest.waitForOffers(4);
  assert.deepEqual(
    ingest.offered.map(({ gaps }) => gaps),
    [undefined, undefined, [{ reason: "source-overflow", messages: 2, sinceMicros: 1_000_000 }], undefined],
  );
  assert(clock.nowMicros() > 1_000_000);
  assert.equal(source.counters.overflows, 2);
});

test("after a crash the next process takes the subscription over where the stored values end", async (t) => {
  const before = await plant(t);
  const { server, ingest } = before;
  const first = server.current;
  first.send([0, 1, 1_000], [2, 10, 1_000]);
  await ingest.waitForOffers(2);
  ingest.settle();
  server.kept.set(2, first.send([0, 2, 2_000], [2, 20, 2_000]));
  await ingest.waitForOffers(4);
  // Of the second notification only the first device's values were stored when the process was killed.
  ingest.settle(1);
  server.transferable = { available: [2] };
  const next = { server, ingest: new FakeIngest() };
  for (const [key, value] of ingest.stored) next.ingest.stored.set(key, value);
  const after = await plant(t, {}, undefined, next);
  await next.ingest.waitForOffers(2);
  assert.deepEqual(server.current.republished, [2]);
  assert.deepEqual(valuesOf(next.ingest), [2, 20]);
  assert.equal(after.source.counters.transfers, 1);
  assert(next.ingest.offered.every(({ gaps }) => gaps === undefined));
});

const notTakenOver: { name: string; changes: Partial<OpcuaSourceOptions>; prepare: (server: FakeServer) => void }[] = [
  { name: "the server refuses the transfer", changes: {}, prepare: () => undefined },
  {
    name: "the server was restarted",
    changes: {},
    prepare: (server) => Object.assign(server, { startTime: 2_000, transferable: { available: [] } }),
  },
  {
    name: "the items have changed",
    changes: { devices: [{ id: "press-17", items: { force: "nsu=urn:acme:press;s=17.F" } }] },
    prepare: (server) => Object.assign(server, { transferable: { available: [] } }),
  },
];

for (const { name, changes, prepare } of notTakenOver) {
  test(`after a crash the time without a subscription is named where ${name}`, async (t) => {
    const { server, ingest, clock } = await plant(t);
    server.current.send([0, 1, 1_000]);
    await ingest.waitForOffers(1);
    ingest.settle();
    const next = { server, ingest: new FakeIngest() };
    for (const [key, value] of ingest.stored) next.ingest.stored.set(key, value);
    const after = await plant(t, changes, prepare, next);
    server.current.send([0, 2, 2_000]);
    await next.ingest.waitForOffers(1);
    const gap = { reason: "source-gap", messages: 0, sinceMicros: clock.nowMicros() };
    assert.deepEqual(next.ingest.offered[0]!.gaps, [gap]);
    assert.equal(after.source.counters.transfers, 0);
  });
}

/** Breaks the connection after one notification, and waits until the source is closed. */
async function breakAfterFirst({ server, ingest }: Plant): Promise<void> {
  const { current } = server;
  current.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  server.kept.set(2, current.loseOne([0, 2, 2_000]));
  server.kept.set(3, current.loseOne([0, 3, 3_000]));
  server.transferable = { available: [1, 2, 3] };
  current.lost("socket closed");
  await until("the connection is closed", () => server.alive.length === 0);
}

test("the receipt of the transfer among what is fetched does not end the subscription", async (t) => {
  const rig = await plant(t);
  const { server, ingest, clock, source } = rig;
  await breakAfterFirst(rig);
  const receipt = { subscription: server.current.subscription, sequence: 3, keepAlive: false, changes: [] };
  server.kept.set(3, { ...receipt, statusChange: "GoodSubscriptionTransferred" });
  clock.advanceMs(500);
  await until("a second connection", () => server.connections.length === 2);
  await connected({ server, source });
  server.current.continueAt(4);
  server.current.send([0, 4, 4_000]);
  await ingest.waitForOffers(3);
  assert.deepEqual(valuesOf(ingest), [1, 2, 4]);
  assert.equal(server.connections.length, 2);
  assert.equal(source.counters.transfers, 1);
});

test("a connection that breaks again while the subscription is taken over loses and repeats nothing", async (t) => {
  const rig = await plant(t);
  const { server, ingest, clock, source } = rig;
  await breakAfterFirst(rig);
  server.breakAtRepublish = 3;
  clock.advanceMs(500);
  await until("the second connection broke", () => server.connections[1]?.closed);
  assert.deepEqual(server.connections[1]!.closed, { keepSubscription: true });
  await until("it waits", () => source.status().state === "waiting");
  clock.advanceMs(1_000);
  await until("a third connection", () => server.connections.length === 3);
  await connected({ server, source });
  assert.deepEqual(valuesOf(ingest), [1, 2, 3]);
  assert.deepEqual(server.current.republished, [3], "what was fetched before is not asked for again");
  assert.equal(source.counters.gaps, 0);
  assert(ingest.offered.every(({ gaps }) => gaps === undefined));
});

test("a subscription that was taken over is taken over again when the network breaks before it was heard", async (t) => {
  const rig = await plant(t);
  const { server, ingest, clock, source } = rig;
  await breakAfterFirst(rig);
  for (const count of [2, 3]) {
    clock.advanceMs(1_000);
    await until("the next connection", () => server.connections.length === count);
    await connected({ server, source });
    if (count === 3) break;
    server.current.lost("socket closed");
    await until("closed", () => server.alive.length === 0);
  }
  assert.equal(server.current.created.length, 0);
  assert.deepEqual(valuesOf(ingest), [1, 2, 3]);
  assert.equal(source.counters.transfers, 2);
});

test("a takeover that breaks the connection each time is given up for a new subscription", async (t) => {
  const rig = await plant(t);
  const { server, clock, source, ingest } = rig;
  await breakAfterFirst(rig);
  for (let i = 0; i < 5; i++) {
    server.breakAtRepublish = 2;
    clock.advanceMs(60_000);
    await until("broken", () => server.connections[i + 1]?.closed);
    await until("it waits", () => source.status().state === "waiting");
  }
  clock.advanceMs(60_000);
  await until("a new subscription", () => server.current.created.length === 3);
  await connected({ server, source });
  server.current.send([0, 9, 9_000]);
  await ingest.waitForOffers(2);
  assert.equal(ingest.offered[1]!.gaps?.[0]?.messages, 0, "the hole is said");
});

test("a notification that comes after it was fetched with Republish is dropped", async (t) => {
  const { server, ingest, source } = await plant(t);
  const connection = server.current;
  const late = connection.loseOne([0, 1, 1_000]);
  server.kept.set(1, late);
  connection.send([0, 2, 2_000]);
  await ingest.waitForOffers(2);
  await until("the next PublishRequest", () => connection.held === 2);
  connection.answer(late);
  connection.send([0, 3, 3_000]);
  await ingest.waitForOffers(3);
  assert.deepEqual(valuesOf(ingest), [1, 2, 3]);
  assert.equal(source.counters.gaps, 0);
});

test("a server that agrees to a transfer and then sends nothing gets a new subscription", async (t) => {
  const { server, ingest, clock, source } = await plant(t);
  server.current.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  server.transferable = { available: [] };
  server.current.lost("socket closed");
  await until("closed", () => server.alive.length === 0);
  clock.advanceMs(500);
  await until("taken over", () => server.connections.length === 2);
  await connected({ server, source });
  assert.equal(server.current.created.length, 0);
  clock.advanceMs(6_001);
  await until("given up", () => server.alive.length === 0);
  assert.deepEqual(server.current.closed, { keepSubscription: false });
  clock.advanceMs(1_000);
  await until("a third connection", () => server.connections.length === 3);
  await connected({ server, source });
  assert.equal(server.current.created.length, 3);
});

test("a server that falls silent is given up, and never are two connections open", async (t) => {
  const { server, clock, source } = await plant(t);
  clock.advanceMs(4_000);
  server.current.keepAlive();
  await until("the next PublishRequest", () => server.current.held === 2);
  clock.advanceMs(6_000);
  assert.equal(source.status().state, "connected");
  server.reachable = false;
  clock.advanceMs(1);
  await until("it waits", () => source.status().state === "waiting");
  assert.match(source.status().detail, /no sign of life for 6 s/);
  server.reachable = true;
  for (let i = 0; i < 3; i++) {
    clock.advanceMs(5_000);
    await until("connected again", () => source.status().state === "connected");
    assert.equal(server.alive.length, 1);
    server.current.lost("reset");
    await until("closed", () => server.alive.length === 0);
  }
});

test("a server that keeps changes to itself while its keep-alives go on is found out by reading", async (t) => {
  const { server, ingest, clock, source } = await plant(t);
  server.current.send([0, 1, 1_000], [1, 1, 1_000], [2, 1, 1_000]);
  await ingest.waitForOffers(2);
  for (const node of ["ns=2;s=17.T", "ns=2;s=18.T"]) server.readable.set(node, 1);
  server.readable.set("ns=2;s=17.F", 2);
  const first = server.current;
  while (first.closed === undefined && clock.monotonicMs() < 60_000) {
    clock.advanceMs(1_000);
    if (first.held > 0) first.keepAlive();
    await new Promise((resolve) => setTimeout(resolve, 120));
  }
  assert(first.closed !== undefined, "the subscription was given up");
  assert.match(source.status().detail, /no longer reports changes of press-17\/force/);
});

test("a server that revises the keep-alive interval upwards is not mistaken for a silent one", async (t) => {
  const { clock, source } = await plant(t, {}, (server) => (server.keepAliveMs = 20_000));
  clock.advanceMs(49_000);
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.equal(source.status().state, "connected");
  clock.advanceMs(1_001);
  await until("given up", () => source.status().state === "waiting");
});

test("the end of the subscription on the server makes a new one", async (t) => {
  for (const end of ["status change", "BadSubscriptionIdInvalid", "BadSessionIdInvalid", "BadNoSubscription"]) {
    const { server, clock, source } = await plant(t);
    if (end === "status change") {
      const { subscription } = server.current;
      server.current.answer({ subscription, sequence: 1, keepAlive: false, changes: [], statusChange: "BadTimeout" });
    } else {
      server.current.refuse(end);
    }
    await until("closed", () => server.alive.length === 0);
    clock.advanceMs(500);
    await until("a second connection", () => server.connections.length === 2);
    await connected({ server, source });
  }
});

test("a server that takes fewer PublishRequests is sent fewer", async (t) => {
  const { server, ingest } = await plant(t);
  server.current.refuse("BadTooManyPublishRequests");
  server.current.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  await until("one request", () => server.current.held === 1, Boolean, { withinMs: 3_000 });
  server.current.send([0, 2, 2_000]);
  await ingest.waitForOffers(2);
  await until("one request", () => server.current.held === 1);
});

test("items are created in smaller calls where the server asks for it; refused ones are named in the status", async (t) => {
  const items = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`item-${i}`, `nsu=urn:acme:press;i=${i}`]));
  const devices = [{ id: "press-17", items: { ...items, elsewhere: "nsu=urn:unknown;s=x" } }];
  const { server, source } = await plant(t, { devices }, (server) => {
    server.itemsPerCallMax = 6;
    server.refusedItems.set("ns=2;i=3", "BadNodeIdUnknown");
    server.refusedItems.set("ns=2;i=4", "BadTooManyMonitoredItems");
  });
  assert.equal(server.current.created.length, 20);
  assert(server.current.calls.filter((size) => size <= 6).length <= 5, "the size is kept once found");
  const { detail } = source.status();
  assert.match(detail, /^18 of 21 items/);
  assert.match(detail, /press-17\/item-3: BadNodeIdUnknown/);
  assert.match(detail, /press-17\/item-4: BadTooManyMonitoredItems/);
  assert.match(detail, /press-17\/elsewhere: no namespace urn:unknown/);
});

test("refused items are tried again", async (t) => {
  const { server, clock, source } = await plant(t, { itemsRetryMs: 3_000, silenceMs: 60_000 }, (server) => {
    server.refusedItems.set("ns=2;s=17.F", "BadNodeIdUnknown");
  });
  assert.match(source.status().detail, /^2 of 3 items/);
  server.refusedItems.clear();
  clock.advanceMs(3_000);
  await until("all items", () => source.status().detail.startsWith("3 of 3 items"));
});

test("values of a handle that was never given are ignored", async (t) => {
  const { server, ingest } = await plant(t);
  server.current.send([77, 1, 1_000]);
  server.current.send([0, 1, 1_000]);
  await ingest.waitForOffers(1);
  assert.deepEqual(valuesOf(ingest), [1]);
});

test("a stopped source leaves nothing open, and deletes its subscription", async (t) => {
  const { server, source, ingest } = await plant(t);
  await source[Symbol.asyncDispose]();
  assert.deepEqual(server.current.closed, { keepSubscription: false });
  assert.equal(source.status().state, "stopped");
  assert.equal(ingest.resumeListeners, 0);
});

test("a server that is away at the start is a state, not an error", async (t) => {
  const { server, clock, source } = await plant(t, {}, (server) => (server.reachable = false));
  await until("it waits", () => source.status().state === "waiting");
  assert.match(source.status().detail, /nobody answers/);
  assert.equal(source.status().address, "10.0.0.17:4840");
  server.reachable = true;
  clock.advanceMs(5_000);
  await connected({ server, source });
});

test("options that contradict themselves are refused before anything is touched", () => {
  const wrong: [Partial<OpcuaSourceOptions>, RegExp][] = [
    [{ securityMode: "None" }, /belong together/],
    [{ securityPolicy: "None" }, /belong together/],
    [{ securityMode: "None", securityPolicy: "None", username: "u", passwordFile: "p" }, /without encryption/],
    [{ username: "u" }, /belong together/],
    [{ reconnectMinMs: 2_000, reconnectMaxMs: 1_000 }, /reconnectMaxMs/],
    [{ devices: [{ id: "a", items: { x: "ns=2;s=x" } }] }, /by index/],
    [
      {
        devices: [
          { id: "a", items: { x: "i=1" } },
          { id: "a", items: { y: "i=2" } },
        ],
      },
      /twice/,
    ],
  ];
  const context = {
    gatewayId: "gw-1",
    dataFolder: "/nowhere",
    clock: new ManualClock(),
    readSecret: () => Promise.resolve(""),
    log: () => {},
  };
  for (const [changes, message] of wrong) {
    assert.throws(() => createOpcuaSource(optionsOf(changes), context), { code: "CONFIG_INVALID", message });
  }
});

test("without security settings the strong ones are used", () => {
  const { securityMode, securityPolicy } = optionsOf();
  assert.deepEqual([securityPolicy, securityMode], ["Basic256Sha256", "SignAndEncrypt"]);
});

function valuesOf(ingest: FakeIngest): unknown[] {
  return ingest.offered.flatMap(({ body }) => (body.kind === "points" ? body.points.map(({ value }) => value) : []));
}
