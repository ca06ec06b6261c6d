// What the tests use and we did not write: mosquitto, chromium, strace, asyncua, Eclipse Milo, Kafka, ONNX Runtime, TensorFlow.js.
// Plain JavaScript for Node 20. Each function returns undefined when its counterparty is there, or one line that says
// what to install: a missing counterparty is a failure, never a skipped test.
import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { node, project, toolEnvironment } from "./install.js";

const cache = join(project, ".cache");
const requirements = join(project, "test", "support", "requirements.txt");

/** All of them, at the same time: they wait for different servers. Returns the problems. */
export async function ensureCounterparties() {
  const packages = ensurePackages(["mosquitto", "chromium", "strace"]);
  const found = await Promise.all([packages, ensurePython(), ensureJars(), ensureNetworkLibraries()]);
  return found.filter((problem) => problem !== undefined);
}

/** Debian packages that are named as their program. */
export async function ensurePackages(names) {
  const missing = names.filter((name) => !hasProgram(name));
  if (missing.length === 0) return undefined;
  const byHand = `install it as root: apt-get install ${missing.join(" ")}`;
  if (process.getuid?.() !== 0) return `${missing.join(" and ")} not found; ${byHand}`;
  if (!hasProgram("apt-get")) return `${missing.join(" and ")} not found, and this is not Debian; install by hand`;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const update = await capture("apt-get", ["update", "-q"], env);
  if (update.code !== 0) return `apt-get update failed: ${lastLine(update.output)}; ${byHand}`;
  const args = ["install", "-y", "-q", "--no-install-recommends", ...missing];
  const installed = await capture("apt-get", args, env);
  return installed.code === 0 ? undefined : `apt-get install failed: ${lastLine(installed.output)}; ${byHand}`;
}

/** Pinned PyPI packages in a virtual environment of the project's cache: .cache/venv/bin/python. */
export async function ensurePython() {
  const folder = join(cache, "venv");
  const stamp = join(folder, "installed.txt");
  const wanted = readFileSync(requirements, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return undefined;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  const made = await capture("python3", ["-m", "venv", folder]);
  if (made.code !== 0) {
    return `python3 cannot make a virtual environment: ${lastLine(made.output)}; install python3 and python3-venv`;
  }
  const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements];
  const installed = await capture(join(folder, "bin", "python"), pip);
  if (installed.code !== 0) return `pip could not install ${wanted.trim()}: ${lastLine(installed.output)}`;
  writeFileSync(stamp, wanted);
  return undefined;
}

/** What runs imported networks, beside the product as docs/models/networks.md says. */
export async function ensureNetworkLibraries() {
  for (const name of ["onnx", "tensorflow"]) {
    const folder = join(project, "libraries", name);
    const installed = statSync(join(folder, "node_modules", ".package-lock.json"), { throwIfNoEntry: false });
    if (installed !== undefined && installed.mtimeMs >= statSync(join(folder, "package-lock.json")).mtimeMs) continue;
    const { code, output } = await capture("npm", ["ci", "--ignore-scripts", "--loglevel=error", "--prefix", folder]);
    if (code !== 0) return `npm could not install libraries/${name}: ${lastLine(output)}`;
  }
  return undefined;
}

/** The pinned jars of Eclipse Milo and of Apache Kafka; two Mavens at a time would quarrel about their repository. */
async function ensureJars() {
  return (await ensureKafka()) ?? (await ensureMilo());
}

/** The pinned jars of Apache Kafka; needs Java and Maven. */
export function ensureKafka() {
  return prepareJars("Apache Kafka", "demo/kafka/pom.xml");
}

function ensureMilo() {
  return prepareJars("Eclipse Milo", "test/support/milo/pom.xml");
}

async function prepareJars(name, pomFile) {
  const { code, output } = await capture(node, ["demo/prepare.ts", name, pomFile]);
  return code === 0 ? undefined : lastLine(output);
}

function hasProgram(name) {
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a program to its end; resolves with its exit code and everything that it printed. */
export function capture(command, args, env = toolEnvironment(), onText = () => {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: project, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const keep = (text) => {
      output += text;
      onText(text);
    };
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.once("error", (error) => resolve({ code: 69, output: output + error.message }));
    child.once("close", (code) => resolve({ code: code ?? 70, output }));
  });
}

function lastLine(text) {
  return text.trim().split("\n").at(-1) ?? "";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = await ensureCounterparties();
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 69;
}
