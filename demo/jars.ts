import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
/** Below the project, ignored by git. */
const cacheFolder = resolve(import.meta.dirname, "../.cache/jars");
const oldestJava = 17;
const downloadTimeoutMs = 300_000;

/** A program on the Java machine that is brought as plain jars. */
export interface JavaProgram {
  /** As people write it. */
  readonly name: string;
  /** Pins the jars. */
  readonly pomFile: string;
}

export const kafkaProgram: JavaProgram = {
  name: "Apache Kafka",
  pomFile: join(import.meta.dirname, "kafka", "pom.xml"),
};

export type Jars =
  | {
      readonly kind: "ready";
      /** Every jar, colon-separated, in a fixed order: the class-data archive depends on it. */
      readonly classPath: string;
      /** Cache folder of exactly these jars. */
      readonly folder: string;
    }
  /** A machine without Java or Maven is a normal state of the product: it runs with its buffer filling. */
  | { readonly kind: "unavailable"; readonly reason: string; readonly hint: string };

/**
 * Makes sure that the pinned jars are in the cache; downloads them with Maven once. The folder appears whole or not at
 * all, so a killed download or two at a time do no harm.
 */
export async function ensureJars(program: JavaProgram): Promise<Jars> {
  const java = await javaProblem(program);
  if (java !== undefined) return java;
  const folder = join(cacheFolder, await pomVersion(program.pomFile));
  const present = await jarsIn(folder);
  if (present !== undefined) return present;
  return download(program, folder);
}

async function javaProblem({ name }: JavaProgram): Promise<Jars | undefined> {
  const hint = `install Java ${oldestJava} or newer, for example the Debian package openjdk-17-jre-headless`;
  try {
    const { stderr, stdout } = await run("java", ["-version"]);
    const major = Number(/version "(\d+)/.exec(stderr + stdout)?.[1]);
    if (major >= oldestJava) return undefined;
    return { kind: "unavailable", reason: `Java ${major} is too old for ${name}`, hint };
  } catch {
    return { kind: "unavailable", reason: "no Java on this machine", hint };
  }
}

/** Jars of another pom never mix with these. */
async function pomVersion(pomFile: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(pomFile))
    .digest("hex")
    .slice(0, 12);
}

async function jarsIn(folder: string): Promise<Jars | undefined> {
  const lib = join(folder, "lib");
  const names = await readdir(lib).catch(() => []);
  const jars = names.filter((name) => name.endsWith(".jar")).sort();
  if (jars.length === 0) return undefined;
  return { kind: "ready", folder, classPath: jars.map((name) => join(lib, name)).join(":") };
}

async function download({ name, pomFile }: JavaProgram, folder: string): Promise<Jars> {
  await mkdir(cacheFolder, { recursive: true });
  const incoming = await mkdtemp(join(cacheFolder, "incoming-"));
  try {
    const goal = ["-q", "-B", "-f", pomFile, "dependency:copy-dependencies", "-DincludeScope=runtime"];
    await run("mvn", [...goal, `-DoutputDirectory=${join(incoming, "lib")}`], { timeout: downloadTimeoutMs });
    await rename(incoming, folder).catch(async (cause: unknown) => {
      // Another process was first; its jars are the same.
      if ((await jarsIn(folder)) === undefined) throw cause;
    });
  } catch (error) {
    return mavenProblem(name, error);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
  return (await jarsIn(folder)) ?? mavenProblem(name, new Error("Maven copied no jars"));
}

function mavenProblem(name: string, error: unknown): Jars {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    const hint = "install Maven, for example the Debian package maven; it is needed once, to download jars";
    return { kind: "unavailable", reason: "no Maven on this machine", hint };
  }
  const output = error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
  const line = output.split("\n").find((text) => text.includes("ERROR")) ?? output.slice(0, 300);
  return {
    kind: "unavailable",
    reason: `Maven could not download ${name}: ${line.trim()}`,
    hint: "check the connection to the Maven repository and run again",
  };
}
