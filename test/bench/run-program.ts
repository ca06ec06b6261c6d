import { join } from "node:path";
import { startNode } from "../support/processes.ts";
import { Scope } from "./scope.ts";

const programs = join(import.meta.dirname, "programs");

/** Runs a program of `programs/` to its end and reads the one JSON object that it prints. */
export async function runProgram<Report>(name: string, args: readonly string[]): Promise<Report> {
  await using scope = new Scope();
  const running = startNode(scope, [join(programs, name), ...args]);
  const { code } = await running.exited;
  if (code !== 0) throw new Error(`${name} failed: ${running.stderr}`);
  return JSON.parse(running.stdout) as Report;
}
