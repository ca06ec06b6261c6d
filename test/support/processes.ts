import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Anything that runs a function when a test ends: a TestContext, or `{ after }` of node:test itself. */
export interface Cleanup {
  after(fn: () => void | Promise<void>): void;
}

export interface ProcessOptions {
  readonly cwd?: string;
  /** Added to the environment of the test. */
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  /** Opens an IPC channel: `child.send` and `child.on("message")` work. */
  readonly ipc?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The last MiB of standard output and standard error, each. */
  readonly stdout: string;
  readonly stderr: string;
  /** Resolves when the process has ended and its output is complete. */
  readonly exited: Promise<Exit>;
  readonly running: boolean;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<Exit>;
  /** SIGTERM, then SIGKILL after `withinMs`. */
  stop(withinMs?: number): Promise<Exit>;
}

const outputCharactersMax = 2 ** 20;
const alive = new Set<ChildProcess>();
process.once("exit", () => alive.forEach((child) => child.kill("SIGKILL")));

/** Starts a program, keeps its output, and makes sure that it is gone when the test ends, however it ends. */
export function startProcess(
  t: Cleanup,
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): RunningProcess {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe", ...(options.ipc === true ? (["ipc"] as const) : [])],
  });
  const running = new Running(child);
  t.after(async () => {
    await running.kill();
  });
  return running;
}

/** Starts a TypeScript program of this project with the Node that runs the tests. */
export function startNode(t: Cleanup, args: readonly string[], options: ProcessOptions = {}): RunningProcess {
  return startProcess(t, process.execPath, args, options);
}

class Running implements RunningProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<Exit>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    alive.add(child);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout = (this.stdout + text).slice(-outputCharactersMax);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-outputCharactersMax);
    });
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => {
        this.stderr += `${error.message}\n`;
        alive.delete(child);
        if (child.pid === undefined) resolve({ code: null, signal: null });
      });
      child.once("close", (code, signal) => {
        alive.delete(child);
        resolve({ code, signal });
      });
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error(`the process did not start: ${this.stderr}`);
    return this.child.pid;
  }

  get running(): boolean {
    return this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  kill(): Promise<Exit> {
    this.child.kill("SIGKILL");
    return this.exited;
  }

  async stop(withinMs = 10_000): Promise<Exit> {
    this.child.kill("SIGTERM");
    const hard = setTimeout(() => this.child.kill("SIGKILL"), withinMs);
    const exit = await this.exited;
    clearTimeout(hard);
    return exit;
  }
}

/** A folder that is removed when the test ends. */
export async function temporaryFolder(t: Cleanup): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidegate-test-"));
  t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}
