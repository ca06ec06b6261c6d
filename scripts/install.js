// Plain JavaScript for Node 20: this runs before anything is installed. It brings the dependencies, Node 24 among them.
import { spawn } from "node:child_process";
import { lstatSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const project = dirname(dirname(fileURLToPath(import.meta.url)));
const binFolder = join(project, "node_modules", ".bin");
/** Node 24, whatever the machine has. */
export const node = join(binFolder, "node");

/**
 * The environment of everything that runs after the installation: Node 24 and the tools come first, and stripped types
 * are kept for the next process.
 */
export function toolEnvironment() {
  const PATH = `${binFolder}${delimiter}${process.env.PATH ?? ""}`;
  return { NODE_COMPILE_CACHE: join(project, ".cache", "compile"), ...process.env, PATH };
}

/** Runs `npm ci` without install scripts when node_modules is absent or older than the lock file. Returns an exit code. */
export async function install() {
  if (isCurrent()) return 0;
  console.log("installing dependencies (npm ci --ignore-scripts)");
  // npm must not run on the Node that it is about to replace. Its warnings are about Node 20, which only installs.
  const path = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== binFolder);
  const code = await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    ...process.env,
    PATH: path.join(delimiter),
  });
  if (code !== 0) console.error("npm ci failed: check the connection to the npm registry and run again");
  return code;
}

function isCurrent() {
  const modules = join(project, "node_modules");
  // A linked node_modules belongs to whoever linked it.
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) return true;
  const installed = statSync(join(modules, ".package-lock.json"), { throwIfNoEntry: false });
  return installed !== undefined && installed.mtimeMs >= statSync(join(project, "package-lock.json")).mtimeMs;
}

/** Runs a program in the project folder with our terminal, passes signals on and returns its exit code. */
export function run(command, args, env = toolEnvironment()) {
  const child = spawn(command, args, { cwd: project, env, stdio: "inherit" });
  const pass = (signal) => {
    // Ctrl-C in a terminal reaches the child by itself: a second one would mean "at once".
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, pass);
  return new Promise((resolve) => {
    child.once("error", (error) => {
      console.error(`${command} cannot be run: ${error.message}`);
      resolve(69);
    });
    child.once("exit", (code, signal) => {
      for (const name of signals) process.off(name, pass);
      resolve(code ?? 128 + signalNumber(signal));
    });
  });
}

function signalNumber(signal) {
  return { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await install();
