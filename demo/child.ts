import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { nodeEnvironment, nodeFlags } from "../bin/runtime.js";

export interface ChildOptions {
  readonly name: string;
  /** Arguments of node: the program and its own. */
  readonly args: readonly string[];
  /** What it prints goes here. */
  readonly logFile: string;
  /** Called with each line of its standard output. */
  readonly onLine?: (line: string) => void;
}

/** One of the site's processes. It has its own process group, so that Ctrl-C reaches only the demo, which knows the order. */
export class Child {
  readonly name: string;
  readonly logFile: string;
  readonly #process: ChildProcess;
  readonly #killWithUs: () => void;

  constructor({ name, args, logFile, onLine }: ChildOptions) {
    this.name = name;
    this.logFile = logFile;
    const child = spawn(process.execPath, [...nodeFlags, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      env: nodeEnvironment(process.env),
    });
    this.#process = child;
    this.#killWithUs = () => void child.kill("SIGKILL");
    process.once("exit", this.#killWithUs);
    child.once("exit", () => process.off("exit", this.#killWithUs));
    const log = createWriteStream(logFile, { flags: "a", mode: 0o600 });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    if (onLine !== undefined) createInterface({ input: child.stdout }).on("line", onLine);
    child.once("close", () => log.end());
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** SIGTERM, then SIGKILL after `withinMs`. Resolves with the exit code when it is gone and its output was read. */
  async stop(withinMs = 20_000): Promise<number | null> {
    if (this.running) this.#process.kill("SIGTERM");
    const hard = setTimeout(() => this.#process.kill("SIGKILL"), withinMs);
    const code = await this.exited();
    clearTimeout(hard);
    return code;
  }

  async exited(): Promise<number | null> {
    if (this.running) await once(this.#process, "close");
    return this.#process.exitCode;
  }
}
