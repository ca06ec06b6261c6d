import { Command } from "commander";
import type { Cli } from "../terminal.ts";
import { archiveCommand } from "./archive.ts";
import { canaryCommand } from "./canary.ts";
import { explainCommand } from "./explain.ts";
import { listCommand } from "./list.ts";
import { packCommand } from "./pack.ts";
import { promoteCommand, rollbackCommand } from "./promote.ts";
import { replayCommand } from "./replay.ts";
import { rolloutsCommand } from "./rollouts.ts";
import { shadowCommand } from "./shadow.ts";
import { keygenCommand, signCommand } from "./sign.ts";
import { statusCommand } from "./status.ts";
import { trainCommand } from "./train.ts";
import { importCommand, verifyCommand } from "./verify.ts";

export function modelCommand(cli: Cli): Command {
  const command = new Command("model").description(
    "train, pack, sign, verify, import and try model packages; say which version is live",
  );
  const commands = [
    trainCommand,
    packCommand,
    keygenCommand,
    signCommand,
    verifyCommand,
    archiveCommand,
    importCommand,
    explainCommand,
    listCommand,
    replayCommand,
    promoteCommand,
    rollbackCommand,
    canaryCommand,
    shadowCommand,
    statusCommand,
    rolloutsCommand,
  ];
  for (const make of commands) command.addCommand(make(cli));
  return command;
}
