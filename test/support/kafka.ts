import { startKafka, type KafkaBroker, type KafkaOptions } from "../../demo/kafka/broker.ts";
import { ensureJars, kafkaProgram } from "../../demo/jars.ts";
import { temporaryFolder, type Cleanup } from "./processes.ts";

/** A real broker for one test or one file of tests; fails with what to install where there is no Java. */
export async function startTestKafka(
  t: Cleanup,
  options: Omit<KafkaOptions, "jars" | "folder"> & { readonly folder?: string } = {},
): Promise<KafkaBroker> {
  const jars = await ensureJars(kafkaProgram);
  if (jars.kind === "unavailable") throw new Error(`this test needs Kafka: ${jars.reason}; ${jars.hint}`);
  // The folder goes last: clean-ups run in the order in which they were registered.
  let broker: KafkaBroker | undefined;
  t.after(() => broker?.kill());
  const folder = options.folder ?? (await temporaryFolder(t));
  broker = await startKafka({ ...options, jars, folder });
  return broker;
}
