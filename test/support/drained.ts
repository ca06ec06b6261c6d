import { topicName } from "../../src/wire/streams.ts";
import type { LedgerRecord } from "../../src/wire/records.ts";
import { readTopic, type ReadRecord } from "./consume.ts";
import { metricsOf, type Gateway } from "./gateway.ts";
import type { GeneratorReport } from "./generator/generator.ts";
import { reconcile, type Reconciliation } from "./reconcile.ts";
import { until } from "./until.ts";

/** Waits until the agent has nothing left for Kafka; the load must have ended. Returns how long it took. */
export async function untilDrained(gateway: Gateway, withinMs = 60_000): Promise<number> {
  const startMs = performance.now();
  await until(
    "everything is in Kafka",
    () => unsentRecords(gateway),
    (unsent) => unsent === 0,
    {
      withinMs,
      everyMs: 50,
    },
  );
  return performance.now() - startMs;
}

/** Observations, ledger and manifests that Kafka does not have, as the agent says. */
export async function unsentRecords(gateway: Gateway): Promise<number> {
  const metrics = await metricsOf(gateway);
  const lanes = ["critical", "telemetry"].map((lane) => metrics.get(`tidegate_journal_unsent_records{lane="${lane}"}`));
  return lanes.reduce<number>((sum, unsent) => sum + (unsent ?? Number.NaN), 0);
}

/** Everything in Kafka against what the devices know. */
export async function reconcileKafka(
  { bootstrap, topicPrefix }: { readonly bootstrap: string; readonly topicPrefix: string },
  reports: readonly Pick<GeneratorReport, "devices">[],
): Promise<Reconciliation> {
  const read = (name: string): Promise<ReadRecord[]> => readTopic(bootstrap, topicName(topicPrefix, name));
  const ledger = (await read("ledger.v1")).map(({ value }) => JSON.parse(value.toString("utf8")) as LedgerRecord);
  const quarantined = (await read("quarantine.v1")).length;
  return reconcile({
    sent: Object.assign({}, ...reports.map(({ devices }) => devices)) as GeneratorReport["devices"],
    observations: await read("observations.v1"),
    ledger: ledger.filter(({ kind, stream }) => kind === "loss" && stream === "observations"),
    quarantined: quarantined === 0 ? {} : { quarantine: quarantined },
  });
}
