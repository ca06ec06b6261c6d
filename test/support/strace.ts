import { startProcess, type Cleanup } from "./processes.ts";
import { until } from "./until.ts";

/*
 * Faults of the operating system, made with strace: what these functions return is put before a command line. strace
 * runs as the grandchild (-D), so that the process id and its signals are the program's own. fsync and fdatasync are
 * named both: which one is used depends on the platform.
 */
const wrapper = ["strace", "-D", "-f", "-qq", "-o", "/dev/null"];
/** Only the named system calls stop in the tracer, the others cost nothing. Signals cannot be injected this way (strace 6.1). */
const seccomp = "--seccomp-bpf";

/** Kills the program when one of its threads makes this system call for the nth time. */
export function killingAt(syscall: string, nth: number): string[] {
  return [...wrapper, "-e", `trace=${syscall}`, "-e", `inject=${syscall}:signal=KILL:when=${nth}`];
}

/** Every sync takes this much longer. */
export function slowSync(ms: number): string[] {
  const syncs = "fsync,fdatasync";
  return [...wrapper, seccomp, "-e", `trace=${syncs}`, "-e", `inject=${syncs}:delay_exit=${ms * 1000}`];
}

/** Writes and syncs of files that fail while this lasts. */
const writes = "pwrite64,pwritev,fsync,fdatasync,ftruncate,fallocate";

export interface SickDisk {
  /** The disk works again. */
  heal(): Promise<void>;
}

/** Joins a running process and answers its writes to files as a read-only file system does; needs the right to trace it. */
export async function refusingWrites(t: Cleanup, pid: number): Promise<SickDisk> {
  const inject = ["-e", `trace=${writes}`, "-e", `inject=${writes}:error=EROFS`];
  const tracer = startProcess(t, "strace", ["-f", "-o", "/dev/null", ...inject, "-p", String(pid)]);
  await until("strace has joined", () => {
    if (!tracer.running) throw new Error(`strace ended: ${tracer.stderr}`);
    return tracer.stderr.includes("attached");
  });
  return {
    heal: async () => {
      tracer.child.kill("SIGINT");
      await tracer.exited;
    },
  };
}

/** The nth sync fails with EIO; the ones after it work. */
export function failingSync(nth: number): string[] {
  const syncs = "fsync,fdatasync";
  // Not -D: the caller waits for the program, and strace ends with its exit code.
  const flags = ["-f", "-qq", "-o", "/dev/null", seccomp];
  return ["strace", ...flags, "-e", `trace=${syncs}`, "-e", `inject=${syncs}:error=EIO:when=${nth}`];
}
