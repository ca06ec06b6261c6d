import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { StatusView } from "./api/routes.ts";
import type { Totals } from "./api/views.ts";

export interface MetricSources {
  totals(): Totals;
  status(): StatusView;
  storeBytes(): number;
  watchers(): number;
  devices(): number;
  gaps(): number;
}

/** What Prometheus sees. Figures of the state are read when it asks; only durations are kept here. */
export class Metrics {
  readonly #registry = new Registry();
  readonly foldSeconds: Histogram;
  readonly foldRecords: Histogram;

  constructor(sources: MetricSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.foldSeconds = new Histogram({
      name: "tidegate_cloud_fold_seconds",
      help: "Duration of one transaction that folds a batch.",
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
      registers,
    });
    this.foldRecords = new Histogram({
      name: "tidegate_cloud_fold_records",
      help: "Records in one batch.",
      buckets: [1, 10, 100, 500, 1000, 2000, 5000, 20000],
      registers,
    });
    this.#addTotals(sources);
    this.#addState(sources);
  }

  #addTotals(sources: MetricSources): void {
    const names = [
      ["distinctRecords", "distinct_records", "Distinct observations received."],
      ["duplicates", "duplicates", "Records that arrived again."],
      ["recordsInRollups", "records_in_rollups", "Observations counted in the fleet's minutes."],
      ["implausible", "implausible_records", "Observations kept out of windows for their time."],
      ["late", "late_records", "Observations for windows that are no longer kept."],
      ["missing", "missing_records", "Records known to exist that did not arrive and are in no ledger."],
      ["ledgered", "ledgered_records", "Records that gateways have declared lost."],
      ["rejected", "rejected_records", "Records without valid identity or readable value."],
      ["alertsOpen", "alerts_open", "Open alerts."],
      ["upsertsPending", "upserts_pending", "Results that Kafka does not have yet."],
      ["clones", "cloned_gateways", "Gateways under whose id two senders are alive."],
      ["repairRequests", "repair_requests", "Requests to gateways to send again what is missing, of those kept."],
      ["repaired", "repaired_records", "Records that gateways sent again on these requests."],
      ["goneForGood", "gone_records", "Records that gateways no longer had; each is in a ledger."],
    ] as const;
    const gauges = names.map(([field, name, help]) => {
      return [field, new Gauge({ name: `tidegate_cloud_${name}`, help, registers: [this.#registry] })] as const;
    });
    this.#beforeScrape(() => {
      const seen = sources.totals();
      for (const [field, gauge] of gauges) gauge.set(seen[field]);
    });
  }

  #addState(sources: MetricSources): void {
    const registers = [this.#registry];
    const reading = new Gauge({ name: "tidegate_cloud_reading", help: "1 while records are being read.", registers });
    const lag = new Gauge({
      name: "tidegate_cloud_lag_records",
      help: "Records between the stored position and the end of a partition.",
      labelNames: ["topic", "partition"] as const,
      registers,
    });
    const bytes = new Gauge({ name: "tidegate_cloud_store_bytes", help: "Size of the store.", registers });
    const watchers = new Gauge({ name: "tidegate_cloud_watchers", help: "Open event streams.", registers });
    const devices = new Gauge({ name: "tidegate_cloud_devices", help: "Known devices.", registers });
    const gaps = new Gauge({ name: "tidegate_cloud_gaps", help: "Positions that Kafka could not serve.", registers });
    this.#beforeScrape(() => {
      const { kafka, partitions } = sources.status();
      reading.set(kafka.state === "reading" ? 1 : 0);
      for (const { topic, partition, position, end } of partitions) {
        if (end !== undefined) lag.set({ topic, partition: String(partition) }, Math.max(0, end - position));
      }
      bytes.set(sources.storeBytes());
      watchers.set(sources.watchers());
      devices.set(sources.devices());
      gaps.set(sources.gaps());
    });
  }

  readonly #collectors: (() => void)[] = [];

  #beforeScrape(collect: () => void): void {
    this.#collectors.push(collect);
  }

  async text(): Promise<string> {
    for (const collect of this.#collectors) collect();
    return this.#registry.metrics();
  }
}
