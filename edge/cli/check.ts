import { Command } from "commander";
import { TidegateError } from "../../src/errors.ts";
import { exampleFault } from "../../src/profile/examples.ts";
import { loadEdgeConfig, type LoadedConfig } from "../config.ts";
import type { ProfileLibrary } from "../profile-library.ts";
import { defaultConfigFile, type Cli } from "./terminal.ts";

interface CheckFlags {
  readonly config: string;
  readonly json: boolean;
}

export function checkCommand(cli: Cli): Command {
  return new Command("check")
    .description("look for mistakes in the configuration and its profiles; connects to nothing, changes nothing")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nProfiles of the installation are tried on their own examples too. Ends with 78 where something is wrong.\n\nExample:\n  tidegate check -c /etc/tidegate/tidegate.yaml --json\n",
    )
    .action(({ config, json }: CheckFlags) => {
      const loaded = loadEdgeConfig(config);
      checkOwnProfiles(loaded.profiles);
      cli.terminal.out(json ? JSON.stringify(summaryOf(loaded)) : describe(loaded, config));
    });
}

/** Also those that no rule uses yet: somebody is writing them. */
function checkOwnProfiles(library: ProfileLibrary): void {
  const faults = library.ownIds().flatMap((id) => {
    const { definition, profile } = library.load(id)!;
    return definition.examples.flatMap((example) => {
      const fault = exampleFault(profile, example);
      return fault === undefined ? [] : [`${library.fileOf(id)}: example "${example.name}" gives ${fault}`];
    });
  });
  if (faults.length === 0) return;
  throw new TidegateError("PROFILE_INVALID", faults.join("\n"), {
    hint: "Correct the example, or the metrics that it is about.",
  });
}

function summaryOf({ file, config, rules, profiles, warnings }: LoadedConfig): object {
  return {
    ok: true,
    file,
    gateway: config.gateway.id,
    path: config.gateway.path,
    dataFolder: config.gateway.dataFolder,
    sources: config.sources.map(({ name, type }) => ({ name, type })),
    rules: rules.length,
    profiles: [...new Set(rules.map(({ profile }) => profile.id))].sort(),
    ownProfiles: profiles.ownIds(),
    kafka:
      config.kafka === undefined ? undefined : { brokers: config.kafka.brokers, topicPrefix: config.kafka.topicPrefix },
    quotaBytes: config.journal.quotaBytes,
    warnings,
  };
}

function describe({ config, rules, profiles, warnings }: LoadedConfig, fileName: string): string {
  const used = [...new Set(rules.map(({ profile }) => profile.id))].sort();
  const own = profiles.ownIds();
  const { kafka } = config;
  const lines = [
    `${fileName} is right.`,
    `gateway   ${config.gateway.id} at ${config.gateway.path}, data in ${config.gateway.dataFolder}`,
    ...config.sources.map((source) => `source    ${source.name}: ${addressOf(source)}`),
    `devices   ${rules.length} ${rules.length === 1 ? "rule" : "rules"}, profiles: ${used.join(", ") || "none"}`,
    ...(own.length === 0 ? [] : [`own       ${own.join(", ")}: every example comes true`]),
    kafka === undefined
      ? "kafka     none"
      : `kafka     ${kafka.brokers.join(", ")}, topics ${kafka.topicPrefix}.*, ${kafka.partitions} partitions`,
    `buffer    ${(config.journal.quotaBytes / 1e9).toFixed(1)} GB`,
    ...warnings.map((warning) => `warning   ${warning}`),
  ];
  return lines.join("\n");
}

function addressOf(source: LoadedConfig["config"]["sources"][number]): string {
  switch (source.type) {
    case "broker":
      return `MQTT broker on ${source.listen.host}:${source.listen.port}${source.tls === undefined ? "" : " (TLS)"}`;
    case "mqtt":
      return `MQTT client of ${source.url}, ${source.topics.join(", ")}`;
    case "opcua":
      return `OPC UA client of ${source.endpoint}, ${source.securityPolicy} ${source.securityMode}`;
  }
}
