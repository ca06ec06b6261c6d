// What an imported network costs: `node test/bench/micro/networks.ts [onnx | tfjs-layers | tfjs-graph]`. Needs the folders
// of `libraries/` installed. Processor time of the whole process per row, so that the way to the thread and back counts.
// Memory is that of the first network of the process: name one.
import { NetworkThread } from "../../../edge/inference/networks/network-thread.ts";
import { denseNetwork } from "../../support/networks/networks.ts";

const sizes = [64, 32, 16, 1];
const seconds = 1.5;

for (const format of (["onnx", "tfjs-layers", "tfjs-graph"] as const).filter(
  (name) => process.argv[2] === undefined || process.argv[2] === name,
)) {
  const before = process.memoryUsage.rss();
  const startMs = performance.now();
  const thread = new NetworkThread(denseNetwork(format, sizes), {
    setback: (reason) => console.log(reason),
    outOfService: (reason) => console.log(reason),
  });
  await thread.loaded;
  const loadMs = performance.now() - startMs;
  const costs: string[] = [];
  for (const count of [1, 16, 256]) costs.push(`${count}: ${(await microsPerRow(thread, count)).toFixed(2)}`);
  const megabytes = (process.memoryUsage.rss() - before) / 1e6;
  console.log(`${format} on ${thread.library}: CPU-µs per row in batches of ${costs.join(", ")}`);
  console.log(`  in memory after ${loadMs.toFixed(0)} ms, RSS + ${megabytes.toFixed(0)} MB`);
  await thread.close();
}

async function microsPerRow(thread: NetworkThread, count: number): Promise<number> {
  const rows = Float32Array.from({ length: count * 64 }, (_, i) => Math.sin(i));
  for (let warm = 0; warm < 200; warm++) await thread.run(rows, count);
  const start = process.cpuUsage();
  const endMs = performance.now() + seconds * 1000;
  let answered = 0;
  while (performance.now() < endMs) {
    await thread.run(rows, count);
    answered += count;
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / answered;
}
