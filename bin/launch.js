import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeEnvironment, nodeFlags } from "./runtime.js";

const here = dirname(fileURLToPath(import.meta.url));

/** Runs a program of this project in place of this process: same arguments, terminal, signals and exit code. */
export function runWithNode24(program) {
  const node = node24();
  if (node === undefined) {
    console.error(
      "error: Node 24 is not there\nhint:  run `npm ci --ignore-scripts` in the project's folder; it brings Node 24 along",
    );
    process.exit(69);
  }
  const child = spawn(node, [...nodeFlags, join(here, program), ...process.argv.slice(2)], {
    stdio: "inherit",
    env: nodeEnvironment(process.env),
  });
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl-C to the child too: it decides when to end. Other senders reach only us.
  process.on("SIGINT", () => {
    if (!process.stdin.isTTY) child.kill("SIGINT");
  });
  child.once("error", (error) => {
    console.error(`error: ${node} cannot be run: ${error.message}`);
    process.exit(69);
  });
  child.once("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 70);
    // Our own end tells the same story to whoever waits for us.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function node24() {
  const brought = join(here, "..", "node_modules", ".bin", "node");
  if (existsSync(brought)) return brought;
  return Number(process.versions.node.split(".", 1)[0]) >= 24 ? process.execPath : undefined;
}
