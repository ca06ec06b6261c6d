import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writePackage } from "../../../edge/inference/store/files.ts";
import { ensureToken } from "../../../edge/console/token-file.ts";
import type { ModelView } from "../../../edge/console/view.ts";
import { startLoad } from "../../support/load.ts";
import { until } from "../../support/until.ts";
import { assertAlive, createBenchTopics, startAgent, type AgentOptions, type BenchAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { conservationIn } from "../conservation.ts";
import { EndOffsets } from "../end-offsets.ts";
import { FsyncProbe } from "../fsync-probe.ts";
import { harmKinds, isNetworkKind, type HarmKind, type NetworkKind } from "../harm/kinds.ts";
import { harmfulPackage, makeKeys, modelName, modelVersion, type HarmKeys } from "../harm/packages.ts";
import { median } from "../median.ts";
import { Scope } from "../scope.ts";
import { measureWindow, warmUp } from "../window.ts";
import { fleet, untilAllThere } from "./end-to-end.ts";

const perSecond = 10_000;
const preload = new URL("../programs/harmful-network.ts", import.meta.url);

/** What the gateway is given: no model, one that is as it should be, or a bad one. */
type Given = "none" | "sound" | HarmKind;

interface Met {
  readonly p99: number;
  readonly fsyncP99: number;
  readonly rate: number;
}

interface ModelsAnswer {
  readonly gateway: { readonly notices: readonly string[] };
  readonly models: readonly ModelView[];
}

/**
 * Bad models under full load: whatever they do, nothing that was acknowledged is lost, and PUBACKs come as without them.
 * Each is measured between two runs without a model, so that a slow minute of the machine is not taken for its fault.
 */
export async function measureHarmNone(bench: Bench): Promise<void> {
  const keys = makeKeys();
  let before = await measureWith(bench, "none", keys, 0);
  for (const [at, given] of (["sound", ...harmKinds] as const).entries()) {
    const met = await measureWith(bench, given, keys, at + 1);
    const after = await measureWith(bench, "none", keys, at + 1);
    bench.results.add({
      [`harm.${given}` as const]: met.p99,
      [`harm.${given}Ratio` as const]: met.p99 / median([before.p99, after.p99]),
    });
    before = after;
  }
}

async function measureWith(bench: Bench, given: Given, keys: HarmKeys, round: number): Promise<Met> {
  const { warmUpMs, ackWindowMs } = bench.options;
  const kafka = await bench.kafka();
  await using scope = new Scope();
  using probe = new FsyncProbe(bench.folder, "fsync-meanwhile");
  const prefix = `harm-${given}-${round}`;
  const topic = await createBenchTopics(kafka.bootstrap, prefix);
  const options = { bootstrap: kafka.bootstrap, topicPrefix: prefix };
  let token = "";
  const prepare = async (folder: string): Promise<void> => {
    mkdirSync(folder, { mode: 0o700 });
    token = (await ensureToken(folder)).token!;
    if (given !== "none") makeLive(folder, given, keys);
  };
  const agent = await startAgent(bench, scope, {
    ...options,
    prepare,
    ...(given === "none" ? {} : modelsOf(bench, given, keys)),
  });
  const load = startLoad(scope, { port: agent.port, ...fleet, rate: perSecond });
  const onSchedule = async (): Promise<boolean> => (await load.report()).inFlight < perSecond / 20;
  await warmUp(warmUpMs, onSchedule, () => Promise.resolve());
  if (given !== "none") await untilMet(agent, token, given);
  await load.forgetLatencies();
  const acked = async (): Promise<readonly number[]> => [(await load.report()).acked];
  const measured = await measureWindow(agent.service.pid, [load.pid, kafka.pid], ackWindowMs, acked, () => {
    probe.sample();
    return Promise.resolve();
  });
  const { latencyMs } = await load.report();
  const report = await load.finish();
  await untilAllThere(new EndOffsets(scope, kafka.bootstrap, topic), report.acked);
  assertAlive(agent);
  await agent.service.kill();
  const { lost, acknowledged } = await conservationIn(kafka.bootstrap, topic, report.devices);
  const met = { p99: latencyMs.p99, fsyncP99: probe.latencies.quantile(0.99), rate: measured.perSecond };
  bench.say(`harm-none, ${given}: PUBACK p99 ${met.p99.toFixed(1)} ms, ${acknowledged} acknowledged, ${lost} lost`);
  bench.results.add({
    ...(given === "none" ? { "harm.none": met.p99 } : {}),
    "harm.fsyncBusyP99": met.fsyncP99,
    "harm.rate": met.rate,
    "harm.acknowledged": acknowledged,
    "harm.lost": lost,
  });
  return met;
}

function modelsOf(bench: Bench, given: Exclude<Given, "none">, keys: HarmKeys): Pick<AgentOptions, "flags" | "models"> {
  const publicKeyFile = join(bench.folder, "harm.pub");
  writeFileSync(publicKeyFile, keys.publicKey);
  return {
    flags: [`--import=${preload.href}?kind=${given}`],
    models: {
      trustedKeys: [{ name: "bench", publicKeyFile }],
      use: [{ model: modelName, path: "acme/berlin" }],
    },
  };
}

/** As if it had been good when it was imported and promoted: no command would have taken the bad ones. */
function makeLive(dataFolder: string, given: Exclude<Given, "none">, keys: HarmKeys): void {
  const home = join(dataFolder, "models", modelName);
  mkdirSync(join(home, modelVersion), { recursive: true });
  writePackage(join(home, modelVersion), harmfulPackage(given, keys));
  writeFileSync(join(home, "live.json"), JSON.stringify({ live: modelVersion }));
}

/** A bad model that never got to do what it does proves nothing: it has before anything is measured. */
async function untilMet({ consoleUrl }: BenchAgent, token: string, given: Exclude<Given, "none">): Promise<void> {
  const look = async (): Promise<ModelsAnswer> => {
    const response = await fetch(`${consoleUrl}/api/v1/models`, { headers: { authorization: `Bearer ${token}` } });
    return (await response.json()) as ModelsAnswer;
  };
  const isMet = ({ gateway, models: [model] }: ModelsAnswer): boolean =>
    isNetworkKind(given) || given === "sound" ? isRunning(given, model) : isRefused(model, gateway.notices);
  await until(`the model (${given}) does what it is given for`, look, isMet, { withinMs: 60_000, everyMs: 200 });
}

function isRunning(given: NetworkKind | "sound", model: ModelView | undefined): boolean {
  if (model === undefined) return false;
  switch (given) {
    case "sound":
      return model.state === "running" && model.rows > 0;
    case "storm":
      return model.episodes >= fleet.devices / 2;
    case "nan":
      return model.state === "failed";
    case "hang":
    case "crash":
    case "memory":
      return model.state === "failed" || model.network!.droppedRows > 0;
  }
}

function isRefused(model: ModelView | undefined, notices: readonly string[]): boolean {
  return model === undefined && notices.some((notice) => notice.includes(`model ${modelName}`));
}
