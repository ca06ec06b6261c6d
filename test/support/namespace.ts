import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { startProcess, temporaryFolder, type Cleanup } from "./processes.ts";
import { until } from "./until.ts";

/** A file system of its own size, in a user and mount namespace of its own: no root is needed, nobody else sees it. */
export interface SmallFileSystem {
  /** The folder as programs see it that `wrapper` started. */
  readonly folder: string;
  /** The same folder as this process sees it. */
  readonly seenFromHere: string;
  /** Copies a folder out of it: SQLite does not open files through `seenFromHere`. */
  copy(name: string): Promise<string>;
  /** Runs a program inside. */
  wrapper(): string[];
}

export async function makeSmallFileSystem(t: Cleanup, megabytes: number): Promise<SmallFileSystem> {
  const folder = join(await temporaryFolder(t), "small");
  await mkdir(folder);
  const script = `mount -t tmpfs -o size=${megabytes}m tmpfs "$0" && echo mounted && exec sleep infinity`;
  // It lives as long as its holder.
  const holder = startProcess(t, "unshare", ["-rm", "sh", "-c", script, folder]);
  await until("the file system is mounted", () => {
    if (!holder.running) throw new Error(`unshare failed: ${holder.stderr}`);
    return holder.stdout.includes("mounted");
  });
  const seenFromHere = `/proc/${holder.pid}/root${folder}`;
  return {
    folder,
    seenFromHere,
    copy: async (name) => {
      const target = join(await temporaryFolder(t), name);
      await cp(join(seenFromHere, name), target, { recursive: true });
      return target;
    },
    wrapper: () => ["nsenter", `--target=${holder.pid}`, "--user", "--mount", "--preserve-credentials", "--"],
  };
}
