import { Counter, Gauge, Registry } from "prom-client";
import { alertVerdicts, lossReasons } from "../../src/wire/records.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { CommandReport } from "../commands/protocol.ts";
import type { AlertFigures, FeedbackCount, SuppressionScope } from "../console/view.ts";
import type { ForwardReport } from "../forward/protocol.ts";
import type { Usage } from "../journal/protocol.ts";
import type { SourceStatus } from "../source.ts";

/** What the pipeline counts since the start of the process. */
export interface IntakeCounts {
  readonly received: number;
  readonly acknowledged: number;
  readonly redeliveries: number;
  readonly quarantined: number;
  readonly published: number;
  readonly history: number;
}

/** Where the metrics take their numbers from, at each scrape. */
export interface MetricsSources {
  readonly intake: () => IntakeCounts;
  readonly usage: () => Usage | undefined;
  readonly forward: () => ForwardReport | undefined;
  readonly commands: () => CommandReport | undefined;
  readonly sources: () => readonly { readonly name: string; readonly status: SourceStatus }[];
  readonly nowMicros: () => number;
  readonly openAlerts: () => number;
  readonly alertFigures: () => AlertFigures;
  readonly feedback: () => readonly FeedbackCount[];
  readonly suppressions: () => readonly Pick<SuppressionScope, "kind">[];
  readonly devices: () => number;
  readonly scorerBehind: () => number;
  /** How many watched metrics are in which state of drift. */
  readonly drift: () => Readonly<Record<string, number>>;
  /** Of each packaged model that runs. */
  readonly modelDrift: () => readonly string[];
  /** Reloads of the configuration since start. */
  readonly reloads: () => { readonly done: number; readonly refused: number };
  /** The configuration in the file is the one that runs, as far as anybody has asked for it. */
  readonly isConfigCurrent: () => boolean;
  readonly droppedLogLines: () => number;
}

/** The agent's metrics in Prometheus text. Counters count since the start of the process. */
export function makeMetrics(from: MetricsSources): { text: () => Promise<string> } {
  const registers = [new Registry()];
  const counter = (name: string, help: string, read: () => number): void => {
    const metric: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        metric.reset();
        metric.inc(read());
      },
    });
  };
  const gauge = (name: string, help: string, read: () => number): void => {
    const metric: Gauge = new Gauge({ name, help, registers, collect: () => metric.set(read()) });
  };
  counter("tidegate_messages_received_total", "Messages taken from sources", () => from.intake().received);
  counter(
    "tidegate_messages_acknowledged_total",
    "Messages whose sender was told that they are safe",
    () => from.intake().acknowledged,
  );
  counter(
    "tidegate_messages_redelivered_total",
    "Redeliveries that were recognised and not stored again",
    () => from.intake().redeliveries,
  );
  counter("tidegate_messages_quarantined_total", "Messages that went to quarantine", () => from.intake().quarantined);
  counter("tidegate_observations_published_total", "Observations stored for Kafka", () => from.intake().published);
  counter("tidegate_observations_history_total", "Observations stored as local history", () => from.intake().history);
  counter("tidegate_log_lines_dropped_total", "Log lines that a stalled reader cost", () => from.droppedLogLines());
  gauge("tidegate_devices", "Devices seen since start", () => from.devices());
  gauge("tidegate_alerts_open", "Alerts that are not over, and not shelved or out of service", () => from.openAlerts());
  gauge(
    "tidegate_alerts_last_ten_minutes",
    "Alerts raised within ten minutes; a person can handle about one",
    () => from.alertFigures().lastTenMinutes,
  );
  gauge(
    "tidegate_alerts_last_hour",
    "Alerts raised within an hour; a person can handle about ten",
    () => from.alertFigures().lastHour,
  );
  gauge("tidegate_alerts_standing", "Alerts that are open for more than 8 hours", () => from.alertFigures().standing);
  gauge(
    "tidegate_alerts_chattering",
    "Sources that raised three alerts or more within ten minutes of the last day, at most 10",
    () => from.alertFigures().chattering.length,
  );
  addSuppressed(registers, from);
  addFeedback(registers, from);
  gauge("tidegate_scorer_commits_behind", "Commits that the models have not seen yet", () => from.scorerBehind());
  counter(
    "tidegate_commands_served_total",
    "Commands of the cloud that were served",
    () => from.commands()?.served ?? 0,
  );
  counter(
    "tidegate_commands_refused_total",
    "Commands that were expired or did not fit",
    () => from.commands()?.refused ?? 0,
  );
  counter(
    "tidegate_commands_resent_records_total",
    "Records that were sent again because the cloud asked",
    () => from.commands()?.resentRecords ?? 0,
  );
  counter(
    "tidegate_commands_gone_records_total",
    "Records that the cloud asked for and that are no longer there",
    () => from.commands()?.goneRecords ?? 0,
  );
  addJournal(registers, from);
  addForward(registers, from);
  counter(
    "tidegate_config_reloads_total",
    "Times that the configuration was read again and taken over",
    () => from.reloads().done,
  );
  counter(
    "tidegate_config_reloads_refused_total",
    "Times that the configuration was read again and refused",
    () => from.reloads().refused,
  );
  gauge("tidegate_config_current", "0 while the last reload was refused, so that an older configuration runs", () =>
    from.isConfigCurrent() ? 1 : 0,
  );
  const drift: Gauge = new Gauge({
    name: "tidegate_model_drift_metrics",
    help: "Watched metrics by whether their data still is what their model learned",
    labelNames: ["state"],
    registers,
    collect: () => {
      for (const [state, count] of Object.entries(from.drift())) drift.set({ state }, count);
    },
  });
  const modelDrift: Gauge = new Gauge({
    name: "tidegate_model_drift_packages",
    help: "Packaged models that run, by whether what they are given and say still is what it was in training",
    labelNames: ["state"],
    registers,
    collect: () => {
      modelDrift.reset();
      for (const state of from.modelDrift()) modelDrift.inc({ state });
    },
  });
  const up: Gauge = new Gauge({
    name: "tidegate_source_connected",
    help: "1 while a source is connected or listening",
    labelNames: ["source", "kind"],
    registers,
    collect: () => {
      // Sources come and go with the configuration.
      up.reset();
      for (const { name, status } of from.sources()) {
        up.set(
          { source: name, kind: status.kind },
          status.state === "connected" || status.state === "listening" ? 1 : 0,
        );
      }
    },
  });
  return { text: () => registers[0]!.metrics() };
}

function addSuppressed(registers: Registry[], from: MetricsSources): void {
  const suppressed: Gauge = new Gauge({
    name: "tidegate_alerts_suppressed",
    help: "Metrics and devices whose alerts people have put away",
    labelNames: ["kind"],
    registers,
    collect: () => {
      const all = from.suppressions();
      for (const kind of ["shelved", "out-of-service"] as const)
        suppressed.set({ kind }, all.filter((each) => each.kind === kind).length);
    },
  });
}

function addFeedback(registers: Registry[], from: MetricsSources): void {
  const judged: Gauge = new Gauge({
    name: "tidegate_alerts_judged",
    help: "Alerts that somebody has judged, by model and verdict, since the journal was made",
    labelNames: ["model", "verdict"],
    registers,
    collect: () => {
      for (const { model, verdicts } of from.feedback())
        for (const verdict of alertVerdicts) judged.set({ model, verdict }, verdicts[verdict]);
    },
  });
}

function addJournal(registers: Registry[], from: MetricsSources): void {
  const gauge = (name: string, help: string, read: (usage: Usage) => number): void => {
    const metric: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => {
        const usage = from.usage();
        if (usage !== undefined) metric.set(read(usage));
      },
    });
  };
  gauge("tidegate_journal_bytes", "Bytes that the journal uses on disk", ({ bytes }) => bytes);
  gauge("tidegate_journal_quota_bytes", "Bytes that the journal may use", ({ quotaBytes }) => quotaBytes);
  gauge("tidegate_journal_quarantine_messages", "Messages in quarantine", ({ head }) => head.quarantine.count);
  gauge(
    "tidegate_journal_ledgered_records",
    "Records named as lost since the journal was made",
    ({ head }) => head.total.ledgered,
  );
  gauge(
    "tidegate_journal_quarantine_released",
    "Messages that a retry could read, since the journal was made",
    ({ head }) => head.total.released,
  );
  gauge(
    "tidegate_journal_salvage_waiting",
    "Databases that were set aside and are not read back yet",
    ({ salvage }) => salvage.filter(({ phase }) => phase !== "done").length,
  );
  gauge(
    "tidegate_journal_salvage_kept",
    "Databases that were set aside and kept, since not everything in them could be read",
    ({ salvage }) => salvage.filter(({ phase }) => phase === "done").length,
  );
  const lost: Gauge = new Gauge({
    name: "tidegate_journal_lost_records",
    help: "Of tidegate_journal_ledgered_records, by reason",
    labelNames: ["reason"],
    registers,
    collect: () => {
      const losses = from.usage()?.head.losses ?? {};
      for (const reason of lossReasons) if (losses[reason] !== undefined) lost.set({ reason }, losses[reason]);
    },
  });
  const perLane = (name: string, help: string, read: (usage: Usage, lane: Lane) => number | undefined): void => {
    const metric: Gauge = new Gauge({
      name,
      help,
      labelNames: ["lane"],
      registers,
      collect: () => {
        const usage = from.usage();
        metric.reset();
        for (const lane of usage === undefined ? [] : lanes) {
          const value = read(usage!, lane);
          if (value !== undefined) metric.set({ lane }, value);
        }
      },
    });
  };
  perLane(
    "tidegate_journal_unsent_records",
    "Records that Kafka does not have yet",
    ({ head }, lane) => head.lanes[lane].unsentRecords,
  );
  perLane(
    "tidegate_journal_lane_bytes",
    "Bytes of the lane's blocks, what Kafka has included",
    ({ head }, lane) => head.lanes[lane].bytes,
  );
  perLane(
    "tidegate_journal_lane_quota_bytes",
    "Bytes that the lane may use",
    (usage, lane) => usage.lanes[lane].quotaBytes,
  );
  perLane(
    "tidegate_journal_lane_full_seconds",
    "Seconds until the lane is full if it goes on like this; absent where it does not grow",
    (usage, lane) => usage.lanes[lane].fullInSeconds,
  );
  perLane(
    "tidegate_journal_lane_oldest_unsent_seconds",
    "Age of the oldest record that Kafka does not have; absent where it has all",
    (usage, lane) => {
      const since = usage.lanes[lane].oldestUnsentMicros;
      return since === undefined ? undefined : Math.max(0, (from.nowMicros() - since) / 1e6);
    },
  );
}

function addForward(registers: Registry[], from: MetricsSources): void {
  const age: Gauge = new Gauge({
    name: "tidegate_forward_oldest_unsent_seconds",
    help: "Age of the oldest record that is not settled",
    registers,
    collect: () => age.set((from.forward()?.oldestUnsentMs ?? 0) / 1_000),
  });
  const connected: Gauge = new Gauge({
    name: "tidegate_forward_connected",
    help: "1 while Kafka takes records",
    registers,
    collect: () => connected.set(from.forward()?.state === "connected" ? 1 : 0),
  });
  const expiry: Gauge = new Gauge({
    name: "tidegate_forward_certificate_expires_timestamp_seconds",
    help: "When a certificate of the connection to Kafka expires, in seconds since 1970",
    labelNames: ["certificate"],
    registers,
    collect: () => {
      expiry.reset();
      for (const { name, expiresMs } of from.forward()?.certificates ?? []) {
        expiry.set({ certificate: name }, expiresMs / 1_000);
      }
    },
  });
  const alarms: Gauge = new Gauge({
    name: "tidegate_forward_alarms",
    help: "What a person should repair so that Kafka takes everything; the console and the log name it",
    registers,
    collect: () => alarms.set(from.forward()?.alarms.length ?? 0),
  });
  // Each collects its own: what one metric sets of another would be a scrape late.
  const perStream = (name: "sent" | "refused" | "resent", help: string): void => {
    const metric: Counter = new Counter({
      name: `tidegate_forward_${name}_total`,
      help,
      labelNames: ["stream"],
      registers,
      collect: () => {
        metric.reset();
        for (const [stream, counters] of Object.entries(from.forward()?.streams ?? {})) {
          metric.inc({ stream }, counters[name]);
        }
      },
    });
  };
  perStream("sent", "Records that Kafka accepted");
  perStream("refused", "Records that Kafka refused");
  perStream("resent", "Records sent again after an unknown outcome");
}
