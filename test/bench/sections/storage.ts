import type { Bench } from "../bench.ts";
import { runProgram } from "../run-program.ts";
import type { StorageReport } from "../programs/storage.ts";

/** What a plant at 100 messages/s costs of a small disk: its space, and its life. */
export async function measureStorage(bench: Bench): Promise<void> {
  const args = [bench.folder, String(bench.options.storageSeconds)];
  const report = await runProgram<StorageReport>("storage.ts", args);
  bench.results.add({
    "storage.bytes": report.bytesPerObservation,
    "storage.redelivery": report.redeliveryBytes / 1e6,
    "storage.writtenPerDay": report.writtenGbPerDay,
    "storage.simulated": report.seconds,
  });
}
