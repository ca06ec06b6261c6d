import { Command } from "commander";
import { loadEdgeConfig } from "../../config.ts";
import { readRollouts, type KnownRollout, type RememberedRollouts } from "../../inference/rollouts/memory.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { plainText, tableText, timeText } from "../words.ts";

interface Flags {
  readonly config: string;
  readonly json: boolean;
}

export function rolloutsCommand(cli: Cli): Command {
  return new Command("rollouts")
    .description("what this gateway did with the rollouts that the cloud published; works offline")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText("after", "\nExample:\n  tidegate model rollouts\n")
    .action((flags: Flags) => {
      const { config } = loadEdgeConfig(flags.config);
      const remembered = readRollouts(config.gateway.dataFolder);
      const { enabled } = config.models.rollouts;
      cli.terminal.out(
        flags.json ? JSON.stringify({ ok: true, enabled, ...remembered }) : describe(enabled, remembered),
      );
    });
}

function describe(enabled: boolean, { rollouts, fault }: RememberedRollouts): string {
  const off = enabled ? [] : ["Rollouts are not taken: `models.rollouts.enabled` is false."];
  if (fault !== undefined) off.push(`What was remembered cannot be read, and begins anew: ${plainText(fault)}`);
  if (rollouts.length === 0) return [...off, "No rollout has come yet."].join("\n");
  const rows = rollouts.map((rollout) => [
    rollout.name,
    `${rollout.model} ${rollout.version}`,
    stateOf(rollout),
    rollout.stood ?? "–",
    timeText(rollout.expires),
    plainText(rollout.detail),
  ]);
  return [...off, ...tableText([["rollout", "package", "state", "stage", "valid until", ""], ...rows])].join("\n");
}

function stateOf({ kind, phase, code }: KnownRollout): string {
  switch (phase) {
    case "refused":
      return `refused: ${code ?? "unknown"}`;
    case "elsewhere":
      return "not for this gateway";
    case "open":
      return kind === "withdraw" ? "being withdrawn" : "in progress";
    case "done":
      return kind === "withdraw" ? "withdrawn" : "done";
  }
}
