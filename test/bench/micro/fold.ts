// How many records a second the cloud service folds on one core, store and fsync included, without Kafka.
// usage: node test/bench/micro/fold.ts [records]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { Store } from "../../../cloud/store/store.ts";
import { observation, Offsets, prefix, second, t0, testOptions } from "../../cloud/aggregate/support.ts";

const total = Number(process.argv[2] ?? 200_000);
const deviceCount = 200;
const batchSize = 4000;
const folder = mkdtempSync(join(tmpdir(), "tidegate-fold-"));
const offsets = new Offsets();
const records = Array.from({ length: total }, (_, i) => {
  const device = `device-${i % deviceCount}`;
  const at = Math.floor(i / deviceCount);
  const values = { temperature: 60 + Math.sin(i) * 5, vibration: 0.01 + (i % 97) / 1e4, pressure: 3 + (i % 13) / 10 };
  const path = `acme/berlin/press-shop/line-${(i % deviceCount) % 10}`;
  return offsets.place(observation(device, { seq: at + 1 }, t0 + at * second, values, { path }));
});

const store = Store.open(folder, t0);
const aggregator = new Aggregator(store, prefix, { ...testOptions, cachedWindowsMax: 10_000 });
for (let partition = 0; partition < 4; partition++) {
  aggregator.positions.start({ topic: `${prefix}.observations.v1`, partition, topicId: "id", position: 0 });
}
const began = performance.now();
const cpu = process.cpuUsage();
let longestMs = 0;
for (let at = 0; at < total; at += batchSize) {
  const from = performance.now();
  aggregator.fold(records.slice(at, at + batchSize), t0);
  longestMs = Math.max(longestMs, performance.now() - from);
}
const seconds = (performance.now() - began) / 1000;
const used = process.cpuUsage(cpu);
console.log(
  JSON.stringify({
    records: total,
    recordsPerSecond: Math.round(total / seconds),
    cpuSecondsPerMillion: Number(((used.user + used.system) / total).toFixed(1)),
    longestBatchMs: Math.round(longestMs),
    storeBytesPerRecord: Math.round(store.bytes / total),
    rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20),
  }),
);
store.close();
rmSync(folder, { recursive: true });
