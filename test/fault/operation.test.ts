// Goal: what happens to any process on any machine (signals, pauses, limits, a log that nobody reads) costs neither data
// nor the process. Method: an agent under load and without Kafka; its journal is read and compared at the end.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { publish } from "../support/figures.ts";
import { metricsOf, startGateway, type Gateway, type GatewayOptions } from "../support/gateway.ts";
import type { GeneratorReport } from "../support/generator/generator.ts";
import { readJournal } from "../support/journal-evidence.ts";
import { everyDeviceAcked, startLoad, type Load, type LoadOptions } from "../support/load.ts";
import { temporaryFolder } from "../support/processes.ts";
import { reconcile } from "../support/reconcile.ts";
import { until } from "../support/until.ts";
import { WirePeer } from "../support/wire-peer.ts";
import { scaled } from "./scale.ts";

const endless = { allowed: Number.MAX_SAFE_INTEGER };

test("FAULTS 70: SIGTERM under full load ends with 0 within 10 s, and nothing is lost or stored twice", async (t) => {
  const { gateway, load } = await loaded(t, {}, { connections: 20, devices: 100, fast: endless });
  await load.forgetLatencies();
  const start = performance.now();
  process.kill(gateway.service.pid, "SIGTERM");
  const exit = await gateway.service.exited;
  const seconds = (performance.now() - start) / 1000;
  gateway.service.start();
  await gateway.service.ready();
  const report = await load.finish(30_000);
  publish(t, {
    proof: "SIGTERM under full load",
    figures: { "ended after s": seconds.toFixed(1), acked: report.acked },
  });
  await assertStored(gateway, report);
  assert.equal(exit.code, 0);
  assert(seconds < 10, `it took ${seconds} s`);
  assert.equal(report.sessionsLost, 0);
});

test("FAULTS 22: stopped for seconds and continued, the agent goes on and nothing is lost", async (t) => {
  const { gateway, load } = await loaded(t, {}, { connections: 8, devices: 40, rate: 500 });
  process.kill(gateway.service.pid, "SIGSTOP");
  await pause(scaled(12_000, 30_000));
  process.kill(gateway.service.pid, "SIGCONT");
  const before = (await load.report()).acked;
  await until(
    "acknowledgements go on",
    () => load.report(),
    ({ acked }) => acked > before + 500,
  );
  const report = await load.finish(30_000);
  assert(report.redelivered > 0, "devices had given the connection up");
  await assertStored(gateway, report);
});

test("FAULTS 12: without file descriptors accept pauses; whoever is connected goes on, and newcomers are served later", async (t) => {
  const limit = 128;
  const { gateway, load } = await loaded(
    t,
    { wrapper: () => ["prlimit", `--nofile=${limit}`] },
    { connections: 4, devices: 8, rate: 200 },
  );
  const crowd = await Promise.all(Array.from({ length: 2 * limit }, () => WirePeer.dial(gateway.port)));
  await pause(1_000);
  const during = (await load.report()).acked;
  await until(
    "those who were connected are acknowledged",
    () => load.report(),
    ({ acked }) => acked > during + 100,
  );
  for (const { socket } of crowd) socket.destroy();
  await until("a newcomer is welcome", async () => {
    const peer = await WirePeer.dial(gateway.port);
    try {
      return (await peer.connect({ clientId: "late" })).returnCode === 0;
    } finally {
      peer.socket.destroy();
    }
  });
  await assertStored(gateway, await load.finish(30_000));
});

test("FAULTS 63: with a heap of 96 MB a flood is slowed down, not died of", async (t) => {
  const { gateway, load } = await loaded(
    t,
    { nodeOptions: ["--max-old-space-size=96"] },
    { connections: 60, devices: 300, inFlightMax: 2_000, fast: endless },
  );
  await pause(scaled(5_000, 60_000));
  await assertStored(gateway, await load.finish(30_000));
});

test("FAULTS 69: a log that nobody reads costs lines, which are counted, and stalls nothing", async (t) => {
  const pipe = join(await temporaryFolder(t), "log");
  execFileSync("mkfifo", [pipe]);
  // Open for both, so that the writer does not wait for a reader; nothing is ever read.
  const end = openSync(pipe, "r+");
  t.after(() => closeSync(end));
  const wrapper = (): string[] => ["sh", "-c", `exec "$0" "$@" 2>'${pipe}'`];
  const { gateway, load } = await loaded(t, { wrapper }, { connections: 4, devices: 8, rate: 200 });
  const noisy = await WirePeer.dial(gateway.port);
  t.after(() => void noisy.socket.destroy());
  await noisy.connect({ clientId: "noisy" });
  // Each is refused with a line in the log.
  for (let messageId = 1; messageId <= 20_000; messageId++) {
    noisy.send({ cmd: "subscribe", messageId, subscriptions: [{ topic: "#", qos: 1 }] });
  }
  await noisy.roundTrip();
  const dropped = await until("lines are dropped", async () =>
    (await metricsOf(gateway)).get("tidegate_log_lines_dropped_total"),
  );
  const before = (await load.report()).acked;
  await until(
    "acknowledgements go on",
    () => load.report(),
    ({ acked }) => acked > before + 200,
  );
  t.diagnostic(`${dropped} lines dropped`);
  await assertStored(gateway, await load.finish(30_000));
});

async function loaded(
  t: TestContext,
  options: GatewayOptions,
  load: Omit<LoadOptions, "port">,
): Promise<{ gateway: Gateway; load: Load }> {
  const gateway = await startGateway(t, options);
  const running = startLoad(t, { port: gateway.port, ...load });
  await everyDeviceAcked(running);
  return { gateway, load: running };
}

/** The agent still runs, ends when it is told to, and has stored what it acknowledged, once. */
async function assertStored({ service, dataFolder }: Gateway, report: GeneratorReport): Promise<void> {
  assert.equal(report.inFlight, 0, "everything sent was acknowledged in the end");
  await service.stop();
  assert.equal((await service.exited).code, 0);
  const { observations, ledger } = readJournal(dataFolder);
  assert.deepEqual(reconcile({ sent: report.devices, observations, ledger, quarantined: {} }).findings, []);
}
