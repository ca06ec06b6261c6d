import { Command } from "commander";
import { TidegateError } from "../../src/errors.ts";
import { loadEdgeConfig } from "../config.ts";
import type { ReloadResult } from "../console/view.ts";
import { ConsoleClient, type ConsoleFlags } from "./console-client.ts";
import { defaultConfigFile, type Cli } from "./terminal.ts";

/** A source that stops acknowledges what is stored, and a connection that is dead takes its time to be closed. */
const answerWithinMs = 60_000;

interface ReloadFlags extends ConsoleFlags {
  readonly config: string;
  readonly json: boolean;
}

export function reloadCommand(cli: Cli): Command {
  return new Command("reload")
    .description("have the running agent read its configuration again, and take it over as a whole or not at all")
    .option("-c, --config <file>", "configuration file, which says where the console is", defaultConfigFile)
    .option("--url <url>", "address of the console, where it is not as the file says")
    .option("--token-file <file>", "file (mode 600) with the operator's token")
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nTakes over sources, devices, profiles, models, limits of the buffer and the log's level. What else has changed\nneeds a restart: then nothing is taken over, and it ends with 1. SIGHUP to the agent does the same.\n\nExample:\n  tidegate reload -c /etc/tidegate/tidegate.yaml --token-file ./operator-token\n",
    )
    .action((flags: ReloadFlags) => reload(cli, flags));
}

async function reload({ terminal }: Cli, flags: ReloadFlags): Promise<void> {
  // A mistake in the file is told as `tidegate check` tells it, before the agent is asked.
  const { config, warnings } = loadEdgeConfig(flags.config);
  const result = await new ConsoleClient(config, flags).post<ReloadResult>("/api/v1/reload", {}, answerWithinMs);
  if (result.kind === "refused") {
    const { code, message, hint } = result;
    throw new TidegateError(code, message, hint === undefined ? {} : { hint });
  }
  for (const warning of warnings) terminal.err(`warning: ${warning}`);
  terminal.out(flags.json ? JSON.stringify({ ok: true, changed: result.changed }) : describe(result.changed));
}

function describe(changed: readonly string[]): string {
  return changed.length === 0 ? "Nothing has changed." : `Taken over: ${changed.join(", ")}.`;
}
