// Goal: the fault proxy breaks connections as it was told, and otherwise carries every byte in order.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { test, type TestContext } from "node:test";
import { startProxy, type FaultProxy } from "./support/proxy.ts";
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
  await pauseMs(30);
  proxy.fault("up", { kind: "none" });
  client.socket.write("second");
  await until("both", () => client.text === "first second");
  assert(performance.now() - start >= 145, "the first part was delayed");
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
