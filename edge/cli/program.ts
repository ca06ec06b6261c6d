import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { exitCodes } from "../../src/errors.ts";
import { alertCommand } from "./alert/command.ts";
import { bufferCommand } from "./buffer/command.ts";
import { checkCommand } from "./check.ts";
import { initCommand } from "./init.ts";
import { modelCommand } from "./model/command.ts";
import { quarantineCommand } from "./quarantine/command.ts";
import { reloadCommand } from "./reload.ts";
import { runCommand } from "./run.ts";
import { simulateCommand } from "./simulate.ts";
import { printError, type Cli, type Terminal } from "./terminal.ts";
import { topicsCommand } from "./topics.ts";

const help = `
Exit codes:
   0  done, or the answer is yes
   1  the answer is no: a topic is missing, a file is already there, a journal is damaged, a change needs a restart
  64  wrong usage of the command line
  65  a journal or a model package is none, or is damaged; or data that no model can be trained on
  66  there is no journal, or no model package
  69  something needed is not available: a port is taken, Kafka does not answer
  70  an unexpected failure
  73  another process uses the data folder
  77  the console does not know the token, or it may look and not act; nobody trusted has signed a model package
  78  the configuration, a profile or a secret file is wrong

Examples:
  tidegate init                 write tidegate.yaml here
  tidegate check                look for mistakes in it
  tidegate run                  start the gateway
  tidegate run -c /etc/tidegate/tidegate.yaml
`;

/** Runs one command line and returns the exit code. Never throws. */
export async function runCli(args: readonly string[], terminal: Terminal): Promise<number> {
  const cli: Cli = { terminal, version: packageJson.version, exitCode: exitCodes.ok };
  // Wherever it stands: somebody adds it at the end of the line that failed.
  const debug = args.includes("--debug");
  const rest = args.filter((arg) => arg !== "--debug");
  try {
    await makeProgram(cli).parseAsync(rest, { from: "user" });
    return cli.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    return printError(terminal, error, { debug, json: args.includes("--json") });
  }
}

function makeProgram(cli: Cli): Command {
  const program = new Command("tidegate")
    .description("Industrial IoT edge gateway: what it has acknowledged is on disk, and reaches Kafka.")
    .version(cli.version)
    .option("--debug", "print the stack of an error")
    .enablePositionalOptions()
    .addHelpText("after", help);
  const commands = [
    initCommand(cli),
    checkCommand(cli),
    runCommand(cli),
    reloadCommand(cli),
    simulateCommand(cli),
    topicsCommand(cli),
    bufferCommand(cli),
    quarantineCommand(cli),
    alertCommand(cli),
    modelCommand(cli),
  ];
  for (const command of commands) program.addCommand(command);
  prepare(program, cli.terminal);
  return program;
}

/** Errors of usage are ours to end with, and everything is written where the caller said. */
function prepare(command: Command, terminal: Terminal): void {
  command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .showHelpAfterError("(--help shows what is possible)");
  for (const inner of command.commands) prepare(inner, terminal);
}
