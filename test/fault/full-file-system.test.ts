// Goal: a file system that others fill up stops acknowledgements and nothing else; when there is space again, the agent
// goes on by itself within seconds, and nothing that was acknowledged is missing.
// Method: the data folder on a tmpfs of 20 MB in a namespace of its own, under load; a file takes the rest of the space.
import assert from "node:assert/strict";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { publish } from "../support/figures.ts";
import { startGateway, type Gateway } from "../support/gateway.ts";
import { readJournal } from "../support/journal-evidence.ts";
import { startLoad, type Load } from "../support/load.ts";
import { makeSmallFileSystem, type SmallFileSystem } from "../support/namespace.ts";
import { reconcile } from "../support/reconcile.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const megabytes = 20;
const perSecond = scaled(2_000, 5_000);
const againWithinMs = 10_000;

test("FAULTS 10: others fill the file system: no PUBACK for what is not stored, and full speed again by itself", async (t) => {
  const small = await makeSmallFileSystem(t, megabytes);
  const { gateway, load } = await startLoaded(t, small, []);
  const { stopped, againMs, backlogMs } = await fillAndFree(load, small);
  const report = await load.finish(30_000);
  await gateway.service.stop();
  const { observations, ledger } = readJournal(await small.copy("data"));
  const result = reconcile({ sent: report.devices, observations, ledger, quarantined: {} });
  publish(t, {
    proof: `a file system of ${megabytes} MB that others fill, under ${perSecond} messages/s`,
    figures: {
      acked: result.acked,
      stored: result.delivered,
      lost: result.acked - result.delivered,
      "acknowledged while full": stopped,
      "first PUBACK after s": (againMs / 1000).toFixed(1),
      "caught up after s": (backlogMs / 1000).toFixed(1),
    },
  });
  assert.deepEqual(result.findings, []);
  assert.deepEqual([...gateway.service.unasked], []);
  assert.equal(report.inFlight, 0);
});

test("the harness catches an agent that acknowledges what a full disk did not take", async (t) => {
  const small = await makeSmallFileSystem(t, megabytes);
  const { gateway, load } = await startLoaded(t, small, [
    `--import=${join(import.meta.dirname, "../system/early-ack.ts")}`,
  ]);
  fill(small);
  await until("the disk is full", () => spareBytes(small) < 100_000);
  await pause(2_000);
  await gateway.service.kill();
  free(small);
  const report = await load.report();
  const { observations, ledger } = readJournal(await small.copy("data"));
  const { findings } = reconcile({ sent: report.devices, observations, ledger, quarantined: {} });
  assert.match(findings.join("\n"), /acknowledged but lost/);
});

async function startLoaded(
  t: TestContext,
  small: SmallFileSystem,
  nodeOptions: readonly string[],
): Promise<{ gateway: Gateway; load: Load }> {
  const gateway = await startGateway(t, {
    wrapper: () => small.wrapper(),
    nodeOptions,
    dataFolder: join(small.folder, "data"),
    journal: { ballastBytes: 1_048_576 },
  });
  const load = startLoad(t, { port: gateway.port, connections: 20, devices: 100, rate: perSecond });
  await until(
    "messages are acknowledged",
    () => load.report(),
    ({ acked }) => acked > perSecond,
    { withinMs: 20_000 },
  );
  return { gateway, load };
}

async function fillAndFree(load: Load, small: SmallFileSystem) {
  fill(small);
  const stoppedAt = await untilStalled(load);
  await pause(1_000);
  const stopped = (await load.report()).acked - stoppedAt;
  free(small);
  const start = performance.now();
  await until(
    "a PUBACK",
    () => load.report(),
    ({ acked }) => acked > stoppedAt + stopped,
    { withinMs: againWithinMs },
  );
  const againMs = performance.now() - start;
  // An open loop: what was due meanwhile is sent too, so no backlog means full speed.
  await until(
    "no backlog",
    () => load.report(),
    ({ acked, seconds }) => acked >= (seconds - 0.5) * perSecond,
    {
      withinMs: againWithinMs,
    },
  );
  return { stopped, againMs, backlogMs: performance.now() - start };
}

async function untilStalled(load: Load): Promise<number> {
  let last = -1;
  const report = await until(
    "the acknowledgements stop",
    () => load.report(),
    ({ acked }) => {
      const stalled = acked === last;
      last = acked;
      return stalled;
    },
    { withinMs: 60_000, everyMs: 700 },
  );
  return report.acked;
}

const filler = "somebody-elses-file";

/** Takes all space but a little. The agent writes meanwhile, so there may be none before. */
function fill(small: SmallFileSystem): void {
  const chunk = Buffer.alloc(65_536, 1);
  try {
    while (spareBytes(small) > 262_144) writeFileSync(join(small.seenFromHere, filler), chunk, { flag: "a" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

function free(small: SmallFileSystem): void {
  rmSync(join(small.seenFromHere, filler));
}

function spareBytes({ seenFromHere }: SmallFileSystem): number {
  const { bavail, bsize } = statfsSync(seenFromHere);
  return bavail * bsize;
}
