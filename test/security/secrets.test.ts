// Goal (checklist 22): a secret goes to the peer that it is for, and to no log, metric, argument list or page.
// Method: canaries as passwords, a peer that takes and refuses them, and a search through all that the agent says.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../support/processes.ts";
import { until } from "../support/until.ts";
import { freePort, startAgent, type Agent } from "./agent.ts";

const canaries = { mqtt: "canary-mqtt-7f3a91", kafka: "canary-kafka-52c8e0", opcua: "canary-opcua-b14d66" };

const pages = [
  "/metrics",
  "/health",
  "/ready",
  "/api/v1/overview",
  "/api/v1/alerts",
  "/api/v1/quarantine",
  "/api/v1/session",
  "/api/v1/line?path=acme/berlin",
];

test("canary passwords reach their peer and nothing that the agent says", { timeout: 60_000 }, async (t) => {
  const folder = await temporaryFolder(t);
  for (const [name, secret] of Object.entries(canaries)) {
    writeFileSync(join(folder, `${name}-password`), `${secret}\n`, { mode: 0o600 });
  }
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const peer = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => {
      received.push(data);
      // CONNACK 3.1.1: bad user name or password.
      socket.end(Buffer.from([0x20, 2, 0, 4]));
    });
  }).listen(0, "127.0.0.1");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    peer.close();
  });
  await once(peer, "listening");
  const { port } = peer.address() as AddressInfo;

  const agent = await startAgent(
    t,
    folder,
    `gateway: { id: gw-1, path: acme/berlin }
kafka:
  brokers: ["127.0.0.1:${await freePort()}"]
  sasl: { mechanism: SCRAM-SHA-512, username: gw, passwordFile: ./kafka-password }
sources:
  - { name: site, type: mqtt, url: "mqtt://127.0.0.1:${port}", clientId: gw, topics: ["a"], username: gw, passwordFile: ./mqtt-password, reconnectMaxMs: 300 }
  - { name: line, type: opcua, endpoint: "opc.tcp://127.0.0.1:${await freePort()}", username: gw, passwordFile: ./opcua-password, devices: [{ id: p, items: { t: "nsu=urn:a;s=b" } }] }
console: { listen: { port: 0 } }
log: { level: debug }
`,
  );
  await until("the peer was given the MQTT password", () => Buffer.concat(received).includes(canaries.mqtt));
  await until("the refusal and Kafka's absence are in the log", () => /"source":"site"/.test(agent.process.stderr));
  await until("Kafka's absence is in the log", () => agent.process.stderr.includes("Kafka does not take everything"));

  const said = new Map<string, string>();
  for (const page of pages) said.set(page, await read(agent, page));
  const { pid } = agent.process;
  said.set("argument list", readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  said.set("environment", readFileSync(`/proc/${pid}/environ`, "latin1"));
  assert.deepEqual(await agent.process.stop(), { code: 0, signal: null });
  said.set("standard output", agent.process.stdout);
  said.set("standard error", agent.process.stderr);
  for (const file of filesBelow(join(folder, "data"))) said.set(file, readFileSync(file, "latin1"));

  assert(said.get("/metrics")!.includes("tidegate_source_connected") && said.get("standard error")!.length > 100);
  for (const [where, text] of said) {
    for (const canary of Object.values(canaries)) {
      for (const form of ["latin1", "base64", "hex"] as const) {
        const shown = Buffer.from(canary).toString(form).replace(/=+$/, "");
        assert(!text.includes(shown), `${where} shows ${canary} (${form})`);
      }
    }
    // The one place where the console's own token is shown, once.
    if (where !== "standard output") assert(!text.includes(agent.token), `${where} shows the console's token`);
  }
});

async function read(agent: Agent, page: string): Promise<string> {
  const response = await fetch(agent.consoleUrl + page, { headers: { authorization: `Bearer ${agent.token}` } });
  assert.equal(response.status, 200, page);
  return JSON.stringify([...response.headers]) + (await response.text());
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}
