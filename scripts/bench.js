// `npm run bench`: installs what is missing, counterparties included, and runs the benchmarks. Plain JavaScript for Node 20.
import { ensureKafka, ensurePackages } from "./counterparties.js";
import { install, node, run } from "./install.js";

process.exitCode = await bench();

async function bench() {
  const failed = await install();
  if (failed !== 0) return failed;
  for (const problem of [await ensurePackages(["mosquitto"]), await ensureKafka()]) {
    if (problem === undefined) continue;
    console.error(problem);
    return 69;
  }
  // Room for young objects: reading millions of records back is mostly garbage collection otherwise.
  return run(node, ["--max-semi-space-size=64", "test/bench/main.ts", ...process.argv.slice(2)]);
}
