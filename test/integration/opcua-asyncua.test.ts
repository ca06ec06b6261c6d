import assert from "node:assert/strict";
import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { freePort } from "../../demo/ports.ts";
import {
  startAsyncua,
  startRig,
  trustGateway,
  trustServer,
  type OpcuaRig,
  type OpcuaServer,
} from "../support/opcua.ts";
import { temporaryFolder } from "../support/processes.ts";
import { until } from "../support/until.ts";

// The OPC UA source against PyPI asyncua, a server that we did not write: Basic256Sha256 SignAndEncrypt, trust on both
// sides, kill, freeze, moved namespace index.

const names = [
  "Temperature",
  "Counter",
  "Lowest",
  "Highest",
  "Unsigned",
  "Mode",
  "Ready",
  "Label",
  "Spectrum",
  "Empty",
];
const items = Object.fromEntries(names.map((name) => [name.toLowerCase(), `nsu=urn:acme:press;s=press.${name}`]));

interface Plant {
  readonly rig: OpcuaRig;
  readonly server: OpcuaServer;
  /** SIGKILL; then the same server again, its namespaces moved by `padding`. */
  readonly restart: (padding: number) => Promise<OpcuaServer>;
}

/** Both sides trust each other, and values flow. */
async function startPlant(t: TestContext): Promise<Plant> {
  const folder = await temporaryFolder(t);
  const port = await freePort();
  const server = await startAsyncua(t, folder, port);
  const rig = await startRig(t, server.endpoint, items, {}, (dataFolder) =>
    trustServer(dataFolder, server.certificateFile),
  );
  await trustGateway(rig, server);
  await rig.connected();
  let running = server;
  const restart = async (padding: number): Promise<OpcuaServer> => {
    await running.process.kill();
    running = await startAsyncua(t, folder, port, padding);
    return running;
  };
  return { rig, server, restart };
}

function counters(rig: OpcuaRig, after = 0): bigint[] {
  return rig
    .points("counter")
    .slice(after)
    .map(({ value }) => value as bigint);
}

test("an unknown server is refused until its certificate is moved; then it refuses us until it is told the same", async (t) => {
  const server = await startAsyncua(t, await temporaryFolder(t), await freePort());
  const rig = await startRig(t, server.endpoint, items);
  const detail = await until(
    "untrusted",
    () => rig.source.status().detail,
    (detail) => detail.includes("is not trusted"),
    {
      withinMs: 20_000,
    },
  );
  const [, file] = /move rejected\/(\S+) to trusted\/certs\//.exec(detail)!;
  const folder = join(rig.dataFolder, "opcua");
  assert.deepEqual(await readdir(join(folder, "rejected")), [file]);
  assert.equal(rig.ingest.offered.length, 0);
  await mkdir(join(folder, "trusted", "certs"), { recursive: true });
  await rename(join(folder, "rejected", file!), join(folder, "trusted", "certs", file!));
  await trustGateway(rig, server);
  await rig.connected();
  assert.match(rig.source.status().detail, /^10 of 10 items.*Basic256Sha256 SignAndEncrypt$/);
});

test("types arrive exactly: limits of 64 bits, texts, booleans; arrays and nothing are never turned into numbers", async (t) => {
  const { rig } = await startPlant(t);
  await until("all initial values", () => names.every((name) => rig.points(name.toLowerCase()).length > 0));
  const first = (item: string) => {
    const { value, quality, status } = rig.points(item)[0]!;
    return { value, quality, status };
  };
  assert.deepEqual(first("lowest"), { value: -(2n ** 63n), quality: "good", status: undefined });
  assert.deepEqual(first("highest"), { value: 2n ** 63n - 1n, quality: "good", status: undefined });
  assert.deepEqual(first("unsigned"), { value: 2n ** 64n - 1n, quality: "good", status: undefined });
  assert.deepEqual(first("mode"), { value: "auto", quality: "good", status: undefined });
  assert.deepEqual(first("ready"), { value: true, quality: "good", status: undefined });
  assert.deepEqual(first("label"), { value: "Presse", quality: "good", status: undefined });
  assert.deepEqual(first("spectrum"), { value: undefined, quality: "bad", status: "UnsupportedArray" });
  assert.equal(first("empty").value, undefined);
});

test("status codes become qualities, and a bad value stays, marked", async (t) => {
  const { rig, server } = await startPlant(t);
  await server.command('{"set":["Temperature",63.25]}');
  await server.command('{"status":["Temperature","BadSensorFailure"]}');
  await server.command('{"status":["Temperature","UncertainLastUsableValue"]}');
  const points = await until(
    "the statuses",
    () => rig.points("temperature").map(({ quality, status }) => `${quality} ${status}`),
    (seen) => seen.includes("uncertain UncertainLastUsableValue"),
  );
  assert(points.includes("bad BadSensorFailure"), points.join(", "));
  assert(rig.points("temperature").some(({ value, quality }) => value === 63.25 && quality === "good"));
});

test("killed and started again with another namespace index: values flow again in under 10 s, none is missed while it runs", async (t) => {
  const { rig, restart } = await startPlant(t);
  await until("values", () => counters(rig).length > 20);
  await restart(5);
  const backMs = performance.now();
  const seen = rig.points("counter").length;
  await until("values of the new process", () => counters(rig, seen).length > 20, Boolean, { withinMs: 10_000 });
  t.diagnostic(`values ${Math.round(performance.now() - backMs)} ms after the server was back`);
  assertNoneMissed(counters(rig).slice(0, seen), "before");
  assertNoneMissed(counters(rig, seen), "after");
  assert.equal(rig.source.counters.gaps, 0);
  assert.equal(rig.ingest.gaps.length, 1, "the hole is said once");
  assert.match(rig.source.status().detail, /^10 of 10 items/);
});

/** The server counts by one for each change; within one server process every number must be there, once, in order. */
function assertNoneMissed(values: readonly bigint[], when: string): void {
  for (let i = 1; i < values.length; i++) {
    assert.equal(values[i]! - values[i - 1]!, 1n, `${when}: ${values[i - 1]} is followed by ${values[i]}`);
  }
}

test("a server that freezes is given up, and taken back when it thaws", async (t) => {
  const { rig, server } = await startPlant(t);
  await until("values", () => counters(rig).length > 5);
  process.kill(server.process.pid, "SIGSTOP");
  t.after(() => void (server.process.running && process.kill(server.process.pid, "SIGCONT")));
  await until(
    "given up",
    () => rig.source.status(),
    ({ state }) => state === "waiting",
    { withinMs: 8_000 },
  );
  process.kill(server.process.pid, "SIGCONT");
  const seen = rig.points("counter").length;
  await until("values again", () => counters(rig, seen).length > 5, Boolean, { withinMs: 10_000 });
});

test("ten kills leak nothing: no second client, no memory", async (t) => {
  const { rig, restart } = await startPlant(t);
  await until("values", () => counters(rig).length > 5);
  let settledBytes = 0;
  for (let kill = 1; kill <= 10; kill++) {
    const seen = rig.points("counter").length;
    await restart(kill);
    await until("values again", () => counters(rig, seen).length > 3, Boolean, { withinMs: 10_000 });
    if (kill === 3) settledBytes = process.memoryUsage().rss;
  }
  const grown = (process.memoryUsage().rss - settledBytes) / 1e6;
  t.diagnostic(`memory grew by ${grown.toFixed(1)} MB from the third to the tenth restart`);
  assert(grown < 40, `${grown} MB`);
  const sockets = process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  assert(sockets <= 1, `${sockets} sockets`);
});
