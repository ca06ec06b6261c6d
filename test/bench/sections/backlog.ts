import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../../demo/ports.ts";
import { startLoad, type Load } from "../../support/load.ts";
import { until } from "../../support/until.ts";
import { assertAlive, startAgent, type BenchAgent } from "../agent.ts";
import { makeBacklog } from "../backlog.ts";
import type { Bench } from "../bench.ts";
import type { DrainReport } from "../programs/drain.ts";
import { runProgram } from "../run-program.ts";
import { Scope } from "../scope.ts";
import { usageOf } from "../usage.ts";

const perSecond = 1_000;
const watchMs = 10_000;

/** What a large backlog costs: the start, memory, and the time to get rid of it. */
export async function measureBacklog(bench: Bench): Promise<void> {
  await measureStart(bench);
  const report = await runProgram<DrainReport>("drain.ts", [bench.folder, String(bench.options.drainObservations)]);
  bench.results.add({ "backlog.drainMerged": report.mergedPerSecond, "backlog.drainBurst": report.burstPerSecond });
}

/** An agent on a large backlog, and devices that publish; `startMs` is when the agent was begun. */
export async function startOnBacklog(bench: Bench, scope: Scope): Promise<OnBacklog> {
  const nobody = `127.0.0.1:${await freePort()}`;
  const gigabytes = bench.options.backlogGigabytes;
  let startMs = 0;
  const prepare = (folder: string): void => {
    const records = makeBacklog(folder, gigabytes * 1e9);
    bench.say(`backlog of ${gigabytes} GB, ${Math.round(records / 1e6)} million observations`);
    startMs = performance.now();
  };
  const journal = { quotaBytes: 20_000_000_000 };
  const agent = await startAgent(bench, scope, { bootstrap: nobody, topicPrefix: "backlog", prepare, journal });
  const load = startLoad(scope, { port: agent.port, connections: 10, devices: 100, rate: perSecond });
  return { agent, load, startMs };
}

export interface OnBacklog {
  readonly agent: BenchAgent;
  readonly load: Load;
  readonly startMs: number;
}

async function measureStart(bench: Bench): Promise<void> {
  await using scope = new Scope();
  const { agent, load, startMs } = await startOnBacklog(bench, scope);
  const first = await until(
    "a message is acknowledged",
    () => load.report(),
    ({ acked }) => acked > 0,
    {
      withinMs: 60_000,
      everyMs: 10,
    },
  );
  const seconds = (performance.now() - startMs) / 1000;
  await pause(watchMs);
  const { rssBytes } = usageOf(agent.service.pid);
  assertAlive(agent);
  bench.say(`first ${first.acked} acknowledged after ${seconds.toFixed(2)} s`);
  await agent.service.kill();
  bench.results.add({
    "backlog.size": bench.options.backlogGigabytes,
    "backlog.start": seconds,
    "backlog.rss": rssBytes / 1e6,
  });
}
