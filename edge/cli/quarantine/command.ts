import { Command } from "commander";
import type { Cli } from "../terminal.ts";
import { deleteCommand } from "./delete.ts";
import { exportCommand } from "./export.ts";
import { listCommand } from "./list.ts";
import { retryCommand } from "./retry.ts";
import { showCommand } from "./show.ts";

export function quarantineCommand(cli: Cli): Command {
  return new Command("quarantine")
    .description("messages that were stored and could not be read: look at them, try them again, delete them")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      "\nA running agent is asked over its console, with the token of --token-file; retry and delete need the operator's, and\neach leaves an audit record. Without --token-file the journal of a stopped agent is read: list, show and export.\n\nExamples:\n  tidegate quarantine list --reason unroutable --token-file ./operator-token\n  tidegate quarantine retry --reason unroutable --token-file ./operator-token\n",
    )
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(retryCommand(cli))
    .addCommand(exportCommand(cli))
    .addCommand(deleteCommand(cli));
}
