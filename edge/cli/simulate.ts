import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { exitCodes } from "../../src/errors.ts";
import type { Cli } from "./terminal.ts";

const program = fileURLToPath(new URL("../simulate/main.ts", import.meta.url));

/** The plant runs as a process of its own: it is a counterparty of the gateway, not a part of it. */
export function simulateCommand(cli: Cli): Command {
  return new Command("simulate")
    .description(
      "run a simulated plant: pumps and sensors over MQTT, a press line over OPC UA (--help lists its options)",
    )
    .helpOption(false)
    .argument("[options...]", "options of the simulator")
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (options: readonly string[]) => {
      const child = spawn(process.execPath, [program, ...options], { stdio: "inherit" });
      // A terminal sends SIGINT to both of us; the child ends by itself and we report how.
      const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
      const ignore = (): void => undefined;
      process.on("SIGTERM", pass).on("SIGINT", ignore);
      const [code] = (await once(child, "exit")) as [number | null];
      process.off("SIGTERM", pass).off("SIGINT", ignore);
      cli.exitCode = code ?? exitCodes.software;
    });
}
