import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import mqttPacket, { type Packet } from "mqtt-packet";
import { ProtocolError } from "../../../../edge/sources/mqtt-wire/errors.ts";
import { Framer } from "../../../../edge/sources/mqtt-wire/framer.ts";
import { TopicCache, topicFault } from "../../../../edge/sources/mqtt-wire/topics.ts";
import { FakeIngest } from "../../../support/fake-ingest.ts";
import { startedBroker } from "../../../support/mqtt-sources.ts";
import { WirePeer } from "../../../support/wire-peer.ts";

// Goal: however TCP cuts the stream, the packets that come out are those that went in; and whatever a peer sends, only
// its own connection ends. mqtt-packet, which we did not write, is the reference for what a packet is.

function framesOf(chunks: readonly Buffer[], packetBytesMax = 1 << 20): Buffer[] {
  const frames: Buffer[] = [];
  const handler = {
    frame(buffer: Buffer, start: number, body: number, end: number): boolean {
      assert.ok(start < body && body <= end);
      frames.push(Buffer.from(buffer.subarray(start, end)));
      return true;
    },
  };
  const framer = new Framer(handler, () => packetBytesMax);
  for (const chunk of chunks) framer.push(chunk);
  return frames;
}

const anyPublish = fc.record({
  cmd: fc.constant("publish" as const),
  topic: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }).filter((topic) => !/[+#]/.test(topic)),
  payload: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
});

test("packets come out as they went in, wherever the stream is cut", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(fc.array(anyPublish, { minLength: 1, maxLength: 20 }), cuts, (publishes, sizes) => {
      const packets = publishes.map((publish) => mqttPacket.generate({ ...publish, dup: false }));
      const stream = Buffer.concat(packets);
      const chunks: Buffer[] = [];
      for (let at = 0, n = 0; at < stream.length; n++) {
        const size = sizes[n % sizes.length]!;
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(framesOf(chunks), packets);
    }),
  );
});

test("a length of more than four bytes and a packet above the limit are errors at the header", () => {
  const refused = (bytes: number[]): void => {
    assert.throws(() => framesOf([Buffer.from(bytes)], 1000), ProtocolError);
    assert.throws(
      () =>
        framesOf(
          bytes.map((byte) => Buffer.from([byte])),
          1000,
        ),
      ProtocolError,
    );
  };
  refused([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]);
  refused([0x30, 0xff, 0xff, 0xff, 0x7f]);
  refused([0x30, 0xe7, 0x07]);
  assert.equal(framesOf([Buffer.concat([Buffer.from([0x30, 0xe5, 0x07]), Buffer.alloc(997)])], 1000).length, 1);
});

test("the topic cache returns what a decoder would, also when topics collide", () => {
  const cache = new TopicCache();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const buffer = Buffer.concat([Buffer.from("ab"), bytes, Buffer.from("cd")]);
      for (let n = 0; n < 2; n++) {
        assert.equal(cache.read(buffer, 2, 2 + bytes.length), Buffer.from(bytes).toString("utf8"));
      }
    }),
  );
  for (let n = 0; n < 20_000; n++) {
    const topic = Buffer.from(`plant/line-${n}/data`);
    assert.equal(cache.read(topic, 0, topic.length), `plant/line-${n}/data`);
  }
});

test("topic names are refused by one reason each", () => {
  const limits = { topicBytesMax: 40, topicLevelsMax: 4 };
  const rows: [string, RegExp | undefined][] = [
    ["plant/line-2/press-17/data", undefined],
    ["/leading/and/trailing", undefined],
    ["__proto__/constructor", undefined],
    ["plant/größe/温度", undefined],
    ["", /empty/],
    ["$SYS/broker", /\$/],
    ["a/+/b", /wildcard/],
    ["a/#", /wildcard/],
    ["a\u0000b", /control/],
    ["a\nb", /control/],
    ["a\ufffdb", /UTF-8/],
    ["x".repeat(41), /40 bytes/],
    ["a/b/c/d/e", /4 levels/],
  ];
  for (const [topic, reason] of rows) {
    const fault = topicFault(topic, limits);
    if (reason === undefined) assert.equal(fault, undefined);
    else assert.match(fault ?? "", reason);
  }
});

test("random and damaged packets end their own connection at most, and the broker serves the others", async () => {
  const ingest = new FakeIngest();
  await using source = await startedBroker(ingest, { connectsPerSecondMax: 10_000 });
  const witness = await WirePeer.dial(source.port);
  await witness.connect({ clientId: "witness" });
  const valid: Packet[] = [
    { cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "cmd/x/#", qos: 1 }] },
    { cmd: "unsubscribe", messageId: 2, unsubscriptions: ["a"] },
    { cmd: "pubrel", messageId: 3 },
    { cmd: "publish", topic: "a/b", payload: "c", qos: 1, messageId: 4, dup: false, retain: false },
    { cmd: "pingreq" },
    { cmd: "disconnect" },
  ];
  const damage = fc.tuple(
    fc.constantFrom(...valid),
    fc.constantFrom(4 as const, 5 as const),
    fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
    fc.nat(40),
    fc.boolean(),
    fc.uint8Array({ maxLength: 60 }),
  );
  // SUBSCRIBE, UNSUBSCRIBE and PUBREL with packet id 0, without one, and without content.
  for (const hex of [
    "82050000000000",
    "8206000000016100",
    "82020000",
    "82020001",
    "8200",
    "a2020001",
    "a2020000",
    "a200",
    "62020000",
    "6200",
  ]) {
    for (const version of [4, 5] as const) {
      const peer = await WirePeer.dial(source.port, version);
      await peer.connect({ clientId: "bad-id" });
      peer.raw(Buffer.from(hex, "hex"));
      await witness.roundTrip();
      peer.socket.destroy();
    }
  }
  await fc.assert(
    fc.asyncProperty(damage, async ([packet, version, flips, cut, established, noise]) => {
      const peer = await WirePeer.dial(source.port, version);
      if (established) await peer.connect({ clientId: "fuzz" });
      const bytes = Buffer.from(mqttPacket.generate(packet, { protocolVersion: version }));
      for (const [at, value] of flips) bytes[at % bytes.length] = value;
      peer.raw(Buffer.concat([bytes.subarray(0, bytes.length - (cut % bytes.length)), noise]));
      await witness.roundTrip();
      peer.socket.destroy();
    }),
    { numRuns: 300 },
  );
  ingest.settle();
  assert.equal(witness.closed, false);
});
