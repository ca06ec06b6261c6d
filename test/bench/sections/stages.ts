import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startLoad } from "../../support/load.ts";
import { assertAlive, createBenchTopics, startAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { timesByStage, type Place } from "../cpu-profile.ts";
import { EndOffsets } from "../end-offsets.ts";
import type { StageFigure } from "../figures.ts";
import { Scope } from "../scope.ts";
import { threadCpuSeconds } from "../usage.ts";
import { measureWindow, warmUp } from "../window.ts";
import { aheadMax, fleet, warmUpMessages } from "./end-to-end.ts";

const intervalMicros = 500;

/**
 * The closed loop again, under the profiler: what each stage costs per message. Samples say how a thread divides its
 * time, the kernel how much processor time the thread had: a thread that waits for a processor is sampled too.
 */
export async function measureStages(bench: Bench): Promise<void> {
  const kafka = await bench.kafka();
  await using scope = new Scope();
  const topic = await createBenchTopics(kafka.bootstrap, "stages");
  const profiles = join(bench.folder, "profiles");
  await mkdir(profiles, { recursive: true });
  const flags = ["--cpu-prof", `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${intervalMicros}`];
  const agent = await startAgent(bench, scope, { bootstrap: kafka.bootstrap, topicPrefix: "stages", flags });
  const { pid } = agent.service;
  const ends = new EndOffsets(scope, kafka.bootstrap, topic);
  const load = startLoad(scope, { port: agent.port, ...fleet, fast: { allowed: aheadMax } });
  const feed = async (): Promise<void> => load.allow((await ends.total()) + aheadMax);
  const passed = async (): Promise<readonly number[]> => [(await load.report()).acked, await ends.total()];
  const isWarm = async (): Promise<boolean> => (await ends.total()) > warmUpMessages;
  await warmUp(bench.options.warmUpMs, isWarm, feed);

  const before = { atMicros: monotonicMicros(), cpu: threadCpuSeconds(pid) };
  const measured = await measureWindow(pid, [load.pid, kafka.pid], bench.options.windowMs, passed, feed);
  const after = { atMicros: monotonicMicros(), cpu: threadCpuSeconds(pid) };
  await load.finish();
  assertAlive(agent);
  await agent.service.stop();

  const messages = (measured.perSecond * (after.atMicros - before.atMicros)) / 1e6;
  const cost = new Map<StageFigure, number>();
  const add = (stage: StageFigure, micros: number): void => {
    cost.set(stage, (cost.get(stage) ?? 0) + micros / messages);
  };
  const cpuMicros = new Map(
    [...after.cpu].map(([name, seconds]) => [name, (seconds - (before.cpu.get(name) ?? 0)) * 1e6]),
  );
  for (const { files, micros } of await timesByStage(profiles, [before.atMicros, after.atMicros], stageOf)) {
    const thread = threads.find(({ file }) => [...files].some((url) => url.endsWith(file))) ?? mainThread;
    const sampled = [...micros.values()].reduce((sum, value) => sum + value, 0);
    const used = cpuMicros.get(thread.name) ?? 0;
    cpuMicros.delete(thread.name);
    for (const [stage, time] of micros) add(stage === "native" ? thread.native : stage, used * (time / sampled));
  }
  for (const used of cpuMicros.values()) add("helpers", used);
  const total = [...cost.values()].reduce((sum, value) => sum + value, 0);
  bench.results.add({
    ...Object.fromEntries([...cost].map(([stage, micros]) => [`stages.${stage}` as const, micros])),
    "stages.total": total,
  });
}

interface Thread {
  /** As the kernel knows it: at most 15 characters. */
  readonly name: string;
  /** What its time outside our code belongs to: mostly system calls of the sockets and files that the thread owns. */
  readonly native: StageFigure;
}

const mainThread: Thread = { name: "MainThread", native: "receive" };
const threads: readonly (Thread & { readonly file: string })[] = [
  { name: "journal", native: "append", file: "/edge/journal/worker.ts" },
  { name: "forward", native: "forward", file: "/edge/forward-worker.ts" },
];

/** Folders of the product, and what their functions and everything called by them are for. */
const folders: readonly (readonly [folder: string, stage: StageFigure])[] = [
  ["/edge/sources/", "receive"],
  ["/src/profile/", "decode"],
  ["/src/observation/", "pipeline"],
  ["/edge/pipeline/", "pipeline"],
  ["/edge/observe/", "observe"],
  ["/edge/console/", "observe"],
  ["/edge/inference/", "score"],
  ["/edge/journal/", "append"],
  ["/edge/forward", "forward"],
  ["/edge/sinks/", "forward"],
];

/** "native": no code of the product on the stack. */
function stageOf({ special, files }: Place): StageFigure | "native" | undefined {
  if (special === "(idle)") return undefined;
  if (special === "(garbage collector)") return "collect";
  for (const file of files) {
    const stage = folders.find(([folder]) => file.includes(folder))?.[1];
    if (stage !== undefined) return stage;
  }
  return "native";
}

function monotonicMicros(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
