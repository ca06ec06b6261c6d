import { parseWireTime } from "../../../src/observation/time.ts";
import { visitTopic, type ReadRecord } from "../../support/consume.ts";
import { Histogram } from "../../support/histogram.ts";
import { startLoad } from "../../support/load.ts";
import { startProxy } from "../../support/proxy.ts";
import { assertAlive, createBenchTopics, startAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { counterIn, Ledger } from "../conservation.ts";
import { EndOffsets } from "../end-offsets.ts";
import { median } from "../median.ts";
import { Scope } from "../scope.ts";
import { usageOf } from "../usage.ts";
import { keepGoing } from "../window.ts";
import { fleet, untilAllThere } from "./end-to-end.ts";

const livePerSecond = 1000;
const liveFleet = { connections: 5, devices: 20, devicePrefix: "live-" } as const;
/** Shorter than in production, so that the outage of a benchmark is one after which live goes first. */
const liveFirstAfterMs = 3000;
/** The rate is that between these shares of the backlog: the connection stands, and the end is not in sight. */
const [fromShare, toShare] = [0.1, 0.9];
const stepMs = 20;
const drainWithinMs = 120_000;
const megabyte = 1e6;

/** Kafka comes back after an outage: how fast the backlog goes, and how long live records wait meanwhile. */
export async function measureDrain(bench: Bench, round: number): Promise<void> {
  const kafka = await bench.kafka();
  await using scope = new Scope();
  const topicPrefix = `drain-${round}`;
  const topic = await createBenchTopics(kafka.bootstrap, topicPrefix);
  const link = await startProxy(scope, { port: Number(kafka.bootstrap.split(":")[1]) });
  link.refuse(true);
  const bootstrap = `127.0.0.1:${link.port}`;
  const agent = await startAgent(bench, scope, { bootstrap, topicPrefix, forward: { liveFirstAfterMs } });
  const ends = new EndOffsets(scope, kafka.bootstrap, topic);
  const load = startLoad(scope, { port: agent.port, ...fleet, fast: { allowed: bench.options.backlogMessages } });
  while ((await load.report()).acked < bench.options.backlogMessages) await keepGoing(stepMs, nothing);
  const live = startLoad(scope, { port: agent.port, ...liveFleet, rate: livePerSecond });
  await keepGoing(liveFirstAfterMs, nothing);

  const began = { cpu: usageOf(agent.service.pid).cpuSeconds, atMs: performance.now() };
  link.refuse(false);
  const { from, to, rss } = await watchDrain(ends, agent.service.pid, bench.options.backlogMessages);
  const cpu = usageOf(agent.service.pid).cpuSeconds - began.cpu;
  const reports = [await load.finish(), await live.finish()];
  await untilAllThere(
    ends,
    reports.reduce((sum, { acked }) => sum + acked, 0),
  );
  assertAlive(agent);
  await agent.service.kill();

  const latencies = new Histogram();
  const ledger = new Ledger();
  await visitTopic(kafka.bootstrap, topic, (record) => {
    ledger.arrived(record.key, counterIn(record.value));
    if (!record.key.startsWith(liveFleet.devicePrefix)) return;
    const received = receivedMs(record);
    if (received >= from.wallMs && received <= to.wallMs) latencies.add(Math.max(0, record.timestampMs - received));
  });
  const { acknowledged, duplicates, lost } = ledger.against(
    Object.fromEntries(reports.flatMap(({ devices }) => Object.entries(devices))),
  );
  bench.results.add({
    "drain.rate": ((to.total - from.total) / (to.atMs - from.atMs)) * 1000,
    "drain.cpu": (cpu / to.total) * 1e6,
    "drain.rss": median(rss) / megabyte,
    "drain.rssPeak": Math.max(...rss) / megabyte,
    "drain.liveP50": latencies.quantile(0.5),
    "drain.liveP99": latencies.quantile(0.99),
    "drain.acknowledged": acknowledged,
    "drain.duplicates": duplicates,
    "drain.lost": lost,
  });
}

interface Mark {
  readonly total: number;
  readonly atMs: number;
  readonly wallMs: number;
}

/** Looks until the backlog is there; returns where a tenth and nine tenths of it were. */
async function watchDrain(
  ends: EndOffsets,
  pid: number,
  backlog: number,
): Promise<{ readonly from: Mark; readonly to: Mark; readonly rss: readonly number[] }> {
  const deadlineMs = performance.now() + drainWithinMs;
  const rss: number[] = [];
  let from: Mark | undefined;
  while (performance.now() < deadlineMs) {
    const mark = { total: await ends.total(), atMs: performance.now(), wallMs: Date.now() };
    rss.push(usageOf(pid).rssBytes);
    if (mark.total >= fromShare * backlog) from ??= mark;
    if (from !== undefined && mark.total >= toShare * backlog) return { from, to: mark, rss };
    await keepGoing(1, nothing, stepMs);
  }
  throw new Error(`the backlog did not drain within ${drainWithinMs / 1000} s`);
}

function receivedMs({ value }: ReadRecord): number {
  const text = value.toString("latin1");
  const at = text.indexOf(receivedName) + receivedName.length;
  const micros = parseWireTime(text.slice(at, text.indexOf('"', at)));
  if (at < receivedName.length || micros === undefined) throw new Error(`an observation without received: ${text}`);
  return micros / 1000;
}

const receivedName = '"received":"';

function nothing(): Promise<void> {
  return Promise.resolve();
}
