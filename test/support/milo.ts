import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureJars } from "../../demo/jars.ts";
import { freePort } from "../../demo/ports.ts";
import { listening, type OpcuaServer } from "./opcua.ts";
import { startProcess, temporaryFolder, type Cleanup } from "./processes.ts";

const run = promisify(execFile);
const source = join(import.meta.dirname, "milo", "MiloServer.java");
const program = { name: "Eclipse Milo", pomFile: join(import.meta.dirname, "milo", "pom.xml") };

/** An OPC UA server on Eclipse Milo; its commands are those of MiloServer.java. */
export async function startMilo(t: Cleanup): Promise<OpcuaServer> {
  const jars = await ensureJars(program);
  if (jars.kind === "unavailable") throw new Error(`this test needs Eclipse Milo: ${jars.reason}; ${jars.hint}`);
  const folder = await temporaryFolder(t);
  const classes = join(folder, "classes");
  // The Eclipse compiler is one of the jars: a Java without a compiler is enough.
  const compiler = ["org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-proc:none"];
  await run("java", ["-cp", jars.classPath, ...compiler, "-cp", jars.classPath, "-d", classes, source]);
  const port = await freePort();
  const process = startProcess(t, "java", [
    "-Xmx128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-cp",
    `${classes}:${jars.classPath}`,
    "MiloServer",
    `${port}`,
    folder,
  ]);
  return listening(process, folder, async (certificateFile) => {
    const trusted = join(folder, "pki", "trusted", "certs");
    await mkdir(trusted, { recursive: true });
    await writeFile(join(trusted, "gateway.der"), new X509Certificate(await readFile(certificateFile)).raw);
  });
}
