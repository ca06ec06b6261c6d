// Goal: killed at any moment, again and again, the agent starts every time, soon, and has what it acknowledged.
// Method: SIGKILL after 0 to 500 ms of life, uniform, under load; the journal is read and compared once at the end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { publish } from "../support/figures.ts";
import { startGateway } from "../support/gateway.ts";
import { readJournal } from "../support/journal-evidence.ts";
import { startLoad } from "../support/load.ts";
import { reconcile } from "../support/reconcile.ts";
import { runSeed } from "../support/seed.ts";
import { scaled } from "./scale.ts";

const lifeMs = 500;
const cycles = scaled(12, 10_000);
/** With --full the loop ends after a third of `--minutes`, however many cycles that is. */
const withinMs = scaled(60_000, Number(process.env["TIDEGATE_FAULT_MINUTES"] ?? "30") * 20_000);
/** A start that hangs; how long one takes is a figure. */
const startsWithinMs = 20_000;

test("FAULTS 5: killed at random moments, the agent starts again and has what it acknowledged", async (t) => {
  const random = runSeed((line) => t.diagnostic(line));
  const gateway = await startGateway(t);
  const { service } = gateway;
  const load = startLoad(t, { port: gateway.port, connections: 8, devices: 40, rate: 200 });
  const began = performance.now();
  let kills = 0;
  let slowestMs = 0;
  for (; kills < cycles && performance.now() - began < withinMs; kills++) {
    // Half of the kills hit an agent that still starts, half one that works.
    if (random.next() < 0.5) {
      const startMs = performance.now();
      await service.ready();
      slowestMs = Math.max(slowestMs, performance.now() - startMs);
    }
    await pause(random.between(0, lifeMs));
    await service.kill();
    service.start();
  }
  await service.ready();
  const report = await load.finish(60_000);
  await service.stop();
  const { observations, ledger } = readJournal(gateway.dataFolder);
  const { acked, delivered, findings } = reconcile({ sent: report.devices, observations, ledger, quarantined: {} });
  publish(t, {
    proof: "an agent that is killed at random moments, under load",
    seed: random.seed,
    figures: { kills, acked, stored: delivered, "slowest start in s": (slowestMs / 1000).toFixed(1) },
  });
  assert.deepEqual(findings, []);
  assert.deepEqual([...service.unasked], []);
  assert.equal(report.inFlight, 0);
  assert(slowestMs < startsWithinMs, `a start took ${slowestMs} ms`);
});
