import { exitCodes } from "../src/errors.ts";
import { ensureJars } from "./jars.ts";

/** `prepare.ts NAME POM`: fills the cache of jars; one line says what is missing. */
const [name = "", pomFile = ""] = process.argv.slice(2);
const jars = await ensureJars({ name, pomFile });
if (jars.kind === "unavailable") {
  console.error(`${name} is not available: ${jars.reason}; ${jars.hint}`);
  process.exitCode = exitCodes.unavailable;
}
