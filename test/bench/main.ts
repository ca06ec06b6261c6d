import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { join, resolve } from "node:path";
import type { KafkaBroker } from "../../demo/kafka/broker.ts";
import { startTestKafka } from "../support/kafka.ts";
import type { Bench } from "./bench.ts";
import { Results } from "./figures.ts";
import {
  benchOptions,
  microNames,
  onlyWhenNamed,
  sectionNames,
  usage,
  type BenchOptions,
  type SectionName,
} from "./options.ts";
import { Scope } from "./scope.ts";
import { measureAcknowledgement } from "./sections/acknowledgement.ts";
import { measureBacklog } from "./sections/backlog.ts";
import { measureBuffering } from "./sections/buffering.ts";
import { measureDrain } from "./sections/drain.ts";
import { measureEndToEnd } from "./sections/end-to-end.ts";
import { measureHarmNone } from "./sections/harm-none.ts";
import { measureIdle } from "./sections/idle.ts";
import { measureJournalLimit, measureKafkaLimit, measureMosquittoLimit } from "./sections/limits.ts";
import { measureStorage } from "./sections/storage.ts";
import { measureStages } from "./sections/stages.ts";
import { measureSteady } from "./sections/steady.ts";
import { tableOf } from "./table.ts";

/*
 * npm run bench: the product on this machine, beside the limits of this machine in the same run. See README.md for
 * what is measured and how.
 */
async function main(args: readonly string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = benchOptions(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
    return 64;
  }
  if (options.help) {
    console.log(usage);
    return 0;
  }
  return options.micro ? runMicro(options.only) : runSections(options);
}

async function runSections(options: BenchOptions): Promise<number> {
  const startMs = performance.now();
  const machine = { ...describeMachine(), load: loadavg()[0]! };
  const results = new Results();
  // Ends last: what runs in the inner scope works in its folder.
  await using outer = new Scope();
  const folder = makeFolder(outer);
  await using scope = new Scope();
  const stop = (): void => process.exit(130);
  process.once("SIGINT", stop).once("SIGTERM", stop);
  const bench = makeBench(scope, folder, options, results);
  for (let round = 1; round <= options.rounds; round++) {
    for (const name of sectionNames) {
      const named = options.only.includes(name);
      if (!named && (options.only.length > 0 || onlyWhenNamed.has(name))) continue;
      if (round > 1 && measuredOnce.has(name)) continue;
      const began = performance.now();
      await sections[name](bench, round);
      bench.say(`${name}, round ${round}: ${Math.round((performance.now() - began) / 1000)} s`);
    }
  }
  const seconds = (performance.now() - startMs) / 1000;
  const figures = results.figures();
  if (options.json) {
    console.log(JSON.stringify({ machine, options, seconds, lost: results.lost, figures }, undefined, 2));
  } else {
    console.log(`${headline(machine, options)}\n\n${tableOf(figures)}\n\n${Math.round(seconds)} s`);
  }
  if (results.lost > 0) console.error(`${results.lost} acknowledged messages were lost`);
  return results.lost > 0 ? 1 : 0;
}

const sections: Readonly<Record<SectionName, (bench: Bench, round: number) => Promise<void>>> = {
  "mosquitto-limit": measureMosquittoLimit,
  "journal-limit": measureJournalLimit,
  "kafka-limit": measureKafkaLimit,
  ack: (bench) => measureAcknowledgement(bench, "ack", 10_000),
  ack20: (bench) => measureAcknowledgement(bench, "ack20", 20_000),
  broker: (bench, round) => measureEndToEnd(bench, "broker", round),
  mosquitto: (bench, round) => measureEndToEnd(bench, "mosquitto", round),
  buffer: measureBuffering,
  drain: measureDrain,
  idle: measureIdle,
  storage: measureStorage,
  backlog: measureBacklog,
  stages: measureStages,
  steady: measureSteady,
  "harm-none": measureHarmNone,
};
/** The others are repeated in each round, so that slow minutes of the machine meet all of them alike. */
const measuredOnce: ReadonlySet<SectionName> = new Set([
  "ack",
  "ack20",
  "buffer",
  "idle",
  "storage",
  "backlog",
  "stages",
  "steady",
  "harm-none",
]);

function makeBench(scope: Scope, folder: string, options: BenchOptions, results: Results): Bench {
  let kafka: Promise<KafkaBroker> | undefined;
  return {
    options,
    results,
    folder,
    kafka: () => (kafka ??= startTestKafka(scope)),
    say: (text) => console.error(`bench: ${text}`),
  };
}

/** On the disk of the checkout, since a temporary folder may be memory, where fsync costs nothing. */
function makeFolder(scope: Scope): string {
  const parent = resolve(import.meta.dirname, "../../.cache/bench");
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, "run-"));
  // Also when the process ends by a signal; every child is killed by then.
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once("exit", remove);
  scope.after(() => void process.off("exit", remove));
  // What the helpers of the tests start works below it too.
  process.env["TMPDIR"] = folder;
  scope.after(remove);
  return folder;
}

interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryGb: number;
  readonly node: string;
  /** Of the minute before the start. */
  readonly load: number;
}

function describeMachine(): Omit<Machine, "load"> {
  const memoryGb = Math.round(totalmem() / 2 ** 30);
  return { processors: availableParallelism(), model: cpus()[0]?.model ?? "?", memoryGb, node: process.version };
}

function headline({ processors, model, memoryGb, node, load }: Machine, options: BenchOptions): string {
  const machine = `${processors} processors (${model}), ${memoryGb} GB, Node ${node}, load before the start ${load.toFixed(1)}`;
  const rounds = options.rounds === 1 ? "one round" : `medians of ${options.rounds} rounds, spread on the right`;
  const detect = options.detect ? "a detector on one metric" : "no detectors";
  return `${machine}\n${rounds}; ${detect}; 50 connections, 200 devices, 120-byte JSON; generator, mosquitto and Kafka share the machine`;
}

async function runMicro(only: readonly string[]): Promise<number> {
  for (const name of microNames.filter((name) => only.length === 0 || only.includes(name))) {
    console.log(`== ${name}`);
    const child = spawn(process.execPath, [join(import.meta.dirname, "micro", `${name}.ts`)], { stdio: "inherit" });
    const [code] = (await once(child, "exit")) as [number | null];
    if (code !== 0) return 1;
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
