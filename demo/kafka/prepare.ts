import { exitCodes } from "../../src/errors.ts";
import { ensureKafkaJars } from "./jars.ts";

/** Fills the cache of Kafka jars; one line says what is missing. */
const jars = await ensureKafkaJars();
if (jars.kind === "unavailable") {
  console.error(`Kafka is not available: ${jars.reason}; ${jars.hint}`);
  process.exitCode = exitCodes.unavailable;
}
