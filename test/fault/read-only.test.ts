// Goal: a disk that takes no more writes (the kernel has made its file system read-only) stops acknowledgements and says
// so; memory stays where it is; and when the disk works again, so does the agent, by itself.
// Method: strace joins a running agent and answers its writes and syncs with EROFS, until it is told to leave.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { publish } from "../support/figures.ts";
import { startGateway, type Gateway } from "../support/gateway.ts";
import { readJournal } from "../support/journal-evidence.ts";
import { startLoad, type Load } from "../support/load.ts";
import { rssMbOf } from "../support/rss.ts";
import { reconcile } from "../support/reconcile.ts";
import { refusingWrites } from "../support/strace.ts";
import { until } from "../support/until.ts";
import { scaled } from "./scale.ts";

const refusedMs = scaled(4_000, 60_000);
const againWithinMs = 10_000;
const moreMbMax = 100;

test("FAULTS 11: while the file system is read-only nothing is acknowledged, and afterwards all goes on", async (t) => {
  const gateway = await startGateway(t);
  const load = startLoad(t, { port: gateway.port, connections: 8, devices: 40, rate: 300 });
  await until(
    "messages are acknowledged",
    () => load.report(),
    ({ acked }) => acked > 300,
    { withinMs: 20_000 },
  );
  const before = rssMbOf(gateway.service.pid);
  const disk = await refusingWrites(t, gateway.service.pid);
  const at = await stalledAt(load);
  await until(
    "it says that it is not ready",
    () => readiness(gateway),
    (status) => status === 503,
  );
  await pause(refusedMs);
  const during = (await load.report()).acked - at;
  const moreMb = rssMbOf(gateway.service.pid) - before;
  await disk.heal();
  const start = performance.now();
  await until(
    "acknowledgements go on",
    () => load.report(),
    ({ acked }) => acked > at + during,
    {
      withinMs: againWithinMs,
    },
  );
  const againMs = performance.now() - start;
  await until(
    "it is ready again",
    () => readiness(gateway),
    (status) => status === 200,
  );
  const report = await load.finish(30_000);
  await gateway.service.stop();
  const { observations, ledger } = readJournal(gateway.dataFolder);
  const { acked, delivered, findings } = reconcile({ sent: report.devices, observations, ledger, quarantined: {} });
  publish(t, {
    proof: "a file system that became read-only and came back",
    figures: {
      acked,
      stored: delivered,
      "acknowledged meanwhile": during,
      "more MB": moreMb,
      "again after s": (againMs / 1000).toFixed(1),
    },
  });
  assert.equal(during, 0);
  assert.deepEqual(findings, []);
  assert.deepEqual([...gateway.service.unasked], []);
  assert(moreMb <= moreMbMax, `${moreMb} MB more`);
});

/** What was acknowledged when nothing has been for a while. */
async function stalledAt(load: Load): Promise<number> {
  let last = -1;
  const look = async (): Promise<boolean> => {
    const { acked } = await load.report();
    const stalled = acked === last;
    last = acked;
    return stalled;
  };
  await until("the acknowledgements stop", look, Boolean, { withinMs: 20_000, everyMs: 700 });
  return last;
}

async function readiness({ metricsPort }: Gateway): Promise<number> {
  return (await fetch(`http://127.0.0.1:${metricsPort}/ready`)).status;
}
