/**
 * Processor time of this process for `work`, in microseconds per item: the least of several rounds, so that a busy
 * machine and the first, not yet compiled round do not count.
 */
export function cpuMicrosPer(items: number, work: () => void, rounds = 3): number {
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / items);
  }
  return least;
}
