import { Command } from "commander";
import { TidegateError, exitCodes } from "../../src/errors.ts";
import type { RunningAgent } from "../agent.ts";
import { agentSetup, loadEdgeConfig } from "../config.ts";
import type { AgentSetup } from "../agent-setup.ts";
import { whenStill } from "../still-file.ts";
import { defaultConfigFile, type Cli, type Terminal } from "./terminal.ts";

interface RunFlags {
  readonly config: string;
  readonly json: boolean;
}

/** How long outstanding sends are waited for when the agent is told to stop. What is not sent by then stays on disk. */
const stopWithinMs = 5000;

export function runCommand(cli: Cli): Command {
  return new Command("run")
    .description("start the gateway; SIGTERM or Ctrl-C stops it cleanly, SIGHUP reads the configuration again")
    .option("-c, --config <file>", "configuration file", defaultConfigFile)
    .option("--json", "print `started` and `stopped` as JSON lines on standard output", false)
    .addHelpText(
      "after",
      "\nThe log goes to standard error, one JSON object per line. A second Ctrl-C ends the process at once: nothing that\nwas acknowledged is lost by that either.\n\nExample:\n  tidegate run -c /etc/tidegate/tidegate.yaml\n",
    )
    .action((flags: RunFlags) => run(cli, flags));
}

async function run({ terminal, version }: Cli, { config, json }: RunFlags): Promise<void> {
  let loaded = loadEdgeConfig(config);
  const readAgain = async (): Promise<AgentSetup> => {
    await whenStill(config);
    loaded = loadEdgeConfig(config, loaded.profiles.loaded);
    return agentSetup(loaded, version);
  };
  for (const warning of loaded.warnings) terminal.err(`warning: ${warning}`);
  // Loaded only now: a wrong configuration is told without waiting for every connector's library.
  const { startAgent } = await import("../agent.ts");
  const stop = stopSignal();
  const agent = await startAgent(agentSetup(loaded, version), readAgain);
  reloadOnSignal(agent);
  announce(terminal, json, agent);
  const ended = await Promise.race([stop, agent.died]);
  if (ended instanceof Error) {
    throw new TidegateError("WORKER_DIED", ended.message, {
      cause: ended,
      hint: "Start the agent again: everything that was acknowledged is on disk.",
    });
  }
  await agent.stop(stopWithinMs);
  if (json) terminal.out(JSON.stringify({ event: "stopped" }));
}

/** systemd signals every process of a service, and the launcher passes its signal on: both mean the same stop. */
const sameSignalMs = 1000;

/** Resolves at the first SIGTERM or SIGINT; a later one ends the process. */
function stopSignal(): Promise<"stop"> {
  return new Promise((resolve) => {
    let askedMs: number | undefined;
    const onSignal = (): void => {
      const nowMs = performance.now();
      if (askedMs !== undefined && nowMs - askedMs > sameSignalMs) process.exit(exitCodes.software);
      askedMs ??= nowMs;
      resolve("stop");
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}

/** A terminal that is closed says SIGHUP too: there the agent stops, or it would go on unseen. */
function reloadOnSignal(agent: RunningAgent): void {
  if (process.stdin.isTTY) process.on("SIGHUP", () => process.kill(process.pid, "SIGTERM"));
  else process.on("SIGHUP", () => void agent.reload());
}

function announce(terminal: Terminal, json: boolean, agent: RunningAgent): void {
  if (json) {
    const { epoch, consoleUrl, consoleToken, viewerToken } = agent;
    terminal.out(JSON.stringify({ event: "started", pid: process.pid, epoch, consoleUrl, consoleToken, viewerToken }));
    return;
  }
  terminal.err(`console: ${agent.consoleUrl}`);
  const { consoleToken, viewerToken } = agent;
  if (consoleToken !== undefined) terminal.err(`access token, shown only this once: ${consoleToken}`);
  if (viewerToken !== undefined) terminal.err(`token that may look and not act, shown only this once: ${viewerToken}`);
}
