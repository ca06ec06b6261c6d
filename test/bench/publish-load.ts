/**
 * A cheap MQTT 3.1.1 load generator: QoS 1 PUBLISH packets are encoded once and only their packet ids are patched.
 * `node publish-load.ts <port> <connections> <messages> <window>`; prints one JSON line when everything is acknowledged.
 */
import net from "node:net";

const [port, connections, messages, window] = process.argv.slice(2).map(Number) as [number, number, number, number];
const perConnection = Math.floor(messages / connections);

function connectPacket(clientId: string): Buffer {
  const id = Buffer.from(clientId);
  const rest = Buffer.concat([Buffer.from([0, 4]), Buffer.from("MQTT"), Buffer.from([4, 2, 0, 0, 0, id.length]), id]);
  return Buffer.concat([Buffer.from([0x10, rest.length]), rest]);
}

/** 120 bytes of JSON on one of four topics of the connection. */
function publishPacket(connection: number, n: number): Buffer {
  const topic = Buffer.from(`plant/line-${connection}/sensor-${n % 4}/data`);
  const json = JSON.stringify({ ts: 1795253292123, temperature: 63.2, vibration: 0.0123, mode: "auto", pad: "" });
  const payload = Buffer.from(json.replace('"pad":""', `"pad":"${"x".repeat(120 - json.length)}"`));
  const remaining = 2 + topic.length + 2 + payload.length;
  const header = Buffer.from([0x32, (remaining & 127) | 128, remaining >> 7, 0, topic.length]);
  return Buffer.concat([header, topic, Buffer.alloc(2), payload]);
}

async function run(connection: number): Promise<void> {
  const packets = Array.from({ length: 4 }, (_, n) => publishPacket(connection, n));
  const stride = packets[0]!.length;
  const idAt = stride - 122;
  const batch = Buffer.concat(Array.from({ length: window }, (_, n) => packets[n % 4]!));
  let sent = 0;
  let acked = 0;
  let nextId = 1;
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  const fill = (): void => {
    const count = Math.min(perConnection - sent, window - (sent - acked));
    if (count <= 0) return;
    const bytes = Buffer.from(batch.subarray(0, count * stride));
    for (let n = 0; n < count; n++) {
      bytes.writeUInt16BE(nextId, n * stride + idAt);
      nextId = nextId === 65_535 ? 1 : nextId + 1;
    }
    sent += count;
    socket.write(bytes);
  };
  await new Promise<void>((resolve, reject) => {
    let connected = false;
    let bytes = 0;
    socket.write(connectPacket(`load-${connection}`));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${acked} acknowledgements`)));
    socket.on("data", (chunk) => {
      bytes += chunk.length;
      if (!connected && bytes >= 4) {
        connected = true;
        bytes -= 4;
      }
      acked = bytes >> 2;
      if (acked >= perConnection) resolve();
      else fill();
    });
  });
  socket.destroy();
}

const started = performance.now();
await Promise.all(Array.from({ length: connections }, async (_, connection) => run(connection)));
const seconds = (performance.now() - started) / 1000;
const count = perConnection * connections;
const cpu = process.cpuUsage();
console.log(
  JSON.stringify({ count, perSecond: Math.round(count / seconds), cpuMicros: (cpu.user + cpu.system) / count }),
);
