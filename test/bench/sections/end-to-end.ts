import { startLoad } from "../../support/load.ts";
import { startMosquitto } from "../../support/mosquitto.ts";
import { assertAlive, createBenchTopics, startAgent } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { conservationIn } from "../conservation.ts";
import { EndOffsets } from "../end-offsets.ts";
import { Scope } from "../scope.ts";
import { measureWindow, warmUp } from "../window.ts";

export const fleet = { connections: 50, devices: 200 } as const;
/** The generator is at most this many messages ahead of what came out at the other end. */
export const aheadMax = 100_000;
/** By then the code is compiled and every connection stands. */
export const warmUpMessages = 150_000;
/** Without any progress for so long, what is missing will not come. */
const stalledMs = 15_000;

/**
 * Everything at once, as in a plant: generator, agent and Kafka share the machine. Through mosquitto the generator's PUBACKs
 * are mosquitto's, which keeps its queue in memory: the faster line for it, and not a durable one.
 */
export async function measureEndToEnd(bench: Bench, path: "broker" | "mosquitto", round: number): Promise<void> {
  const { warmUpMs, windowMs } = bench.options;
  const kafka = await bench.kafka();
  await using scope = new Scope();
  const topicPrefix = `${path}-${round}`;
  const topic = await createBenchTopics(kafka.bootstrap, topicPrefix);
  const mosquitto = path === "mosquitto" ? await startMosquitto(scope, inMemoryMosquitto) : undefined;
  const agent = await startAgent(bench, scope, {
    bootstrap: kafka.bootstrap,
    topicPrefix,
    ...(mosquitto === undefined ? {} : { mosquitto }),
  });
  const ends = new EndOffsets(scope, kafka.bootstrap, topic);
  const load = startLoad(scope, { port: agent.port, ...fleet, fast: { allowed: aheadMax } });
  const feed = async (): Promise<void> => load.allow((await ends.total()) + aheadMax);
  const passed = async (): Promise<readonly number[]> => [(await load.report()).acked, await ends.total()];

  const isWarm = async (): Promise<boolean> => (await ends.total()) > warmUpMessages;
  await warmUp(warmUpMs, isWarm, feed);
  const others = [load.pid, kafka.pid, ...(mosquitto === undefined ? [] : [mosquitto.pid])];
  const measured = await measureWindow(agent.service.pid, others, windowMs, passed, feed);

  const report = await load.finish();
  await untilAllThere(ends, report.acked);
  assertAlive(agent);
  await agent.service.kill();
  const { acknowledged, duplicates, lost } = await conservationIn(kafka.bootstrap, topic, report.devices);
  bench.results.add({
    [`${path}.rate` as const]: measured.perSecond,
    [`${path}.cpu` as const]: measured.cpuPerMillion,
    [`${path}.rss` as const]: measured.rssMb,
    [`${path}.rssPeak` as const]: measured.rssPeakMb,
    [`${path}.written` as const]: measured.writtenPerMessage,
    [`${path}.generator` as const]: report.cpuMicrosPerMessage,
    [`${path}.noise` as const]: measured.noisePercent,
    [`${path}.acknowledged` as const]: acknowledged,
    [`${path}.duplicates` as const]: duplicates,
    [`${path}.lost` as const]: lost,
  });
}

/** Nothing is dropped, nothing is written to disk, and a subscriber may have any number of messages in flight. */
export const inMemoryMosquitto = {
  persistence: false,
  maxInflightMessages: 0,
  lines: ["log_type subscribe", "max_queued_bytes 0"],
} as const;

/** Waits for the records that are still on their way; what does not come is found missing by the count behind it. */
export async function untilAllThere(ends: EndOffsets, expected: number): Promise<void> {
  let seen = -1;
  let progressMs = performance.now();
  while (performance.now() - progressMs < stalledMs) {
    const total = await ends.total();
    if (total >= expected) return;
    if (total > seen) progressMs = performance.now();
    seen = total;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
