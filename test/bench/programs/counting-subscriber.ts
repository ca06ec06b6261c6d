import { connect } from "node:net";

/*
 * The least that a QoS 1 subscriber can do: count PUBLISH packets and acknowledge them, one write per read. It answers
 * every message of its parent with the count, as soon as it has subscribed.
 *
 *   node test/bench/programs/counting-subscriber.ts <port>
 */

const connectPacket = Buffer.from([0x10, 16, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 60, 0, 4, 0x62, 0x61, 0x72, 0x65]);
const filter = Buffer.from("plant/#");
const subscribePacket = Buffer.concat([
  Buffer.from([0x82, filter.length + 5, 0, 1, 0, filter.length]),
  filter,
  Buffer.from([1]),
]);
const types = { connack: 2, publish: 3, suback: 9 } as const;

let count = 0;
let asked = 0;
let subscribed = false;
let rest: Buffer = Buffer.alloc(0);

const socket = connect({ host: "127.0.0.1", port: Number(process.argv[2]), noDelay: true });
socket.write(connectPacket);
socket.on("data", (chunk) => {
  const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
  rest = Buffer.from(data.subarray(readPackets(data)));
});
socket.on("close", () => process.exit(1));
process.on("message", () => {
  asked += 1;
  answer();
});
process.on("disconnect", () => process.exit(0));

function answer(): void {
  if (!subscribed) return;
  for (; asked > 0; asked--) process.send?.(count);
}

/** Handles all complete packets and returns where the first incomplete one starts. */
function readPackets(data: Buffer): number {
  const acks = Buffer.allocUnsafe(data.length);
  let acked = 0;
  let at = 0;
  for (;;) {
    const head = headOf(data, at);
    if (head === undefined || head.end > data.length) break;
    const type = data[at]! >> 4;
    if (type === types.publish) {
      const idAt = head.body + 2 + data.readUInt16BE(head.body);
      acked = acks.writeUInt16BE(0x40_02, acked);
      acked += data.copy(acks, acked, idAt, idAt + 2);
      count += 1;
    } else if (type === types.connack) socket.write(subscribePacket);
    else if (type === types.suback) {
      subscribed = true;
      answer();
    }
    at = head.end;
  }
  if (acked > 0) socket.write(acks.subarray(0, acked));
  return at;
}

/** Where the body of a packet starts and ends; undefined where its length has not come yet. */
function headOf(data: Buffer, at: number): { readonly body: number; readonly end: number } | undefined {
  let length = 0;
  for (let i = 1; at + i < data.length; i++) {
    const byte = data[at + i]!;
    length += (byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) return { body: at + i + 1, end: at + i + 1 + length };
  }
  return undefined;
}
