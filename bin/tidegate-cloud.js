#!/usr/bin/env node
// Starts the cloud service with the Node.js that the project brings along; plain JavaScript for any Node >= 20.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const own = join(root, "node_modules", ".bin", "node");
const node = existsSync(own) ? own : process.execPath;

const child = spawn(node, [join(root, "cloud", "main.ts"), ...process.argv.slice(2)], { stdio: "inherit" });
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  process.stderr.write(`tidegate-cloud: ${error.message}\n`);
  process.exitCode = 70;
});
child.on("exit", (code, signal) => {
  process.exitCode = signal === null ? (code ?? 70) : 70;
});
