import { join } from "node:path";
import type { Answer, Command } from "./generator.ts";
import type { GeneratorReport } from "./generator/generator.ts";
import { startNode, type Cleanup } from "./processes.ts";
import { until } from "./until.ts";

export interface LoadOptions {
  readonly port: number;
  readonly connections?: number;
  readonly devices?: number;
  readonly topic?: string;
  readonly devicePrefix?: string;
  readonly username?: string;
  readonly password?: string;
  readonly inFlightMax?: number;
  /** Messages per second in open loop, or `fast` with the number that may be sent until `allow` raises it. */
  readonly rate?: number;
  readonly fast?: { readonly allowed: number };
}

/** The load generator in a process of its own. */
export interface Load {
  readonly pid: number;
  allow(total: number): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Latencies in later reports are of what is acknowledged from now on. */
  forgetLatencies(): Promise<void>;
  report(): Promise<GeneratorReport>;
  /** Stops the load, waits for the PUBACKs that are still missing, at most this long, and ends the process. */
  finish(withinMs?: number): Promise<GeneratorReport>;
}

type Question = Command extends infer Each ? (Each extends Command ? Omit<Each, "id"> : never) : never;

export function startLoad(t: Cleanup, options: LoadOptions): Load {
  const program = join(import.meta.dirname, "generator.ts");
  const running = startNode(t, [program, ...flagsOf(options)], { ipc: true });
  const waiting = new Map<number, (answer: Answer) => void>();
  let last = 0;
  running.child.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const ask = (question: Question): Promise<Answer> => {
    const id = ++last;
    running.child.send({ ...question, id });
    const died = running.exited.then(() => {
      throw new Error(`the generator ended: ${running.stderr}`);
    });
    return Promise.race([new Promise<Answer>((resolve) => waiting.set(id, resolve)), died]);
  };
  const reportOf = async (question: Question): Promise<GeneratorReport> => (await ask(question)).report!;
  return {
    pid: running.pid,
    allow: async (total) => void (await ask({ type: "allow", total })),
    pause: async () => void (await ask({ type: "pause" })),
    resume: async () => void (await ask({ type: "resume" })),
    forgetLatencies: async () => void (await ask({ type: "forgetLatencies" })),
    report: () => reportOf({ type: "report" }),
    finish: async (withinMs = 30_000) => {
      const report = await reportOf({ type: "finish", withinMs });
      await running.kill();
      return report;
    },
  };
}

/** From then on each session is durable: the broker stores it with the first message. */
export async function everyDeviceAcked(load: Load): Promise<void> {
  const all = ({ devices }: GeneratorReport): boolean => Object.values(devices).every(({ acked }) => acked.length > 0);
  await until("every device was acknowledged", () => load.report(), all, { withinMs: 20_000 });
}

function flagsOf(options: LoadOptions): string[] {
  const flags: Record<string, string | number | undefined> = {
    port: options.port,
    connections: options.connections,
    devices: options.devices,
    topic: options.topic,
    "device-prefix": options.devicePrefix,
    username: options.username,
    password: options.password,
    "in-flight": options.inFlightMax,
    rate: options.rate,
    allow: options.fast?.allowed,
  };
  const given = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]));
  return options.fast === undefined ? given : [...given, "--fast"];
}
