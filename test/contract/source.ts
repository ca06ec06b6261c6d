import assert from "node:assert/strict";
import net from "node:net";
import { mock, test } from "node:test";
import type { Source } from "../../edge/source.ts";
import { FakeIngest } from "../support/fake-ingest.ts";
import { publishPacket, type WirePeer } from "../support/wire-peer.ts";

/** An MQTT source with the peer that publishes to it. */
export interface Opened extends AsyncDisposable {
  readonly source: Source;
  readonly peer: WirePeer;
  /** Ends the connection and resolves with the next one of the same session. */
  reconnect(sessionPresent: boolean): Promise<WirePeer>;
}

/**
 * What every MQTT source promises, run over each real one. `open` resolves once the peer may publish.
 */
export function sourceContract(name: string, open: (ingest: FakeIngest) => Promise<Opened>): void {
  const contract = (sentence: string, body: (ingest: FakeIngest, opened: Opened) => Promise<void>): void => {
    test(`${name}: ${sentence}`, async () => {
      const ingest = new FakeIngest();
      await using opened = await open(ingest);
      await body(ingest, opened);
      // A stop waits for what is unsettled.
      ingest.pauseAt = Number.POSITIVE_INFINITY;
      ingest.settle();
    });
  };

  contract("nothing is acknowledged before it is stored", async (ingest, { peer }) => {
    peer.publish(7, "a");
    await ingest.waitForOffers(1);
    await settledTurns();
    assert.deepEqual(peer.acks(), []);
    ingest.settle();
    await peer.until(() => peer.acks().length === 1, "PUBACK");
    assert.deepEqual(peer.acks(), [7]);
  });

  contract("a delivery carries topic, bytes, time and the proof of redelivery", async (ingest, { peer, source }) => {
    peer.publish(9, '{"t":1}', { topic: "plant/ü", dup: true });
    await ingest.waitForOffers(1);
    const delivery = ingest.offered[0]!;
    assert.equal(delivery.source, source.name);
    assert.equal(delivery.address, "plant/ü");
    assert.deepEqual(ingest.texts(), ['{"t":1}']);
    assert.ok(delivery.receivedMicros > 0);
    const { session, packetId, dup } = delivery.redelivery!;
    assert.match(session, /^(mqtt|broker):[^:]+:[^:]+$/);
    assert.deepEqual({ packetId, dup }, { packetId: 9, dup: true });
  });

  contract("acknowledgements of one commit are one write, in order of arrival", async (ingest, { peer }) => {
    const ids = [5, 3, 65_535, 1, 4];
    peer.send(...ids.map((id) => publishPacket(id, `m${id}`)));
    await ingest.waitForOffers(ids.length);
    const writes = await writesDuring(async () => {
      ingest.settle();
      await peer.until(() => peer.acks().length === ids.length, "PUBACKs");
    });
    assert.deepEqual(peer.acks(), ids);
    assert.equal(writes.filter((bytes) => bytes[0] === 0x40).length, 1);
  });

  contract("a large commit is acknowledged completely", async (ingest, { peer }) => {
    const ids = Array.from({ length: 1500 }, (_, n) => n + 1);
    peer.send(...ids.map((id) => publishPacket(id, "x")));
    await ingest.waitForOffers(ids.length);
    ingest.settle();
    await peer.until(() => peer.acks().length === ids.length, "PUBACKs");
    assert.deepEqual(peer.acks(), ids);
  });

  contract("what is abandoned is not acknowledged", async (ingest, { peer }) => {
    peer.send(publishPacket(1, "a"), publishPacket(2, "b"));
    await ingest.waitForOffers(2);
    ingest.settle(1, "abandoned");
    ingest.settle(1, "stored");
    await peer.until(() => peer.acks().length > 0, "PUBACK");
    assert.deepEqual(peer.acks(), [2]);
  });

  contract("QoS 0 is offered without a proof and never acknowledged", async (ingest, { peer }) => {
    peer.send(publishPacket(0, "zero", { qos: 0 }), publishPacket(3, "one"));
    await ingest.waitForOffers(2);
    assert.equal(ingest.offered[0]!.redelivery, undefined);
    ingest.settle();
    await peer.until(() => peer.acks().length > 0, "PUBACK");
    assert.deepEqual(peer.acks(), [3]);
  });

  contract("QoS 2 is stored before PUBREC, and PUBREL is completed", async (ingest, { peer }) => {
    peer.publish(8, "two", { qos: 2 });
    await ingest.waitForOffers(1);
    assert.equal(ingest.offered[0]!.redelivery!.packetId, 8);
    await settledTurns();
    assert.ok(peer.packets.every(({ cmd }) => cmd !== "pubrec"));
    ingest.settle();
    await peer.next("pubrec");
    peer.send({ cmd: "pubrel", messageId: 8 });
    assert.equal((await peer.next("pubcomp")).messageId, 8);
  });

  contract("a pause stops the peer, and nothing is lost or reordered", async (ingest, { peer }) => {
    ingest.pauseAt = 3;
    const ids = Array.from({ length: 40 }, (_, n) => n + 1);
    peer.send(...ids.map((id) => publishPacket(id, `m${id}`)));
    await ingest.waitForOffers(3);
    await settledTurns();
    assert.equal(ingest.offered.length, 3, "offered while paused");
    while (peer.acks().length < ids.length) {
      const before = peer.acks().length;
      ingest.settle();
      await peer.until(() => peer.acks().length > before, "further PUBACKs");
    }
    assert.deepEqual(peer.acks(), ids);
    assert.deepEqual(
      ingest.texts(),
      ids.map((id) => `m${id}`),
    );
  });

  contract("a repeated PUBLISH whose first copy is in flight is acknowledged once", async (ingest, { peer }) => {
    peer.send(publishPacket(1, "a"), publishPacket(1, "a", { dup: true }), publishPacket(2, "b"));
    await ingest.waitForOffers(2);
    ingest.settle();
    await peer.until(() => peer.acks().length === 2, "PUBACKs");
    assert.deepEqual(ingest.texts(), ["a", "b"]);
    assert.deepEqual(peer.acks(), [1, 2]);
  });

  contract("what an older connection delivered is not acknowledged on a new one", async (ingest, opened) => {
    opened.peer.publish(1, "a");
    await ingest.waitForOffers(1);
    const again = await opened.reconnect(true);
    again.publish(1, "a", { dup: true });
    await ingest.waitForOffers(2);
    ingest.settle(1);
    await settledTurns();
    assert.deepEqual(again.acks(), []);
    assert.equal(ingest.offered[1]!.redelivery!.session, ingest.offered[0]!.redelivery!.session);
    assert.equal(ingest.offered[1]!.redelivery!.dup, true);
    ingest.settle(1);
    await again.until(() => again.acks().length === 1, "PUBACK");
  });

  contract("a session that was not kept is forgotten before its first message", async (ingest, opened) => {
    assert.equal(ingest.forgotten.length, 1);
    opened.peer.publish(1, "a");
    await ingest.waitForOffers(1);
    const session = ingest.offered[0]!.redelivery!.session;
    assert.deepEqual(ingest.forgotten, [session]);
    ingest.settle();
    await opened.reconnect(false);
    assert.deepEqual(ingest.forgotten, [session, session]);
  });

  contract("a stop waits for the last commit, acknowledges it and takes nothing more", async (ingest, opened) => {
    opened.peer.publish(1, "a");
    await ingest.waitForOffers(1);
    const stopped = opened.source[Symbol.asyncDispose]();
    await settledTurns();
    ingest.settle();
    await stopped;
    await opened.peer.untilClosed();
    assert.deepEqual(opened.peer.acks(), [1]);
    assert.equal(opened.source.status().state, "stopped");
    assert.equal(ingest.resumeListeners, 0);
  });

  contract("a packet in single bytes is one delivery", async (ingest, { peer }) => {
    const { default: mqttPacket } = await import("mqtt-packet");
    const version = peer.version;
    const bytes = mqttPacket.generate(publishPacket(4, "y".repeat(300)), { protocolVersion: version });
    for (const byte of bytes) {
      peer.raw(Buffer.from([byte]));
      await settledTurns(1);
    }
    await ingest.waitForOffers(1);
    assert.deepEqual(ingest.texts(), ["y".repeat(300)]);
  });

  contract("a packet above the limit ends the connection, not the process", async (ingest, { peer }) => {
    peer.raw(Buffer.from([0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61]));
    await peer.untilClosed();
    assert.equal(ingest.offered.length, 0);
  });
}

/** Lets sockets and microtasks run; used where the test shows that something does not happen. */
export async function settledTurns(turns = 5): Promise<void> {
  for (let n = 0; n < turns; n++) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function writesDuring(step: () => Promise<void>): Promise<Uint8Array[]> {
  const writes: Uint8Array[] = [];
  const spy = mock.method(net.Socket.prototype, "write");
  await step();
  for (const { arguments: parameters } of spy.mock.calls) {
    if (parameters[0] instanceof Uint8Array) writes.push(parameters[0]);
  }
  spy.mock.restore();
  return writes;
}
