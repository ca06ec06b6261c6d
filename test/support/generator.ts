import { parseArgs } from "node:util";
import { Generator, type GeneratorOptions, type GeneratorReport } from "./generator/generator.ts";

/*
 * The load generator as a program: its own process, so that what it costs is not the gateway's.
 *
 *   node test/support/generator.ts --port 1883 --rate 10000 --for 30      prints its report as JSON
 *   node test/support/generator.ts --port 1883 --fast --allow 100000      driven over IPC, see `Command`
 */

/** What a parent process may send; each is answered by `Answer` with the same id. */
export type Command = { readonly id: number } & (
  | { readonly type: "allow"; readonly total: number }
  | { readonly type: "pause" | "resume" | "report" | "forgetLatencies" }
  | { readonly type: "finish"; readonly withinMs: number }
);

export interface Answer {
  readonly id: number;
  /** With `report` and `finish`. */
  readonly report?: GeneratorReport;
}

const flags = {
  host: { type: "string", default: "127.0.0.1" },
  port: { type: "string" },
  connections: { type: "string", default: "50" },
  devices: { type: "string", default: "200" },
  topic: { type: "string", default: "plant/{line}/{device}/data" },
  "device-prefix": { type: "string", default: "gen-" },
  username: { type: "string" },
  password: { type: "string" },
  "in-flight": { type: "string", default: "200" },
  rate: { type: "string", default: "1000" },
  fast: { type: "boolean", default: false },
  allow: { type: "string", default: "Infinity" },
  /** Seconds; without it the program runs until it is told to finish. */
  for: { type: "string" },
} as const;

const drainMs = 10_000;

function optionsOf(values: ReturnType<typeof parse>): GeneratorOptions {
  return {
    host: values.host,
    port: Number(values.port),
    connections: Number(values.connections),
    devices: Number(values.devices),
    topic: values.topic,
    devicePrefix: values["device-prefix"],
    username: values.username,
    password: values.password,
    inFlightMax: Number(values["in-flight"]),
    mode: values.fast
      ? { kind: "fast", allowed: Number(values.allow) }
      : { kind: "rate", perSecond: Number(values.rate) },
  };
}

function parse() {
  return parseArgs({ options: flags }).values;
}

async function main(): Promise<void> {
  const values = parse();
  const generator = new Generator(optionsOf(values));
  process.on("message", (command: Command) => void obey(generator, command));
  // Without its parent the load has no purpose.
  process.on("disconnect", () => process.exit(0));
  const end = async (): Promise<void> => {
    const report = await generator.finish(drainMs);
    console.log(JSON.stringify(report));
    process.exit(0);
  };
  process.once("SIGINT", () => void end());
  if (values.for !== undefined) setTimeout(() => void end(), Number(values.for) * 1000);
}

async function obey(generator: Generator, command: Command): Promise<void> {
  const answer = (report?: GeneratorReport): void => {
    process.send?.({ id: command.id, ...(report === undefined ? {} : { report }) } satisfies Answer);
  };
  switch (command.type) {
    case "allow":
      generator.allow(command.total);
      return answer();
    case "pause":
      generator.pause();
      return answer();
    case "resume":
      generator.resume();
      return answer();
    case "forgetLatencies":
      generator.forgetLatencies();
      return answer();
    case "report":
      return answer(generator.report());
    case "finish":
      return answer(await generator.finish(command.withinMs));
  }
}

await main();
