import { readlinkSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/**
 * Lets other threads go first, by as much as `nice` says (0 to 19, see nice(2)): 10 is a tenth of the processor time of a
 * thread that has not yielded, where both want all of it. On Linux every thread has a priority of its own; elsewhere, and
 * where /proc is not there, nothing happens. Of the thread that calls it, and those that it starts later.
 */
export function yieldToOthers(nice: number): void {
  if (process.platform !== "linux") return;
  let self: string;
  try {
    self = readlinkSync("/proc/thread-self");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const thread = Number(self.slice(self.lastIndexOf("/") + 1));
  // Who yields more already, by the service's own setting, may not come back.
  if (getPriority(thread) < nice) setPriority(thread, nice);
}
