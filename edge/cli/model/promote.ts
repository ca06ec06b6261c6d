import { Command } from "commander";
import { loadEdgeConfig } from "../../config.ts";
import { parseReason } from "../alert/flags.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { deskOf, localChange, reasonOption, type ChangeFlags } from "./desk.ts";

export function promoteCommand(cli: Cli): Command {
  return new Command("promote")
    .description("make a version of the store the live one; the version that was live is kept for rollback")
    .argument("<name>", "name of the model")
    .argument("[version]", "version; default: the newest")
    .option(...reasonOption, parseReason, "")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nThe package is verified again. A gateway that runs follows within a few seconds; `models.use` says for which devices.\n\nExample:\n  tidegate model promote pump-health 1.2.0\n",
    )
    .action(async (name: string, version: string | undefined, { config: file, reason, json }: ChangeFlags) => {
      const loaded = loadEdgeConfig(file);
      const desk = deskOf(loaded);
      const change = localChange(reason);
      await desk.proveStored("model-promote", name, version, change);
      const state = desk.promote(name, version, change);
      const isUsed = loaded.config.models.use.some((rule) => rule.model === name);
      if (!isUsed) cli.terminal.err(`warning: no entry of \`models.use\` names ${name}, so no device is scored by it`);
      const before = state.previous === undefined ? "" : `; before it was ${state.previous}`;
      cli.terminal.out(json ? JSON.stringify({ ok: true, name, ...state }) : `${name} ${state.live} is live${before}.`);
    });
}

export function rollbackCommand(cli: Cli): Command {
  return new Command("rollback")
    .description("go back to the version that was live before, or to none where there was none")
    .argument("<name>", "name of the model")
    .option(...reasonOption, parseReason, "")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nThe detectors of the device profiles go on in any case.\n\nExample:\n  tidegate model rollback pump-health\n",
    )
    .action((name: string, { config, reason, json }: ChangeFlags) => {
      const state = deskOf(loadEdgeConfig(config)).rollback(name, localChange(reason));
      const now = state.live === undefined ? `no version of ${name} is live` : `${name} ${state.live} is live again`;
      cli.terminal.out(json ? JSON.stringify({ ok: true, name, ...state }) : `${now}.`);
    });
}
