import { Command } from "commander";
import { TidegateError, exitCodes } from "../../src/errors.ts";
import { topicSpecs } from "../../src/wire/streams.ts";
import { agentSetup, loadEdgeConfig } from "../config.ts";
import type { TopicState } from "../sinks/kafka/admin.ts";
import type { KafkaOptions } from "../sinks/kafka/options.ts";
import { defaultConfigFile, type Cli } from "./terminal.ts";

interface TopicsFlags {
  readonly config: string;
  readonly json: boolean;
}

/** Topics are made by an explicit command, never by surprise: their partition count is for ever. */
export function topicsCommand(cli: Cli): Command {
  const topics = new Command("topics").description("the Kafka topics of this installation");
  const add = (name: string, description: string, action: (flags: TopicsFlags) => Promise<void> | void): void => {
    topics.addCommand(
      new Command(name)
        .description(description)
        .option("-c, --config <file>", "configuration file", defaultConfigFile)
        .option("--json", "print the topics as JSON", false)
        .addHelpText("after", `\nExample:\n  tidegate topics ${name} -c /etc/tidegate/tidegate.yaml\n`)
        .action(action),
    );
  };
  add("list", "print the topics that the configuration asks for; connects to nothing", (flags) => list(cli, flags));
  add("check", "compare with Kafka; ends with 1 where a topic is missing or wrong", async (flags) => {
    const { checkTopics } = await import("../sinks/kafka/admin.ts");
    report(cli, flags, await checkTopics(kafkaOf(flags.config)));
  });
  add("create", "create the missing topics; topics that exist are never changed", async (flags) => {
    const { createTopics } = await import("../sinks/kafka/admin.ts");
    report(cli, flags, await createTopics(kafkaOf(flags.config)));
  });
  topics.addCommand(drainCommand(cli));
  return topics;
}

interface DrainFlags extends TopicsFlags {
  readonly within: string;
}

function drainCommand(cli: Cli): Command {
  return new Command("drain")
    .description("send everything that a stopped gateway has buffered, so that kafka.partitions may change")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--within <seconds>", "give up after this long; what is unsent then stays on disk", "600")
    .option("--json", "print the result as JSON", false)
    .addHelpText(
      "after",
      "\nStop the gateway first. Its devices wait or buffer meanwhile. Then: add partitions to the topics, set kafka.partitions,\nstart it again. See docs/partitions.md.\n\nExample:\n  tidegate topics drain -c /etc/tidegate/tidegate.yaml\n",
    )
    .action((flags: DrainFlags) => drain(cli, flags));
}

async function drain(cli: Cli, { config, json, within }: DrainFlags): Promise<void> {
  const { terminal, version } = cli;
  const withinMs = Number(within) * 1000;
  if (!(withinMs > 0)) throw new TidegateError("CONFIG_INVALID", `--within is a number of seconds, not ${within}`);
  const loaded = loadEdgeConfig(config);
  const kafka = kafkaOf(config);
  const { drainJournal } = await import("../drain.ts");
  let said = "";
  const state = await drainJournal({ ...agentSetup(loaded, version), kafka }, withinMs, ({ alarms }) => {
    if (alarms.join() !== said) for (const alarm of alarms) terminal.err(`warning: ${alarm}`);
    said = alarms.join();
  });
  const { unsent, partitions } = state;
  if (json) terminal.out(JSON.stringify({ ok: unsent === 0, unsent, partitions }));
  else if (unsent === 0) terminal.out(`everything is sent; records were laid out for ${partitions} partitions`);
  else terminal.out(`${unsent} records are not sent yet and stay on disk`);
  if (unsent > 0) cli.exitCode = exitCodes.no;
}

function kafkaOf(file: string): KafkaOptions {
  const { kafka } = loadEdgeConfig(file).config;
  if (kafka !== undefined) return kafka;
  throw new TidegateError("CONFIG_INVALID", `${file}: there is no \`kafka\` section`, {
    hint: 'Add it, for example: kafka: { brokers: ["kafka-1.example.com:9092"] }',
  });
}

function list(cli: Cli, { config, json }: TopicsFlags): void {
  const { topicPrefix, partitions } = kafkaOf(config);
  const specs = topicSpecs(topicPrefix).map((spec) => ({ ...spec, partitions }));
  if (json) return cli.terminal.out(JSON.stringify(specs));
  for (const { name, compacted } of specs) {
    cli.terminal.out(`${name}  ${partitions} partitions${compacted ? ", compacted" : ""}`);
  }
}

function report(cli: Cli, { json }: TopicsFlags, states: readonly TopicState[]): void {
  const good = states.every(({ state }) => state === "ok" || state === "created");
  if (json) cli.terminal.out(JSON.stringify({ ok: good, topics: states }));
  else
    for (const { topic, state, detail } of states) cli.terminal.out(`${state.padEnd(8)}${topic}  ${detail}`.trimEnd());
  if (!good) cli.exitCode = exitCodes.no;
}
