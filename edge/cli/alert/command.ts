import { Command } from "commander";
import type { Cli } from "../terminal.ts";
import { ackCommand } from "./ack.ts";
import { feedbackCommand } from "./feedback.ts";
import { listCommand } from "./list.ts";
import { showCommand } from "./show.ts";
import { inServiceCommand, outOfServiceCommand, shelveCommand, unshelveCommand } from "./suppress.ts";

export function alertCommand(cli: Cli): Command {
  return new Command("alert")
    .description("alerts of a running agent: look at them, acknowledge, shelve, take out of service")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      "\nThe agent is asked over its console, with the token of --token-file; what changes something needs the operator's,\nand each change leaves an audit record.\n\nExamples:\n  tidegate alert list --token-file ./viewer-token\n  tidegate alert ack 0f3a5c7e9b1d2f4a6c8e --token-file ./operator-token\n",
    )
    .addCommand(listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(ackCommand(cli))
    .addCommand(feedbackCommand(cli))
    .addCommand(shelveCommand(cli))
    .addCommand(unshelveCommand(cli))
    .addCommand(outOfServiceCommand(cli))
    .addCommand(inServiceCommand(cli));
}
