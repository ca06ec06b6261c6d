import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { nodeEnvironment, nodeFlags } from "../../bin/runtime.js";
import { startNode, type RunningProcess } from "../support/processes.ts";
import { until } from "../support/until.ts";

const main = join(import.meta.dirname, "../../edge/main.ts");

export interface Agent {
  readonly process: RunningProcess;
  readonly consoleUrl: string;
  readonly token: string;
}

/** An agent as the launcher starts it, from the configuration `text` in `folder`. */
export async function startAgent(t: TestContext, folder: string, text: string): Promise<Agent> {
  const file = join(folder, "tidegate.yaml");
  writeFileSync(file, text);
  const process = startNode(t, [...nodeFlags, main, "run", "-c", file, "--json"], { env: nodeEnvironment({}) });
  const line = await until(
    "the agent runs",
    () => {
      if (!process.running) throw new Error(process.stdout + process.stderr);
      return process.stdout.split("\n").find((candidate) => candidate.includes('"started"'));
    },
    Boolean,
    { withinMs: 40_000 },
  );
  const { consoleUrl, consoleToken } = JSON.parse(line!) as { consoleUrl: string; consoleToken: string };
  return { process, consoleUrl, token: consoleToken };
}

/** A port that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
