import { join } from "node:path";
import { startLoad } from "../../support/load.ts";
import { startMosquitto } from "../../support/mosquitto.ts";
import { startNode } from "../../support/processes.ts";
import { createTopics } from "../../support/topics.ts";
import { partitions } from "../agent.ts";
import type { Bench } from "../bench.ts";
import { EndOffsets } from "../end-offsets.ts";
import type { AppendReport } from "../programs/journal-append.ts";
import type { ProducerReport } from "../programs/kafka-producer.ts";
import { runProgram } from "../run-program.ts";
import { Scope } from "../scope.ts";
import { keepGoing, warmUp } from "../window.ts";
import { aheadMax, fleet, inMemoryMosquitto, warmUpMessages } from "./end-to-end.ts";

/*
 * What this machine gives at most to each part alone, in the same minutes: nobody can be faster end to end.
 */

const programs = join(import.meta.dirname, "../programs");
const warmUpMs = 1000;

/** Generator → mosquitto → a subscriber that only counts and acknowledges: the line for anything behind mosquitto. */
export async function measureMosquittoLimit(bench: Bench): Promise<void> {
  await using scope = new Scope();
  const mosquitto = await startMosquitto(scope, inMemoryMosquitto);
  const subscriber = startNode(scope, [join(programs, "counting-subscriber.ts"), String(mosquitto.port)], {
    ipc: true,
  });
  const counted = (): Promise<number> =>
    new Promise((resolve, reject) => {
      subscriber.child.once("message", (count) => resolve(Number(count)));
      subscriber.child.send("count");
      void subscriber.exited.then(() => reject(new Error(`the subscriber ended: ${subscriber.stderr}`)));
    });
  // The first answer comes after SUBACK.
  await counted();
  const load = startLoad(scope, { port: mosquitto.port, ...fleet, fast: { allowed: aheadMax } });
  const feed = async (): Promise<void> => load.allow((await counted()) + aheadMax);
  const isWarm = async (): Promise<boolean> => (await counted()) > warmUpMessages;
  await warmUp(warmUpMs, isWarm, feed);
  const before = { count: await counted(), atMs: performance.now() };
  await keepGoing(bench.options.limitWindowMs, feed);
  const messages = (await counted()) - before.count;
  bench.results.add({ "limit.mosquitto": (messages / (performance.now() - before.atMs)) * 1000 });
}

/** The journal's store alone, in a process of its own: no network, no decoding, no second thread. */
export async function measureJournalLimit(bench: Bench): Promise<void> {
  const seconds = bench.options.limitWindowMs / 1000;
  const report = await runProgram<AppendReport>("journal-append.ts", [bench.folder, String(seconds)]);
  bench.results.add({ "limit.journal": report.perSecond, "limit.journalWritten": report.writtenPerObservation });
}

/** Our Kafka sink with rows that lie ready, to all partitions at once. */
export async function measureKafkaLimit(bench: Bench, round: number): Promise<void> {
  const { bootstrap } = await bench.kafka();
  const topic = `producer-${round}`;
  await createTopics(bootstrap, [topic], partitions);
  const seconds = bench.options.limitWindowMs / 1000;
  const args = [bootstrap, topic, String(partitions), String(seconds)];
  const report = await runProgram<ProducerReport>("kafka-producer.ts", args);
  await using scope = new Scope();
  const stored = await new EndOffsets(scope, bootstrap, topic).total();
  if (stored !== report.accepted) throw new Error(`Kafka holds ${stored} records of ${report.accepted} accepted`);
  bench.results.add({ "limit.kafka": report.perSecond, "limit.kafkaCpu": report.cpuPerMillion });
}
