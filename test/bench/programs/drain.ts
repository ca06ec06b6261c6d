import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Forwarder } from "../../../edge/forward/forwarder.ts";
import { JournalPort } from "../../../edge/forward/journal-port.ts";
import { Journal } from "../../../edge/journal/journal.ts";
import { Store } from "../../../edge/journal/store.ts";
import type { Sink, SinkDescription } from "../../../edge/sink.ts";
import { systemClock } from "../../../src/clock.ts";
import { forwardDefaults } from "../../support/forward-defaults.ts";
import { GroupMaker, storeOptions } from "../../support/records.ts";
import { mergeAll } from "../../support/stored.ts";
import { messagesPerSecond, plantSeconds } from "../plant-mix.ts";

/*
 * A backlog of the plant's records, read by the forwarder from the journal's own thread and given to a sink that only
 * acknowledges: once in merged blocks, as after a long quiet outage, once in those of a burst. Prints one JSON object.
 *
 *   node test/bench/programs/drain.ts <folder> <observations>
 */
export interface DrainReport {
  readonly mergedPerSecond: number;
  readonly burstPerSecond: number;
}

const partitions = 12;
const [folder = ".", count = "1000000"] = process.argv.slice(2);

class AcknowledgingSink implements Sink {
  readonly valueBytesMax = 1_000_000;
  send(): ReturnType<Sink["send"]> {
    return Promise.resolve({ kind: "accepted" });
  }
  describe(topics: readonly string[]): Promise<SinkDescription> {
    const found = new Map(topics.map((topic) => [topic, { partitions, id: topic }]));
    return Promise.resolve({ reachable: true, fault: undefined, topics: found, recreated: [], certificates: [] });
  }
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

function fill(secondsPerCommit: number): ReturnType<typeof storeOptions> {
  const options = storeOptions(mkdtempSync(join(folder, "drain-")), { partitions, quotaBytes: 10_000_000_000 });
  const store = Store.open(options, systemClock);
  const maker = new GroupMaker(partitions, 4_194_304);
  const plant = plantSeconds(systemClock.nowMicros());
  for (let stored = 0; stored < Number(count); stored += secondsPerCommit * messagesPerSecond) {
    const rows = Array.from({ length: secondsPerCommit }, () => plant.next().value).flat();
    store.commit(maker.group(rows.map((row) => ({ stream: "observations" as const, ...row }))));
    maker.forget();
  }
  mergeAll(store);
  store.close();
  return options;
}

async function drain(options: ReturnType<typeof storeOptions>): Promise<number> {
  await using journal = await Journal.open(options);
  const port = new JournalPort(await journal.forwardPort());
  const forwarder = new Forwarder({
    sink: new AcknowledgingSink(),
    journal: port,
    clock: systemClock,
    options: forwardDefaults,
    topicPrefix: "drain",
    partitions,
  });
  const unsent = async (): Promise<number> => (await journal.usage()).head.lanes.telemetry.unsentRecords;
  const all = await unsent();
  assert(all >= Number(count) * 0.99, "the backlog is there");
  const startMs = performance.now();
  await forwarder.start();
  while ((await unsent()) > 0) await pause(20);
  const seconds = (performance.now() - startMs) / 1000;
  await forwarder.stop(1000);
  port.close();
  return all / seconds;
}

const merged = fill(20);
const burst = fill(70);
const report: DrainReport = { mergedPerSecond: await drain(merged), burstPerSecond: await drain(burst) };
console.log(JSON.stringify(report));
process.exit(0);
