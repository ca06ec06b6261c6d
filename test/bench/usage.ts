import { readdirSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/*
 * What Linux says of a process (proc(5)). Times in /proc are in ticks of USER_HZ, which is 100 on every
 * architecture that Node 24 runs on.
 */
const ticksPerSecond = 100;

export interface Usage {
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
  /** Bytes that the process made the kernel write to disk; a page that is changed twice between two syncs counts once. */
  readonly writtenBytes: number;
}

export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    cpuSeconds: cpuSecondsIn(readFileSync(`/proc/${pid}/stat`, "utf8")),
    rssBytes: field(status, "VmRSS") * 1024,
    peakRssBytes: field(status, "VmHWM") * 1024,
    writtenBytes: field(readFileSync(`/proc/${pid}/io`, "utf8"), "write_bytes"),
  };
}

/** Processor time of each thread, in seconds, by the thread's name; threads of one name are added up. */
export function threadCpuSeconds(pid: number): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const id of readdirSync(`/proc/${pid}/task`)) {
    const name = readFileSync(`/proc/${pid}/task/${id}/comm`, "utf8").trim();
    const stat = readFileSync(`/proc/${pid}/task/${id}/stat`, "utf8");
    seconds.set(name, (seconds.get(name) ?? 0) + cpuSecondsIn(stat));
  }
  return seconds;
}

/** Of /proc/<pid>/stat: the program's name in parentheses may itself hold spaces and parentheses. */
export function cpuSecondsIn(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  return (user + system) / ticksPerSecond;
}

function field(text: string, name: string): number {
  const value = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`the kernel does not report ${name}`);
  return Number(value);
}

/** Processor time of all processes; not of interrupts: those of our own connections would pass for somebody else's. */
function machineCpuSeconds(): number {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0]!;
  const [user = 0, nice = 0, system = 0] = line.trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system) / ticksPerSecond;
}

/** How much of the machine others took away during a measurement: noise that the reader has to know of. */
export class Noise {
  readonly #pids: readonly number[];
  readonly #startMs = performance.now();
  readonly #machine = machineCpuSeconds();
  readonly #own: number;

  /** `pids`: the processes of the benchmark, other than this one. */
  constructor(pids: readonly number[]) {
    this.#pids = [...pids, process.pid];
    this.#own = this.#ownCpuSeconds();
  }

  #ownCpuSeconds(): number {
    return this.#pids.reduce((sum, pid) => sum + cpuSecondsIn(readFileSync(`/proc/${pid}/stat`, "utf8")), 0);
  }

  /** Percent of all processors since the start. */
  percent(): number {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const others = machineCpuSeconds() - this.#machine - (this.#ownCpuSeconds() - this.#own);
    return Math.max(0, (100 * others) / (seconds * cpus().length));
  }
}

/** Bytes that this process has given to write calls, sockets and terminals included. */
export function syscallBytes(): number {
  return field(readFileSync("/proc/self/io", "utf8"), "wchar");
}
