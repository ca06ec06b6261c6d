import { Connection } from "../../edge/journal/connection.ts";
import { Counters } from "../../edge/journal/counters.ts";
import { StateTable } from "../../edge/journal/state-table.ts";
import { Store } from "../../edge/journal/store.ts";
import { systemClock } from "../../src/clock.ts";
import { GroupMaker, storeOptions } from "../support/records.ts";
import { gatewayId, partitions } from "./agent.ts";
import { plantSeconds } from "./plant-mix.ts";

const secondsPerBlock = 70;
const distinctBlocks = 40;
const copiesPerTransaction = 40;

/**
 * Fills a data folder with unsent observations: some blocks as a burst makes them, copied under new ids until they take
 * `bytes`. Their numbers repeat, which a start does not look at. Returns how many observations that are.
 */
export function makeBacklog(folder: string, bytes: number): number {
  const store = Store.open(
    storeOptions(folder, { partitions, gateway: gatewayId, quotaBytes: 4 * bytes }),
    systemClock,
  );
  const maker = new GroupMaker(partitions, 4_194_304);
  const plant = plantSeconds(systemClock.nowMicros());
  const first = store.usage().head.nextBlock;
  for (let i = 0; i < distinctBlocks; i++) {
    const rows = Array.from({ length: secondsPerBlock }, () => plant.next().value).flat();
    store.commit(maker.group(rows.map((row) => ({ stream: "observations" as const, ...row }))));
    maker.forget();
  }
  const { nextBlock } = store.usage().head;
  // As a clean stop leaves it: the next start has no manifest to make up for.
  store.close();
  copyBlocks(folder, first, nextBlock - 1, bytes);
  const connection = new Connection(folder, systemClock.nowMicros());
  const { records } = new Counters(new StateTable(connection)).head.lanes.telemetry;
  connection.close();
  return records;
}

function copyBlocks(folder: string, first: number, last: number, bytes: number): void {
  const connection = new Connection(folder, systemClock.nowMicros());
  const counters = new Counters(new StateTable(connection));
  const { head } = counters;
  const counts = head.lanes.telemetry;
  const one = { ...counts };
  while (counts.bytes < bytes) {
    connection.transaction(() => {
      for (let copy = 0; copy < copiesPerTransaction && counts.bytes < bytes; copy++) {
        const shift = head.nextBlock - first;
        connection.run(
          `INSERT INTO blocks_telemetry SELECT id + ?, epoch, count, stored, mono, crc, data FROM blocks_telemetry WHERE id BETWEEN ? AND ?`,
          shift,
          first,
          last,
        );
        connection.run(
          `INSERT INTO directories_telemetry SELECT id + ?, crc, data FROM directories_telemetry WHERE id BETWEEN ? AND ?`,
          shift,
          first,
          last,
        );
        head.nextBlock += last - first + 1;
        counts.blocks += one.blocks;
        counts.bytes += one.bytes;
        counts.records += one.records;
        counts.unsentRecords += one.unsentRecords;
        counts.unsentBytes += one.unsentBytes;
        head.total.stored += one.records;
      }
      counters.write();
    });
  }
  connection.close();
}
