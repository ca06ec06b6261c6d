import { connect } from "node:net";
import { startProcess, type Cleanup, type Exit, type RunningProcess } from "./processes.ts";
import { until } from "./until.ts";

/** One of our programs under a supervisor that starts it again after each kill. */
export interface Service {
  readonly name: string;
  readonly pid: number;
  readonly starts: number;
  /** Everything that the running process printed; the last process if it is down. */
  readonly output: string;
  /** Ends that nobody asked for: a promise broken (DESIGN P5) unless the test says otherwise. */
  readonly unasked: readonly string[];
  /** Resolves when the process that runs now has ended, asked or not. */
  readonly exited: Promise<Exit>;
  start(): void;
  /** Resolves when the process accepts connections on its port. */
  ready(): Promise<void>;
  kill(): Promise<void>;
  /** SIGTERM. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly name: string;
  /** Arguments of node: the program and its own. */
  readonly args: readonly string[];
  /** A port of 127.0.0.1 that the program listens on when it is ready. */
  readonly port: number;
  readonly cwd?: string;
  /** Added to the environment of the test. */
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  /** Asked at each start: a program that runs ours in place of itself, for example `prlimit --nofile=64`. */
  readonly wrapper?: () => readonly string[];
}

const readyWithinMs = 30_000;

export function makeService(t: Cleanup, options: ServiceOptions): Service {
  return new Supervised(t, options);
}

class Supervised implements Service {
  readonly name: string;
  readonly unasked: string[] = [];
  starts = 0;
  readonly #t: Cleanup;
  readonly #options: ServiceOptions;
  #running: RunningProcess | undefined;
  #asked = false;

  constructor(t: Cleanup, options: ServiceOptions) {
    this.name = options.name;
    this.#t = t;
    this.#options = options;
  }

  get #process(): RunningProcess {
    if (this.#running === undefined) throw new Error(`${this.name} was never started`);
    return this.#running;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get output(): string {
    return this.#process.stdout + this.#process.stderr;
  }

  get exited(): Promise<Exit> {
    return this.#process.exited;
  }

  start(): void {
    const { args, cwd, env, wrapper } = this.#options;
    const [command, ...rest] = [...(wrapper?.() ?? []), process.execPath, ...args];
    const given = { ...(cwd === undefined ? {} : { cwd }), ...(env === undefined ? {} : { env }) };
    const running = startProcess(this.#t, command!, rest, given);
    this.#running = running;
    this.#asked = false;
    this.starts += 1;
    void running.exited.then(({ code, signal }) => {
      if (this.#asked || this.#running !== running) return;
      this.unasked.push(`${this.name} ended by itself (${code ?? signal}): ${running.stderr.slice(-2000)}`);
    });
  }

  async ready(): Promise<void> {
    await until(`${this.name} listens`, () => accepts(this.#options.port), Boolean, { withinMs: readyWithinMs });
  }

  async kill(): Promise<void> {
    this.#asked = true;
    await this.#process.kill();
  }

  async stop(): Promise<void> {
    this.#asked = true;
    await this.#process.stop();
  }
}

/** True when something accepts a TCP connection on this port of 127.0.0.1. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    return await new Promise((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
