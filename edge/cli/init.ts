import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { TidegateError, exitCodes } from "../../src/errors.ts";
import { pathFault } from "../../src/profile/names.ts";
import { defaultConfigFile, type Cli } from "./terminal.ts";
import { starterConfig } from "./starter.ts";

interface InitFlags {
  readonly folder: string;
  readonly id?: string;
  readonly path: string;
  readonly json: boolean;
}

export function initCommand(cli: Cli): Command {
  return new Command("init")
    .description("write a commented configuration to start from, with a new gateway id")
    .option("-f, --folder <folder>", "where to write", ".")
    .option("--id <id>", "gateway id; default: a new one")
    .option("--path <path>", "where the gateway stands: enterprise/site", "acme/berlin")
    .option("--json", "print what was made as one JSON object", false)
    .addHelpText(
      "after",
      "\nNothing that exists is changed.\n\nExample:\n  tidegate init --folder /etc/tidegate --path acme/hamburg\n",
    )
    .action((flags: InitFlags) => init(cli, flags));
}

function init(cli: Cli, { folder, id = newGatewayId(), path, json }: InitFlags): void {
  const file = join(folder, defaultConfigFile);
  if (existsSync(file)) {
    const message = `${file} is already there; nothing was changed`;
    if (json) cli.terminal.out(JSON.stringify({ ok: false, file, message }));
    else cli.terminal.err(message);
    cli.exitCode = exitCodes.no;
    return;
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(id)) {
    throw new TidegateError("CONFIG_INVALID", `"${id}" cannot be a gateway id`, {
      hint: "Letters, digits, `.`, `_` and `-`, at most 64, beginning with a letter or a digit.",
    });
  }
  const fault = pathFault(path);
  if (fault !== undefined) {
    throw new TidegateError("CONFIG_INVALID", `"${path}" cannot be the gateway's path: it ${fault}`, {
      hint: "Write enterprise/site, for example acme/berlin.",
    });
  }
  write(folder, file, starterConfig(id, path));
  if (json) cli.terminal.out(JSON.stringify({ ok: true, file, gateway: id }));
  else cli.terminal.out(nextSteps(file, id));
}

/** Unique in any fleet without asking anybody: 40 random bits. */
function newGatewayId(): string {
  return `gw-${randomBytes(5).toString("hex")}`;
}

function write(folder: string, file: string, text: string): void {
  try {
    mkdirSync(join(folder, "data"), { recursive: true, mode: 0o700 });
    mkdirSync(join(folder, "profiles"), { recursive: true });
    // wx: a file that appeared since we looked is not overwritten either.
    writeFileSync(file, text, { flag: "wx", mode: 0o640 });
  } catch (cause) {
    throw new TidegateError("CONFIG_UNREADABLE", `${file} could not be written`, {
      cause,
      hint: "Check that the folder may be written by this user.",
    });
  }
}

function nextSteps(file: string, id: string): string {
  return `${file} is written; this gateway is ${id}.

Next:
  1. Edit it: where data comes from (sources), which devices there are (devices), where it goes (kafka).
  2. tidegate check -c ${file}
  3. tidegate topics create -c ${file}     (once, when kafka is configured)
  4. tidegate run -c ${file}`;
}
