import { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { loadEdgeConfig } from "../../config.ts";
import { parseReason } from "../alert/flags.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { deskOf, localChange, reasonOption, type ChangeFlags } from "./desk.ts";

interface Flags extends ChangeFlags {
  readonly stop: boolean;
}

export function shadowCommand(cli: Cli): Command {
  return new Command("shadow")
    .description("run a version beside the live one: on the same data, without alerts, and count how they differ")
    .argument("<name>", "name of the model")
    .argument("[version]", "version; default: the newest")
    .option("--stop", "end the shadow", false)
    .option(...reasonOption, parseReason, "")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\n`tidegate model status` says what the shadow finds; `tidegate model promote` makes it the live version.\n\nExample:\n  tidegate model shadow pump-health 1.3.0\n",
    )
    .action(async (name: string, version: string | undefined, { config, stop, reason, json }: Flags) => {
      if (stop && version !== undefined) {
        throw new TidegateError("USAGE", "--stop ends the shadow of a model, whatever its version");
      }
      const desk = deskOf(loadEdgeConfig(config));
      const change = localChange(reason);
      if (!stop) await desk.proveStored("model-shadow", name, version, change);
      const state = stop ? desk.stopShadow(name, change) : desk.shadow(name, version, change);
      const text = stop ? `${name} has no shadow.` : `${name} ${state.shadow} runs as a shadow.`;
      cli.terminal.out(json ? JSON.stringify({ ok: true, name, ...state }) : text);
    });
}
