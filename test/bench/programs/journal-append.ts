import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { Store } from "../../../edge/journal/store.ts";
import { systemClock } from "../../../src/clock.ts";
import { GroupMaker, storeOptions } from "../../support/records.ts";
import { preparedRows } from "../prepared.ts";
import { usageOf } from "../usage.ts";

/*
 * Commits prepared groups, one after the other, as fast as the disk allows. Prints one JSON object.
 *
 *   node test/bench/programs/journal-append.ts <folder> <seconds>
 */
export interface AppendReport {
  readonly perSecond: number;
  readonly writtenPerObservation: number;
}

const recordsPerGroup = 2000;
const groupCount = 20;
const warmUpGroups = 40;

const [folder = ".", seconds = "3"] = process.argv.slice(2);
const options = storeOptions(mkdtempSync(join(folder, "journal-")), { partitions: 8, quotaBytes: 10_000_000_000 });
const store = Store.open(options, systemClock);
const maker = new GroupMaker(options.partitions);
const rows = preparedRows(recordsPerGroup * groupCount);
const groups = Array.from({ length: groupCount }, (_, i) =>
  maker.group(
    rows
      .slice(i * recordsPerGroup, (i + 1) * recordsPerGroup)
      .map((row) => ({ stream: "observations" as const, ...row })),
  ),
);
let commits = 0;
for (let i = 0; i < warmUpGroups; i++) commitNext();
const before = usageOf(process.pid).writtenBytes;
const startMs = performance.now();
const first = commits;
while (performance.now() - startMs < Number(seconds) * 1000) commitNext();
const observations = (commits - first) * recordsPerGroup;
const report: AppendReport = {
  perSecond: (observations / (performance.now() - startMs)) * 1000,
  writtenPerObservation: (usageOf(process.pid).writtenBytes - before) / observations,
};
store.close();
console.log(JSON.stringify(report));

/** Only the very first group announces the devices: the store must not be told twice. */
function commitNext(): void {
  const group = groups[commits % groupCount]!;
  const stored = store.commit(commits < groupCount ? group : { ...group, newDevices: [] });
  if (stored.kind === "full") throw new Error(stored.message);
  commits += 1;
}
