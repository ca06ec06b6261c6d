import { Command } from "commander";
import type { Cli } from "../terminal.ts";
import { exportCommand } from "./export.ts";
import { inspectCommand } from "./inspect.ts";
import { addStatus } from "./status.ts";
import { verifyCommand } from "./verify.ts";

export function bufferCommand(cli: Cli): Command {
  const command = new Command("buffer")
    .description("how full the local buffer is, and what Kafka does not have yet; read a journal of any state")
    .enablePositionalOptions()
    .addHelpText(
      "after",
      "\nWithout a command: how full the buffer is. A running agent is asked over its console; the journal of a stopped one is\nread, and not a byte of it changes. docs/buffer.md is the guide.\n\nExamples:\n  tidegate buffer\n  tidegate buffer --token-file ./console-token.txt --json\n  tidegate buffer inspect\n  tidegate buffer verify /mnt/usb/journal.db\n",
    );
  addStatus(command, cli);
  return command.addCommand(inspectCommand(cli)).addCommand(verifyCommand(cli)).addCommand(exportCommand(cli));
}
