import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { zstdCompressSync } from "node:zlib";
import { OfflineJournal } from "../../../edge/journal/offline/reader.ts";
import { Store } from "../../../edge/journal/store.ts";
import { flash } from "../../../edge/journal/options.ts";
import { fast } from "../../../edge/journal/block.ts";
import { RedeliveryLog } from "../../../edge/pipeline/redelivery.ts";
import { ManualClock } from "../../../src/clock.ts";
import { GroupMaker, storeOptions } from "../../support/records.ts";
import { messagesPerSecond, plantSeconds } from "../plant-mix.ts";
import { syscallBytes } from "../usage.ts";

/*
 * The journal of a plant over simulated hours, as fast as the disk allows: the commits, settlements, cursors, manifests
 * and merges of the preset `flash` at 100 messages/s. Prints one JSON object.
 *
 *   node test/bench/programs/storage.ts <folder> <seconds>
 */
export interface StorageReport {
  /** Of the file at the end, all tables and manifests included, without the ids of recent messages, which are bounded. */
  readonly bytesPerObservation: number;
  readonly redeliveryBytes: number;
  /** What write calls were given in a day of this: log, checkpoints and merges. */
  readonly writtenGbPerDay: number;
  readonly observations: number;
  readonly seconds: number;
}

const [folder = ".", seconds = "600"] = process.argv.slice(2);
const clock = new ManualClock();
const options = storeOptions(mkdtempSync(join(folder, "storage-")), { partitions: 12, ...flash });
const store = Store.open(options, clock);
const maker = new GroupMaker(options.partitions);
const redeliveries = new RedeliveryLog();
const days = plantSeconds(clock.nowMicros());
const commitsPerSecond = 1_000 / flash.commitLingerMs;

const before = syscallBytes();
let observations = 0;
for (let second = 1; second <= Number(seconds); second++) {
  const rows = days.next().value;
  const perCommit = Math.ceil(rows.length / commitsPerSecond);
  for (let at = 0; at < rows.length; at += perCommit) {
    const records = rows.slice(at, at + perCommit).map((row) => ({ stream: "observations" as const, ...row }));
    records.forEach(({ device }, i) =>
      redeliveries.note(`broker:plant:${device}`, (second % 65_535) + 1, second * 31 + i),
    );
    const state = [["scorer:cursor", String(second)]] as const;
    const committed = store.commit(maker.group(records, { redelivery: redeliveries.seal(), state }));
    if (committed.kind === "full") throw new Error(committed.message);
    maker.forget();
    observations += records.length;
    clock.advanceMs(flash.commitLingerMs);
    // Kafka has it by the next commit.
    for (const { lane, id } of committed.blocks) store.settle(lane, 1, id);
  }
  if (second % flash.manifestSeconds === 0) store.writeManifest();
  merge();
}
store.flush();
const written = syscallBytes() - before;
store.close();
const file = join(options.folder, "journal.db");
const all = bytesUsed();
const db = new DatabaseSync(file);
db.exec("DELETE FROM redelivery");
db.close();
const kept = bytesUsed();
const report: StorageReport = {
  bytesPerObservation: kept / observations,
  redeliveryBytes: all - kept,
  writtenGbPerDay: ((written / Number(seconds)) * 86_400) / 1e9,
  observations,
  seconds: observations / messagesPerSecond,
};
console.log(JSON.stringify(report));

function bytesUsed(): number {
  using closed = OfflineJournal.open(file);
  return closed.bytesUsed;
}

/** As the journal's thread does it, without its pauses. */
function merge(): void {
  for (;;) {
    const found = store.findMerge();
    if (found === "nothing") return;
    if (found === "again") continue;
    while (store.takeForMerge(found).more);
    store.finishMerge(found, zstdCompressSync(found.builder!.body(), fast));
  }
}
