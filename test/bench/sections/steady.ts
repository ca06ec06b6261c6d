import { setTimeout as pause } from "node:timers/promises";
import { assertAlive } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { median } from "../median.ts";
import { Scope } from "../scope.ts";
import { usageOf } from "../usage.ts";
import { startOnBacklog } from "./backlog.ts";

const everyMs = 1000;
/** What the start left behind and compiled code are there by then. */
const settleMs = 60_000;
const megabyte = 1e6;

/** Whether memory stays what it is: a large backlog, a steady load, nobody to send to. */
export async function measureSteady(bench: Bench): Promise<void> {
  await using scope = new Scope();
  const { agent, load } = await startOnBacklog(bench, scope);
  await pause(settleMs);
  const rss: number[] = [];
  const beganMs = performance.now();
  while (performance.now() - beganMs < bench.options.minutes * 60_000) {
    await pause(everyMs);
    rss.push(usageOf(agent.service.pid).rssBytes / megabyte);
  }
  const { acked } = await load.finish();
  assertAlive(agent);
  const sixth = Math.ceil(rss.length / 6);
  const [early, late] = [median(rss.slice(0, sixth)), median(rss.slice(-sixth))];
  await agent.service.kill();
  bench.results.add({
    "steady.minutes": bench.options.minutes,
    "steady.acknowledged": acked,
    "steady.rss": median(rss),
    "steady.rssPeak": Math.max(...rss),
    "steady.rssEarly": early,
    "steady.rssLate": late,
    "steady.growth": (late / early - 1) * 100,
  });
}
