import { Command } from "commander";
import { TidegateError } from "../../../src/errors.ts";
import { loadEdgeConfig } from "../../config.ts";
import { scopeText } from "../../inference/rows/canary-scope.ts";
import { parseReason } from "../alert/flags.ts";
import { defaultConfigFile, type Cli } from "../terminal.ts";
import { plainText } from "../words.ts";
import { deskOf, localChange, reasonOption, type ChangeFlags } from "./desk.ts";

interface Flags extends ChangeFlags {
  readonly device: readonly string[];
  readonly path: readonly string[];
  readonly stop: boolean;
}

export function canaryCommand(cli: Cli): Command {
  return new Command("canary")
    .description("make a version the live one of some devices alone; it raises their alerts, the live one all others")
    .argument("<name>", "name of the model")
    .argument("[version]", "version; default: the newest")
    .option("--device <id>", "on this device; may be given several times", append, [])
    .option("--path <path>", "on every device at or below this asset path; may be given several times", append, [])
    .option("--stop", "end the canary: its devices go back to the live version", false)
    .option(...reasonOption, parseReason, "")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print the result as one JSON object", false)
    .addHelpText(
      "after",
      "\nOf these devices, those that `models.use` gives to the model. There is one canary of a model; another takes its place.\n`tidegate model promote` makes it the version of all devices.\n\nExample:\n  tidegate model canary pump-health 1.3.0 --path acme/berlin/line-2\n",
    )
    .action(async (name: string, version: string | undefined, flags: Flags) => {
      const { config, device: devices, path: paths, stop, reason, json } = flags;
      if (stop && (version !== undefined || devices.length + paths.length > 0)) {
        throw new TidegateError("USAGE", "--stop ends the canary of a model, whatever its version and devices");
      }
      const desk = deskOf(loadEdgeConfig(config));
      const change = localChange(reason);
      const scope = { devices: [...new Set(devices)], paths: [...new Set(paths)] };
      if (!stop) await desk.proveStored("model-canary", name, version, change);
      const state = stop ? desk.stopCanary(name, change) : desk.canary(name, version, scope, change);
      const text = stop
        ? `${name} has no canary.`
        : `${name} ${state.canary?.version} is the canary on ${plainText(scopeText(scope))}.`;
      cli.terminal.out(json ? JSON.stringify({ ok: true, name, ...state }) : text);
    });
}

function append(text: string, before: readonly string[]): string[] {
  return [...before, text];
}
