import { Command } from "commander";
import type { Cli } from "../terminal.ts";
import { listCommand } from "./list.ts";
import { keygenCommand, signCommand } from "./sign.ts";
import { trainCommand } from "./train.ts";
import { importCommand, verifyCommand } from "./verify.ts";

export function modelCommand(cli: Cli): Command {
  const command = new Command("model").description("train, sign, verify and import model packages");
  const commands = [trainCommand, keygenCommand, signCommand, verifyCommand, importCommand, listCommand];
  for (const make of commands) command.addCommand(make(cli));
  return command;
}
