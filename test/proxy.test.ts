// Goal: the fault proxy breaks connections as it was told, and otherwise carries every byte in order.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { flap, startProxy, type FaultProxy } from "./support/proxy.ts";
import { randomOf } from "./support/seed.ts";
import { until } from "./support/until.ts";

test("it carries bytes both ways, and the end of a connection", async (t) => {
  const { client, proxy } = await echoThroughProxy(t);
  const large = "0123456789".repeat(100_000);
  client.socket.end(large);
  await once(client.socket, "close");
  assert.equal(client.text === large, true, `${client.text.length} of ${large.length} bytes came back unchanged`);
  await until("the proxy has forgotten the connection", () => proxy.open === 0);
});

test("cut resets open connections and welcomes new ones", async (t) => {
  const { client, proxy, dial } = await echoThroughProxy(t);
  client.socket.write("a");
  await until("the echo", () => client.text === "a");
  proxy.cut();
  await until("the reset", () => client.ended === "ECONNRESET");
  const again = dial();
  again.socket.write("b");
  await until("the echo on the new connection", () => again.text === "b");
  assert.equal(proxy.accepted, 2);
});

test("refuse resets new connections", async (t) => {
  const { proxy, dial } = await echoThroughProxy(t);
  proxy.refuse(true);
  const refused = dial();
  await until("the reset", () => refused.ended === "ECONNRESET" || refused.ended === "end");
  proxy.refuse(false);
  const welcome = dial();
  welcome.socket.write("c");
  await until("the echo", () => welcome.text === "c");
});

test("blackhole holds bytes back without closing, and lets them go on", async (t) => {
  const { client, proxy } = await echoThroughProxy(t);
  proxy.fault("up", { kind: "blackhole" });
  client.socket.write("held");
  await pauseMs(100);
  assert.equal(client.text, "");
  assert.equal(client.ended, undefined);
  proxy.fault("up", { kind: "none" });
  await until("the echo", () => client.text === "held");
});

test("drop loses the bytes of one direction only", async (t) => {
  const { client, proxy, received } = await echoThroughProxy(t);
  proxy.fault("down", { kind: "drop" });
  client.socket.write("unanswered");
  await until("the server has the bytes", () => received() === "unanswered");
  proxy.fault("down", { kind: "none" });
  client.socket.write("answered");
  await until("only the second answer", () => client.text === "answered");
});

test("delayed bytes are not overtaken when the delay ends", async (t) => {
  const { client, proxy } = await echoThroughProxy(t);
  proxy.fault("up", { kind: "delay", ms: 150 });
  const start = performance.now();
  client.socket.write("first ");
  await until("the first part is held", () => proxy.heldBytes > 0);
  proxy.fault("up", { kind: "none" });
  client.socket.write("second");
  await until("both", () => client.text === "first second");
  assert(performance.now() - start >= 145, "the first part was delayed");
});

test("a slow line carries no more than its rate, and goes on at full speed afterwards", async (t) => {
  const { client, proxy } = await echoThroughProxy(t);
  proxy.fault("up", { kind: "rate", bytesPerSecond: 1000 });
  client.socket.write("x".repeat(100_000));
  const start = performance.now();
  await until("some of it", () => client.text.length >= 200);
  const seconds = (performance.now() - start) / 1000;
  assert(client.text.length <= 1000 * seconds + 100, `${client.text.length} bytes in ${seconds} s`);
  proxy.fault("up", { kind: "none" });
  await until("the rest", () => client.text.length === 100_000);
});

test("a slower line than a byte per portion still carries byte after byte", async (t) => {
  const { client, proxy } = await echoThroughProxy(t);
  proxy.fault("down", { kind: "rate", bytesPerSecond: 10 });
  client.socket.write("slow");
  const start = performance.now();
  await until("all bytes", () => client.text === "slow");
  assert(performance.now() - start >= 290, "three pauses of 100 ms");
});

test("random resets break connections, and only some", async (t) => {
  const { proxy, dial } = await echoThroughProxy(t);
  proxy.fault("up", { kind: "reset", share: 0.5, random: randomOf(7) });
  const clients = Array.from({ length: 40 }, dial);
  for (const { socket } of clients) socket.write("z");
  const isDecided = ({ text, ended }: Client): boolean => text === "z" || ended !== undefined;
  await until("each is answered or reset", () => clients.every(isDecided));
  const answered = clients.filter(({ text }) => text === "z").length;
  assert(answered >= 8 && answered <= 32, `${answered} of 40 were answered`);
});

test("a flapping link refuses and welcomes in turn, and is up at the end", async (t) => {
  const { client, proxy, dial } = await echoThroughProxy(t);
  client.socket.write("a");
  await until("the echo", () => client.text === "a");
  await flap(proxy, { cycles: 5, upMs: 5, downMs: 5 });
  await until("the reset", () => client.ended === "ECONNRESET");
  const again = dial();
  again.socket.write("b");
  await until("the echo on the new connection", () => again.text === "b");
});

interface Client {
  readonly socket: Socket;
  text: string;
  /** Error code, or `end`. */
  ended: string | undefined;
}

interface Rig {
  readonly proxy: FaultProxy;
  readonly client: Client;
  readonly dial: () => Client;
  /** Everything that the server behind the proxy got. */
  readonly received: () => string;
}

async function echoThroughProxy(t: TestContext): Promise<Rig> {
  let got = "";
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes: Buffer) => (got += bytes.toString("latin1")));
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => void server.close());
  const proxy = await startProxy(t, { port: (server.address() as AddressInfo).port });
  const dial = (): Client => dialed(t, proxy.port);
  return { proxy, client: dial(), dial, received: () => got };
}

function dialed(t: TestContext, port: number): Client {
  const socket = connect({ port, host: "127.0.0.1" });
  const client: Client = { socket, text: "", ended: undefined };
  socket.on("data", (bytes: Buffer) => (client.text += bytes.toString("latin1")));
  socket.on("error", (error: NodeJS.ErrnoException) => (client.ended = error.code));
  socket.on("end", () => (client.ended ??= "end"));
  t.after(() => void socket.destroy());
  return client;
}

function pauseMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
