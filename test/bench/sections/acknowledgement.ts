import { startLoad } from "../../support/load.ts";
import { assertAlive, createBenchTopics, startAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { conservationIn } from "../conservation.ts";
import { EndOffsets } from "../end-offsets.ts";
import { FsyncProbe } from "../fsync-probe.ts";
import { Scope } from "../scope.ts";
import { measureWindow, warmUp } from "../window.ts";
import { fleet, untilAllThere } from "./end-to-end.ts";

const burst = 200;

/**
 * How long a device waits for its PUBACK, which comes after the fsync: at a fixed rate that does not wait for the
 * gateway, counted from the moment at which each message should have left. Kafka takes part as always. A probe syncs beside
 * it, before, in between and after, so that the figure can be read against this disk at this minute.
 */
export async function measureAcknowledgement(bench: Bench, group: "ack" | "ack20", perSecond: number): Promise<void> {
  const { warmUpMs, ackWindowMs } = bench.options;
  const kafka = await bench.kafka();
  await using scope = new Scope();
  using alone = new FsyncProbe(bench.folder, "fsync-alone");
  using meanwhile = new FsyncProbe(bench.folder, "fsync-meanwhile");
  const topic = await createBenchTopics(kafka.bootstrap, group);
  const agent = await startAgent(bench, scope, { bootstrap: kafka.bootstrap, topicPrefix: group });
  alone.burst(burst);
  const load = startLoad(scope, { port: agent.port, ...fleet, rate: perSecond });
  // A start leaves messages behind their schedule; until they are through, their delay is not the gateway's pace.
  const onSchedule = async (): Promise<boolean> => (await load.report()).inFlight < perSecond / 20;
  await warmUp(warmUpMs, onSchedule, () => Promise.resolve());
  await load.forgetLatencies();
  const acked = async (): Promise<readonly number[]> => [(await load.report()).acked];
  const measured = await measureWindow(agent.service.pid, [load.pid, kafka.pid], ackWindowMs, acked, () => {
    meanwhile.sample();
    return Promise.resolve();
  });
  const { latencyMs } = await load.report();
  const report = await load.finish();
  alone.burst(burst);
  await untilAllThere(new EndOffsets(scope, kafka.bootstrap, topic), report.acked);
  assertAlive(agent);
  await agent.service.kill();
  const { lost } = await conservationIn(kafka.bootstrap, topic, report.devices);
  bench.results.add({
    [`${group}.rate` as const]: measured.perSecond,
    [`${group}.p50` as const]: latencyMs.p50,
    [`${group}.p99` as const]: latencyMs.p99,
    [`${group}.max` as const]: latencyMs.max,
    [`${group}.fsyncP50` as const]: alone.latencies.quantile(0.5),
    [`${group}.fsyncP99` as const]: alone.latencies.quantile(0.99),
    [`${group}.fsyncBusyP50` as const]: meanwhile.latencies.quantile(0.5),
    [`${group}.fsyncBusyP99` as const]: meanwhile.latencies.quantile(0.99),
    [`${group}.cpu` as const]: measured.cpuPerMillion,
    [`${group}.written` as const]: measured.writtenPerMessage,
    [`${group}.noise` as const]: measured.noisePercent,
    [`${group}.lost` as const]: lost,
  });
}
