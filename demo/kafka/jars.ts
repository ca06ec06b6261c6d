import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const pomFile = join(import.meta.dirname, "pom.xml");
const oldestJava = 17;
const downloadTimeoutMs = 300_000;

/** Where the jars are cached when the caller names no other place: below the project, ignored by git. */
export const defaultKafkaCache = resolve(import.meta.dirname, "../../.cache/kafka");

export type KafkaJars =
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
 * Makes sure that the pinned Kafka jars are in the cache; downloads them with Maven once. The folder appears whole or
 * not at all, so a killed download or two at a time do no harm.
 */
export async function ensureKafkaJars(cacheFolder = defaultKafkaCache): Promise<KafkaJars> {
  const java = await javaProblem();
  if (java !== undefined) return java;
  const folder = join(cacheFolder, await pomVersion());
  const present = await jarsIn(folder);
  if (present !== undefined) return present;
  return download(cacheFolder, folder);
}

async function javaProblem(): Promise<KafkaJars | undefined> {
  const hint = `install Java ${oldestJava} or newer, for example the Debian package openjdk-17-jre-headless`;
  try {
    const { stderr, stdout } = await run("java", ["-version"]);
    const major = Number(/version "(\d+)/.exec(stderr + stdout)?.[1]);
    if (major >= oldestJava) return undefined;
    return { kind: "unavailable", reason: `Java ${major} is too old for Kafka`, hint };
  } catch {
    return { kind: "unavailable", reason: "no Java on this machine", hint };
  }
}

/** Jars of another pom never mix with these. */
async function pomVersion(): Promise<string> {
  return createHash("sha256")
    .update(await readFile(pomFile))
    .digest("hex")
    .slice(0, 12);
}

async function jarsIn(folder: string): Promise<KafkaJars | undefined> {
  const lib = join(folder, "lib");
  const names = await readdir(lib).catch(() => []);
  const jars = names.filter((name) => name.endsWith(".jar")).sort();
  if (jars.length === 0) return undefined;
  return { kind: "ready", folder, classPath: jars.map((name) => join(lib, name)).join(":") };
}

async function download(cacheFolder: string, folder: string): Promise<KafkaJars> {
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
    return mavenProblem(error);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
  return (await jarsIn(folder)) ?? mavenProblem(new Error("Maven copied no jars"));
}

function mavenProblem(error: unknown): KafkaJars {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") {
    const hint = "install Maven, for example the Debian package maven; it is needed once, to download Kafka";
    return { kind: "unavailable", reason: "no Maven on this machine", hint };
  }
  const output = error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
  const line = output.split("\n").find((text) => text.includes("ERROR")) ?? output.slice(0, 300);
  return {
    kind: "unavailable",
    reason: `Maven could not download Kafka: ${line.trim()}`,
    hint: "check the connection to the Maven repository and run again",
  };
}
