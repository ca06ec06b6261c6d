import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { makeTokenFile } from "./api/token-file.ts";
import { cloudConfig, type CloudConfig } from "./config.ts";
import { KafkaLog } from "./ingest/kafka-log.ts";
import { KafkaRows } from "./publish/kafka-rows.ts";
import { parseRolloutArgs, rolloutUsage, runRolloutCommand } from "./rollouts/command.ts";
import { CloudService } from "./service.ts";
import { systemClock } from "../src/clock.ts";
import { kafkaAccessFaults } from "../src/config/kafka.ts";
import { loadConfig } from "../src/config/load.ts";
import { unreadable } from "../src/config/unreadable.ts";
import { forEachPath } from "../src/config/paths.ts";
import { exitCodeOf, exitCodes, TidegateError } from "../src/errors.ts";

const usage = `tidegate-cloud: aggregates what a fleet of gateways sends to Kafka, and serves it

Usage
  tidegate-cloud run   --config <file>
  tidegate-cloud token --config <file>
  tidegate-cloud model rollout publish | withdraw | remove | status
  tidegate-cloud --help | --version

Commands
  run    Runs the service until SIGTERM or SIGINT.
  token  Makes a new access token for the API and prints it. The old one ends with the next start of the service.
  model  Brings model packages to gateways; see tidegate-cloud model rollout --help.

Options
  --config <file>  The configuration (YAML). Relative paths in it are relative to its folder.

Exit codes
  0 stopped as asked, or done   64 wrong usage   65 damaged package   66 no such package or rollout   69 port taken
  70 failure   73 data folder in use   77 package not signed   78 wrong configuration
`;

const stopTimeoutMs = 15_000;

async function main(argv: readonly string[]): Promise<number> {
  if (argv[0] === "model" && argv[1] === "rollout") return rollout(argv.slice(2));
  const { values, positionals } = parse(argv);
  if (values.help) return print(usage);
  if (values.version) return print(`${version()}\n`);
  const [command, ...rest] = positionals;
  if (rest.length > 0 || values.config === undefined) throw new UsageError("a command and --config are needed");
  const config = readConfig(resolve(values.config));
  switch (command) {
    case "run":
      return run(config);
    case "token":
      return print(`${makeTokenFile(config.dataFolder)}\n`);
    default:
      throw new UsageError(`there is no command ${command ?? ""}`);
  }
}

/** Connects to Kafka alone: the service need not run, and never sees the key. */
async function rollout(args: readonly string[]): Promise<number> {
  const parsed = parseRolloutArgs(args);
  if (parsed.values.help) return print(rolloutUsage);
  if (parsed.values.config === undefined) throw new UsageError("--config is needed");
  const { kafka } = readConfig(resolve(parsed.values.config));
  await using log = new KafkaLog(kafka);
  await using rows = new KafkaRows(kafka);
  await runRolloutCommand(parsed, {
    log,
    rows,
    topicPrefix: kafka.topicPrefix,
    nowMicros: systemClock.nowMicros(),
    print: (line) => void process.stdout.write(`${line}\n`),
  });
  return exitCodes.ok;
}

class UsageError extends Error {}

interface Parsed {
  readonly values: { config?: string; help: boolean; version: boolean };
  readonly positionals: readonly string[];
}

function parse(argv: readonly string[]): Parsed {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
        version: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function print(text: string): number {
  process.stdout.write(text);
  return exitCodes.ok;
}

function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function readConfig(file: string): CloudConfig {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause, "Name the file with --config.");
  }
  return loadConfig(cloudConfig, text, file, {
    check(value, report) {
      forEachPath(value, (path, holder, key) => (holder[key] = resolve(dirname(file), path)));
      for (const [key, message] of kafkaAccessFaults(value.kafka)) report(["kafka", ...key], message);
    },
  });
}

async function run(config: CloudConfig): Promise<number> {
  const logger = pino({ level: config.log.level, base: { name: "tidegate-cloud" } });
  const stop = Promise.withResolvers<string>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop.resolve(signal));
  const service = await CloudService.start(config, {
    logger,
    version: version(),
    showToken: (token) => process.stdout.write(`access token of the API, shown only now: ${token}\n`),
  });
  const signal = await stop.promise;
  logger.info({ event: "stopping", signal });
  // A peer that does not answer must not keep the process: everything that matters is already on disk.
  setTimeout(() => process.exit(exitCodes.ok), stopTimeoutMs).unref();
  await service[Symbol.asyncDispose]();
  logger.info({ event: "stopped" });
  return exitCodes.ok;
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`tidegate-cloud: ${error.message}; see tidegate-cloud --help\n`);
    return exitCodes.usage;
  }
  if (error instanceof TidegateError) {
    process.stderr.write(
      `tidegate-cloud: ${error.code}: ${error.message}\n${error.hint === undefined ? "" : `  ${error.hint}\n`}`,
    );
  } else {
    process.stderr.write(
      `tidegate-cloud: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
  }
  return exitCodeOf(error);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = report(error);
}
