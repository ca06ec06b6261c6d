// Goal: while every sync takes 100 ms, commits carry more, keep-alives are answered, memory stays bounded, and devices
// that send little are acknowledged as soon as the disk allows, whatever others send.
// Method: an agent under strace, which delays its syncs; clients that flood without pause beside 50 quiet devices.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { publish } from "../support/figures.ts";
import { startGateway, type Gateway } from "../support/gateway.ts";
import type { GeneratorReport } from "../support/generator/generator.ts";
import { readJournal } from "../support/journal-evidence.ts";
import { startLoad, type Load } from "../support/load.ts";
import { rssMbOf } from "../support/rss.ts";
import { reconcile } from "../support/reconcile.ts";
import { slowSync } from "../support/strace.ts";
import { until } from "../support/until.ts";
import { WirePeer } from "../support/wire-peer.ts";
import { scaled } from "./scale.ts";

const syncMs = 100;
const floodMs = scaled(6_000, 60_000);
/** Forty clients with 2,000 messages in flight each are far more than the pipeline takes at once. */
const floods = 40;
/**
 * A quiet device waits for the commit that runs, for the full group behind it and for its own: each one sync, and what
 * two shared cores need for 9,000 messages.
 */
const quietWithinMs = 4_000;
const quietPerSecond = 100;
const pingMs = 1_500;
const rssMbMax = 400;

test("FAULTS 13: on a slow disk keep-alives go on, and clients that flood do not starve the quiet ones", async (t) => {
  const gateway = await startGateway(t, { wrapper: () => slowSync(syncMs) });
  const { flood, quiet, ...figures } = await flooded(t, gateway);
  publish(t, { proof: `every sync takes ${syncMs} ms, ${floods} clients flood, 50 devices are quiet`, figures });
  const reports = await Promise.all([flood.finish(30_000), quiet.finish(30_000)]);
  await gateway.service.stop();
  assertStored(gateway, reports);
  assert(isServed(figures), "quiet devices are acknowledged in time");
  assert(figures.pingMaxMs <= pingMs, `a PINGREQ waited ${figures.pingMaxMs} ms`);
  assert(figures.rssMb <= rssMbMax, `${figures.rssMb} MB`);
  assert(figures.perSecond >= 2_000, "commits grow with the delay");
});

test("the harness catches a broker that lets clients in as they came", async (t) => {
  const gateway = await startGateway(t, {
    wrapper: () => slowSync(syncMs),
    nodeOptions: [`--import=${join(import.meta.dirname, "first-come.ts")}`],
  });
  const { quietP99Ms, quietWaiting } = await flooded(t, gateway);
  t.diagnostic(JSON.stringify({ quietP99Ms, quietWaiting }));
  assert(!isServed({ quietP99Ms, quietWaiting }));
});

function isServed({ quietP99Ms, quietWaiting }: Pick<Flooded, "quietP99Ms" | "quietWaiting">): boolean {
  return quietP99Ms <= quietWithinMs && quietWaiting <= quietPerSecond * (quietWithinMs / 1000);
}

interface Flooded {
  readonly flood: Load;
  readonly quiet: Load;
  readonly quietP50Ms: number;
  readonly quietP99Ms: number;
  /** Messages of quiet devices without PUBACK at the end. */
  readonly quietWaiting: number;
  readonly pingMaxMs: number;
  readonly perSecond: number;
  readonly rssMb: number;
}

async function flooded(t: TestContext, gateway: Gateway): Promise<Flooded> {
  const { port } = gateway;
  const many = { connections: floods, devices: floods, inFlightMax: 2_000, fast: { allowed: Number.MAX_SAFE_INTEGER } };
  const flood = startLoad(t, { port, devicePrefix: "flood-", ...many });
  const flooding = ({ acked }: GeneratorReport): boolean => acked > 10_000;
  await until("the flood", () => flood.report(), flooding, { withinMs: 30_000 });
  const quiet = startLoad(t, { port, devicePrefix: "quiet-", connections: 50, devices: 50, rate: quietPerSecond });
  const ping = pinging(t, port);
  const from = (await flood.report()).acked;
  const start = performance.now();
  let rssMb = 0;
  while (performance.now() - start < floodMs) {
    rssMb = Math.max(rssMb, rssMbOf(gateway.service.pid));
    await pause(200);
  }
  const perSecond = Math.round((((await flood.report()).acked - from) / (performance.now() - start)) * 1000);
  const { latencyMs, inFlight: quietWaiting } = await quiet.report();
  const [quietP50Ms, quietP99Ms] = [Math.round(latencyMs.p50), Math.round(latencyMs.p99)];
  return { flood, quiet, quietP50Ms, quietP99Ms, quietWaiting, pingMaxMs: Math.round(ping()), perSecond, rssMb };
}

function assertStored({ dataFolder }: Gateway, reports: readonly GeneratorReport[]): void {
  const { observations, ledger } = readJournal(dataFolder);
  const sent = Object.assign({}, ...reports.map(({ devices }) => devices)) as GeneratorReport["devices"];
  assert.deepEqual(reconcile({ sent, observations, ledger, quarantined: {} }).findings, []);
}

/** A client that only keeps itself alive; returns the longest wait so far. */
function pinging(t: TestContext, port: number): () => number {
  let longest = 0;
  let sentMs = performance.now();
  const run = async (): Promise<void> => {
    const peer = await WirePeer.dial(port);
    t.after(() => void peer.socket.destroy());
    await peer.connect({ clientId: "pinging", keepalive: 1 });
    while (!peer.closed) {
      sentMs = performance.now();
      await peer.roundTrip();
      longest = Math.max(longest, performance.now() - sentMs);
      await pause(100);
    }
  };
  // Its end is that of the test; before, an answer that does not come is the longest wait.
  run().catch(() => undefined);
  return () => Math.max(longest, performance.now() - sentMs - 100);
}
