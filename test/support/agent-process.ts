import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

const main = join(import.meta.dirname, "../../edge/main.ts");

export interface AgentProcess {
  readonly process: ChildProcess;
  readonly consoleUrl: string;
  /** At the first start only. */
  readonly consoleToken: string | undefined;
  readonly viewerToken: string | undefined;
}

/** The agent as a process of its own; killed at the end of the test. */
export async function startAgentProcess(t: TestContext, config: string): Promise<AgentProcess> {
  const child = spawn(process.execPath, [main, "run", "-c", config, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  return { process: child, ...(JSON.parse(line) as Omit<AgentProcess, "process">) };
}

export async function endAgentProcess({ process: child }: AgentProcess, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
}
