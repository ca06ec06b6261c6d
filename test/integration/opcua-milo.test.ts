import assert from "node:assert/strict";
import { test } from "node:test";
import { startMilo } from "../support/milo.ts";
import { startRig, trustGateway, trustServer } from "../support/opcua.ts";
import { until } from "../support/until.ts";

// The OPC UA source against Eclipse Milo, the stack that many Java servers of the industry stand on.

const names = ["Temperature", "Counter", "Lowest", "Unsigned", "Mode", "Ready"];
const items = Object.fromEntries(names.map((name) => [name.toLowerCase(), `nsu=urn:acme:press;s=press.${name}`]));

test("Eclipse Milo: trust on both sides, exact types, bad values kept, sessions ended by the server are replaced", async (t) => {
  const server = await startMilo(t);
  const rig = await startRig(t, server.endpoint, items, {}, (dataFolder) =>
    trustServer(dataFolder, server.certificateFile),
  );
  await trustGateway(rig, server);
  await rig.connected();
  assert.match(rig.source.status().detail, /^6 of 6 items.*Basic256Sha256 SignAndEncrypt$/);

  await until("all initial values", () => names.every((name) => rig.points(name.toLowerCase()).length > 0));
  const first = (item: string): unknown => rig.points(item)[0]!.value;
  assert.equal(first("temperature"), 20.5);
  assert.equal(first("lowest"), -(2n ** 63n));
  assert.equal(first("unsigned"), 2n ** 64n - 1n);
  assert.equal(first("mode"), "auto");
  assert.equal(first("ready"), true);

  await server.command("bad Temperature");
  const bad = await until(
    "the bad value",
    () => rig.points("temperature").at(-1)!,
    ({ quality }) => quality !== "good",
  );
  assert.deepEqual([bad.quality, bad.status], ["bad", "BadSensorFailure"]);

  await server.command("kill-sessions");
  const seen = rig.points("counter").length;
  await until("values of a new session", () => rig.points("counter").length > seen + 5, Boolean, { withinMs: 15_000 });
  assert.equal(rig.ingest.gaps.length, 1, "the hole is said once");
  const counts = rig.points("counter").map(({ value }) => value as bigint);
  assert(
    counts.every((count, i) => i === 0 || count >= counts[i - 1]!),
    "in the order of the server",
  );
});
