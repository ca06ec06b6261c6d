import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const project = resolve(import.meta.dirname, "../..");

/** Python of the virtual environment with the pinned counterparties; throws with the remedy where it is missing. */
export function venvPython(): string {
  const python = join(project, ".cache/venv/bin/python");
  if (!existsSync(python)) throw new Error("this test needs .cache/venv: run `node scripts/counterparties.js`");
  return python;
}
