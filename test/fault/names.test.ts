// Goal: a name server that fails, is silent, slow or wrong delays records and nothing else: devices are acknowledged
// meanwhile, and soon after names resolve again everything is in Kafka.
// Method: an agent whose libc asks a name server of the test; Kafka behind a proxy that cuts its connections, so that
// each trouble meets an agent that has to resolve the name anew.
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import dns from "node:dns";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../demo/ports.ts";
import { startNameServer, type Answer } from "../support/dns.ts";
import { reconcileKafka, untilDrained } from "../support/drained.ts";
import { publish } from "../support/figures.ts";
import { gatewayPartitions, metricsOf, startGateway } from "../support/gateway.ts";
import { startTestKafka } from "../support/kafka.ts";
import { startLoad } from "../support/load.ts";
import { startProxy } from "../support/proxy.ts";
import { runSeed, type Random } from "../support/seed.ts";
import { createInstallationTopics } from "../support/topics.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const name = "kafka.plant.example";
const right: Answer = { kind: "address", address: "127.0.0.1" };
const nobody = "127.53.0.2";
const stranger = "127.53.0.3";
const troubles: readonly { readonly what: string; readonly answer: Answer; readonly passes?: boolean }[] = [
  { what: "no such name", answer: { kind: "no-such-name" } },
  { what: "the name server fails", answer: { kind: "failure" } },
  { what: "the name server is silent", answer: { kind: "silence" } },
  { what: "an address where nobody listens", answer: { kind: "address", address: nobody } },
  { what: "an address of something that is no Kafka", answer: { kind: "address", address: stranger } },
  { what: "an answer that takes a second", answer: { ...right, afterMs: 1_000 }, passes: true },
];
const recoversWithinMs = 30_000;
/** A stranger that keeps the connection open is noticed when the client has tried all it may: 35 s. */
const noticedWithinMs = 45_000;

test("FAULTS 28: names that do not resolve, or wrongly, or slowly, delay records and lose none", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const names = await startNameServer(t);
  const port = await freePort();
  const link = await startProxy(t, { port });
  // The test's own clients are told the same name, but not by the broken name server.
  t.mock.method(dns, "lookup", lookUpHere);
  const advertised = { "advertised.listeners": `PLAINTEXT://${name}:${link.port}` };
  const kafka = await startTestKafka(t, { port, properties: advertised });
  await createInstallationTopics(kafka.bootstrap, "names", gatewayPartitions);
  await startStranger(t, link.port);
  // The first start meets a name server that says nothing.
  const gateway = await startGateway(t, {
    kafka: { bootstrap: `${name}:${link.port}`, topicPrefix: "names" },
    wrapper: () => names.wrapper(),
  });
  const load = startLoad(t, { port: gateway.port, connections: 4, devices: 20, rate: 100 });
  const connected = async (): Promise<boolean> => (await metricsOf(gateway)).get("tidegate_forward_connected") === 1;
  const acknowledgedMore = async (): Promise<void> => {
    const { acked } = await load.report();
    await until(
      "devices are acknowledged",
      () => load.report(),
      (now) => now.acked > acked + 100,
    );
  };
  await acknowledgedMore();
  assert.equal(await connected(), false);
  names.answer(right);
  await until("records flow after the start", connected, Boolean, { withinMs: recoversWithinMs });
  const recovered: Record<string, string> = {};
  for (const { what, answer, passes = false } of drawn(random, scaled(2, troubles.length))) {
    const asked = names.questions;
    names.answer(answer);
    link.cut();
    await until(`the name is asked for: ${what}`, () => names.questions > asked);
    await acknowledgedMore();
    if (!passes) await until(`nothing arrives: ${what}`, connected, (yes) => !yes, { withinMs: noticedWithinMs });
    await pause(random.between(0, scaled(2_000, 20_000)));
    await acknowledgedMore();
    const overMs = performance.now();
    if (!passes) names.answer(right);
    await until(`records flow again: ${what}`, connected, Boolean, { withinMs: recoversWithinMs });
    recovered[`s until records flow after: ${what}`] = ((performance.now() - overMs) / 1000).toFixed(1);
  }
  const report = await load.finish(30_000);
  names.answer(right);
  await untilDrained(gateway);
  const { acked, delivered, duplicates, findings } = await reconcileKafka(
    { bootstrap: kafka.bootstrap, topicPrefix: "names" },
    [report],
  );
  publish(t, {
    proof: "a name server that fails, is silent, wrong and slow",
    seed: random.seed,
    figures: { acked, delivered, duplicates, questions: names.questions, ...recovered },
  });
  assert.deepEqual(findings, []);
  assert.equal(delivered, acked);
  assert.deepEqual([...gateway.service.unasked], []);
});

function drawn(random: Random, count: number): typeof troubles {
  return troubles
    .map((trouble) => ({ trouble, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ trouble }) => trouble)
    .slice(0, count);
}

/** Answers anything with the words of another protocol, on the port of Kafka. */
async function startStranger(t: TestContext, port: number): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", () => socket.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"));
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  server.listen(port, stranger);
  await once(server, "listening");
  return server;
}

const lookUp = dns.lookup;

function lookUpHere(host: string, ...rest: unknown[]): void {
  Reflect.apply(lookUp, dns, [host === name ? "127.0.0.1" : host, ...rest]);
}
