import { median } from "./median.ts";
import { Noise, usageOf, type Usage } from "./usage.ts";

export interface Measured {
  readonly perSecond: number;
  readonly cpuPerMillion: number;
  readonly writtenPerMessage: number;
  readonly rssMb: number;
  readonly rssPeakMb: number;
  readonly noisePercent: number;
}

const stepMs = 50;
const steadyWithinMs = 8000;
const megabyte = 1e6;

/**
 * Measures what one process does per message over a window of time. `counts` says how many messages have passed each end;
 * the slower end counts, or a backlog that shrinks within the window would pass for speed. `step` keeps the load going.
 */
export async function measureWindow(
  pid: number,
  otherPids: readonly number[],
  windowMs: number,
  counts: () => Promise<readonly number[]>,
  step: () => Promise<void> = () => Promise.resolve(),
): Promise<Measured> {
  const rss: number[] = [];
  const noise = new Noise([pid, ...otherPids]);
  const before = await observe(pid, counts);
  await keepGoing(windowMs, async () => {
    rss.push(usageOf(pid).rssBytes);
    await step();
  });
  const noisePercent = noise.percent();
  const after = await observe(pid, counts);
  const messages = Math.min(...after.counts.map((count, end) => count - before.counts[end]!));
  return {
    perSecond: (messages / (after.atMs - before.atMs)) * 1000,
    cpuPerMillion: ((after.usage.cpuSeconds - before.usage.cpuSeconds) / messages) * 1e6,
    writtenPerMessage: (after.usage.writtenBytes - before.usage.writtenBytes) / messages,
    rssMb: median(rss) / megabyte,
    rssPeakMb: after.usage.peakRssBytes / megabyte,
    noisePercent,
  };
}

async function observe(
  pid: number,
  counts: () => Promise<readonly number[]>,
): Promise<{ readonly counts: readonly number[]; readonly atMs: number; readonly usage: Usage }> {
  const seen = await counts();
  return { counts: seen, atMs: performance.now(), usage: usageOf(pid) };
}

/** Repeats a step for this long, with a short pause after each. */
export async function keepGoing(forMs: number, step: () => Promise<void>, pauseMs = stepMs): Promise<void> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    await step();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Keeps the load going for at least this long, and until it has found its pace, where it does in bearable time. */
export async function warmUp(
  atLeastMs: number,
  isSteady: () => Promise<boolean>,
  step: () => Promise<void>,
): Promise<void> {
  await keepGoing(atLeastMs, step);
  const end = performance.now() + steadyWithinMs;
  while (performance.now() < end && !(await isSteady())) await keepGoing(1, step);
}
