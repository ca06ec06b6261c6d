import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  startPressServer,
  type PressNode,
  type PressServer,
  type PressServerOptions,
} from "../../edge/simulate/press-server.ts";
import { startRig, trustServer } from "../support/opcua.ts";
import { startNode, temporaryFolder } from "../support/processes.ts";
import { until } from "../support/until.ts";

// The OPC UA source against the simulated press: what only a server that we control can show.

const names: readonly PressNode[] = ["Temperature", "Vibration", "Force", "Strokes", "DoorOpenings", "Mode", "Power"];
const items = Object.fromEntries(names.map((name) => [name, `nsu=urn:acme:press;s=press-17.${name}`]));

async function startPress(t: TestContext, options: Partial<PressServerOptions> = {}): Promise<PressServer> {
  const press = await startPressServer({ port: 0, folder: await temporaryFolder(t), trustAnyClient: true, ...options });
  t.after(() => press.stop());
  return press;
}

test("every change of every node arrives, once and in order", async (t) => {
  const press = await startPress(t, { stepMs: 0, seed: 5 });
  const rig = await startRig(t, press.endpoint, items, {}, (folder) => trustServer(folder, press.certificateFile));
  await rig.connected();
  await until("the initial values", () => names.every((name) => rig.points(name).length === 1));
  for (let step = 0; step < 300; step++) {
    press.step();
    if (step % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await until(
    "all changes",
    () => names.map((name) => rig.points(name).length - 1),
    (seen) => names.every((name, i) => seen[i] === press.changes.get(name)),
  );
  const strokes = rig.points("Strokes").map(({ value }) => value as bigint);
  assert(strokes.every((stroke, i) => i === 0 || stroke === strokes[i - 1]! + 1n));
  assert.equal(rig.source.counters.overflows, 0);
  assert.equal(rig.source.counters.gaps, 0);
});

test("a queue that is too short is seen: the overflow is counted and stands in the status", async (t) => {
  const press = await startPress(t, { stepMs: 0 });
  const changes = { queueSize: 2, publishingMs: 500 };
  const rig = await startRig(t, press.endpoint, items, changes, (folder) => trustServer(folder, press.certificateFile));
  await rig.connected();
  await until("the initial values", () => rig.points("Vibration").length === 1);
  for (let step = 0; step < 20; step++) press.step();
  await until("an overflow", () => rig.points("Vibration").some(({ status }) => status === "Overflow"));
  assert(rig.source.counters.overflows > 0);
});

test("a value without a value is not turned into 0", async (t) => {
  const press = await startPress(t, { stepMs: 0 });
  const rig = await startRig(t, press.endpoint, items, {}, (folder) => trustServer(folder, press.certificateFile));
  await rig.connected();
  press.set("Temperature", undefined, "BadSensorFailure");
  const last = await until(
    "the bad value",
    () => rig.points("Temperature").at(-1),
    (point) => point?.quality === "bad",
  );
  assert.deepEqual([last!.value, last!.status], [undefined, "BadSensorFailure"]);
});

test("a policy that the server does not offer is refused, never a weaker one taken", async (t) => {
  const press = await startPress(t);
  const rig = await startRig(t, press.endpoint, items, { securityPolicy: "Aes256_Sha256_RsaPss" });
  const { detail } = await until(
    "refused",
    () => rig.source.status(),
    ({ state }) => state === "waiting",
  );
  assert.match(
    detail,
    /does not offer Aes256_Sha256_RsaPss\/SignAndEncrypt; it offers .*Basic256Sha256\/SignAndEncrypt/,
  );
  assert.equal(rig.source.counters.connections, 0);
});

test("without security, where it is asked for, it connects without any certificate", async (t) => {
  const press = await startPress(t, { trustAnyClient: false });
  const rig = await startRig(t, press.endpoint, items, { securityMode: "None", securityPolicy: "None" });
  await rig.connected();
  await until("values", () => rig.points("Temperature").length > 0);
});

test("a server that does not trust us: the status says what to do there, with our thumbprint", async (t) => {
  const press = await startPress(t, { trustAnyClient: false });
  const rig = await startRig(t, press.endpoint, items, {}, (folder) => trustServer(folder, press.certificateFile));
  const { detail } = await until(
    "refused",
    () => rig.source.status(),
    ({ state }) => state === "waiting",
  );
  assert.match(detail, /Approve the certificate of this gateway on the server: thumbprint [0-9A-F]{40}/);
});

test("user name and password come from a file; wrong ones are a state with a hint", async (t) => {
  const press = await startPress(t, { user: { name: "tidegate", password: "correct horse" } });
  for (const password of ["correct horse", "wrong"]) {
    const passwordFile = join(await temporaryFolder(t), "password");
    await writeFile(passwordFile, password, { mode: 0o600 });
    const changes = { username: "tidegate", passwordFile };
    const rig = await startRig(t, press.endpoint, items, changes, (folder) =>
      trustServer(folder, press.certificateFile),
    );
    if (password === "wrong") {
      const { detail } = await until(
        "refused",
        () => rig.source.status(),
        ({ state }) => state === "waiting",
      );
      assert.match(detail, /Check username and passwordFile/);
      assert(!detail.includes(password));
    } else {
      await rig.connected();
    }
    await rig.source[Symbol.asyncDispose]();
  }
});

test("after a broken network the subscription is taken over, and nothing is missed", async (t) => {
  const press = await startPress(t, { stepMs: 0, seed: 9 });
  const rig = await startRig(t, press.endpoint, items, {}, (folder) => trustServer(folder, press.certificateFile));
  await rig.connected();
  await until("the initial values", () => names.every((name) => rig.points(name).length === 1));
  for (let cut = 1; cut <= 3; cut++) {
    const { connections } = rig.source.counters;
    press.breakConnections();
    for (let step = 0; step < 30; step++) press.step();
    await until("a new connection", () => rig.source.counters.connections > connections);
    await rig.connected();
    for (let step = 0; step < 30; step++) press.step();
    await until(
      "all changes",
      () => names.map((name) => rig.points(name).length - 1),
      (seen) => names.every((name, i) => seen[i] === press.changes.get(name)),
    );
  }
  assert.equal(rig.source.counters.transfers, 3);
  assert.equal(rig.source.counters.gaps, 0);
  assert.deepEqual(rig.ingest.gaps, []);
});

test("after a crash the next process takes the subscription over, and nothing is missed", async (t) => {
  const press = await startPress(t, { stepMs: 0, seed: 11 });
  const trust = (folder: string): Promise<void> => trustServer(folder, press.certificateFile);
  // It does not come back within the test: as good as gone.
  const absent = { reconnectMinMs: 60_000, reconnectMaxMs: 60_000 };
  const crashed = await startRig(t, press.endpoint, items, absent, trust);
  await crashed.connected();
  await until("the initial values", () => names.every((name) => crashed.points(name).length === 1));
  press.breakConnections();
  for (let step = 0; step < 30; step++) press.step();
  const next = await startRig(t, press.endpoint, items, {}, undefined, crashed);
  await next.connected();
  for (let step = 0; step < 30; step++) press.step();
  await until(
    "all changes",
    () => names.map((name) => next.points(name).length),
    (seen) => names.every((name, i) => seen[i] === press.changes.get(name)),
  );
  assert.equal(next.source.counters.transfers, 1);
  assert.deepEqual(next.ingest.gaps, []);
});

test("an agent without an OPC UA source loads nothing of the library", async (t) => {
  const source = JSON.stringify(new URL("../../edge/sources/opcua/source.ts", import.meta.url).href);
  const program = `
    import { registerHooks } from "node:module";
    const seen = [];
    registerHooks({ resolve: (name, context, next) => { if (name.includes("node-opcua")) seen.push(name); return next(name, context); } });
    await import(${source});
    process.stdout.write(JSON.stringify(seen.filter((name) => !name.startsWith("."))));`;
  const run = startNode(t, ["--input-type=module", "-e", program]);
  await run.exited;
  assert.equal(run.stdout, "[]", run.stderr);
});
