// Goal: a thread of models lets others go first, and takes nobody else with it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { getPriority } from "node:os";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

const program = `
  import { readlinkSync } from "node:fs";
  import { getPriority } from "node:os";
  import { parentPort } from "node:worker_threads";
  const { yieldToOthers } = await import("${new URL("../../../edge/inference/thread-priority.ts", import.meta.url).href}");
  const own = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
  const before = getPriority(own);
  yieldToOthers(10);
  parentPort.postMessage([before, getPriority(own), getPriority(process.pid)]);
`;

test("of a worker its own thread yields, and the main thread stays as it was", async () => {
  const usual = getPriority();
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  const [said] = (await once(worker, "message")) as [number[]];
  assert.deepEqual(said, [usual, Math.max(10, usual), usual]);
});
