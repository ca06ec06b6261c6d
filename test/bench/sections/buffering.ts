import { Value } from "typebox/value";
import { journalOptions, type JournalOptions } from "../../../edge/journal/options.ts";
import { Store } from "../../../edge/journal/store.ts";
import { freePort } from "../../../demo/ports.ts";
import { systemClock } from "../../../src/clock.ts";
import { startLoad } from "../../support/load.ts";
import { assertAlive, gatewayId, partitions, startAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { Scope } from "../scope.ts";
import { keepGoing, measureWindow } from "../window.ts";
import { fleet } from "./end-to-end.ts";

/** How fast the buffer fills while Kafka is away, with PUBACK after fsync; afterwards the journal is opened and counted. */
export async function measureBuffering(bench: Bench): Promise<void> {
  const { warmUpMs, windowMs } = bench.options;
  await using scope = new Scope();
  const nobody = `127.0.0.1:${await freePort()}`;
  const agent = await startAgent(bench, scope, { bootstrap: nobody, topicPrefix: "away" });
  const load = startLoad(scope, { port: agent.port, ...fleet, fast: { allowed: Infinity } });
  const acked = async (): Promise<readonly number[]> => [(await load.report()).acked];
  await keepGoing(warmUpMs, () => Promise.resolve());
  const measured = await measureWindow(agent.service.pid, [load.pid], windowMs, acked);
  const report = await load.finish();
  assertAlive(agent);
  // Without a word of farewell: what was acknowledged must be there all the same.
  await agent.service.kill();
  const stored = unsentObservations(agent.dataFolder);
  bench.results.add({
    "buffer.rate": measured.perSecond,
    "buffer.cpu": measured.cpuPerMillion,
    "buffer.rss": measured.rssMb,
    "buffer.written": measured.writtenPerMessage,
    "buffer.noise": measured.noisePercent,
    "buffer.acknowledged": report.acked,
    "buffer.duplicates": Math.max(0, stored - report.acked),
    "buffer.lost": Math.max(0, report.acked - stored),
  });
}

function unsentObservations(folder: string): number {
  const options = Value.Default(journalOptions, {}) as JournalOptions;
  const store = Store.open({ ...options, ballastBytes: 0, folder, gateway: gatewayId, partitions }, systemClock);
  try {
    return store.usage().head.lanes.telemetry.unsentRecords;
  } finally {
    store.close();
  }
}
