// `npm run fault`: the fault suite, a bounded and seeded part of it. With --full all of it. Plain JavaScript for Node 20.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { capture, ensureKafka, ensurePackages } from "./counterparties.js";
import { install, node, toolEnvironment } from "./install.js";

const usage = `usage: npm run fault -- [--full] [--seed N] [--minutes M] [--only FILTER] [--json]

  --full        the whole of each proof: at least 1,000 kills of everything at once, 100,000 power cuts, Kafka away
                for 90 s, 72 h compressed, random kills of the agent until the time is up
  --seed N      replays a run; without it each test draws its own and prints it
  --minutes M   how long the kill loops may take in all (with --full; default 30)
  --only FILTER only files whose name contains this
  --json        the summary as one JSON object on standard output, everything else on standard error`;

const flags = {
  full: { type: "boolean", default: false },
  seed: { type: "string" },
  minutes: { type: "string", default: "30" },
  only: { type: "string", default: "" },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
};

process.exitCode = await fault();

async function fault() {
  const options = parsed();
  if (typeof options === "number") return options;
  const failed = await install();
  if (failed !== 0) return failed;
  for (const problem of [await ensurePackages(["mosquitto", "strace"]), await ensureKafka()]) {
    if (problem === undefined) continue;
    console.error(problem);
    return 69;
  }
  const folder = mkdtempSync(join(tmpdir(), "tidegate-fault-"));
  try {
    return await runTests(options, join(folder, "figures"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function parsed() {
  try {
    const { values } = parseArgs({ options: flags });
    const numbers = [values.seed ?? "0", values.minutes].every((text) => /^\d+$/.test(text));
    if (values.help || !numbers) {
      console.error(usage);
      return values.help ? 0 : 64;
    }
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    return 64;
  }
}

async function runTests({ full, seed, minutes, only, json }, figuresFile) {
  writeFileSync(figuresFile, "");
  const env = {
    ...toolEnvironment(),
    TIDEGATE_FAULT_FIGURES: figuresFile,
    TIDEGATE_FAULT_MINUTES: minutes,
    ...(full ? { TIDEGATE_FAULT_FULL: "1" } : {}),
    ...(seed === undefined ? {} : { TIDEGATE_SEED: seed }),
  };
  const timeoutMs = full ? Number(minutes) * 60_000 + 1_800_000 : 240_000;
  // Figures of a full run are measured alone; the bounded one mostly waits, so two files share the machine.
  const args = ["--test", `--test-concurrency=${full ? 1 : 2}`, `--test-timeout=${timeoutMs}`];
  args.push(`test/fault/**/*${only}*.test.ts`, ...(full ? [`test/system/**/*${only}*.test.ts`] : []));
  const show = json ? process.stderr : process.stdout;
  const started = performance.now();
  const { code } = await capture(node, args, env, (text) => show.write(text));
  const seconds = Math.round((performance.now() - started) / 1000);
  const proofs = readFileSync(figuresFile, "utf8")
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  if (json) console.log(JSON.stringify({ ok: code === 0, full, seconds, proofs }));
  else printTable(proofs, seconds);
  return code === 0 ? 0 : 1;
}

function printTable(proofs, seconds) {
  console.log(`\nwhat was measured, in ${seconds} s`);
  for (const { proof, seed, figures } of proofs) {
    console.log(`\n${proof}${seed === undefined ? "" : ` (seed ${seed})`}`);
    const width = Math.max(...Object.keys(figures).map((name) => name.length));
    for (const [name, value] of Object.entries(figures)) console.log(`  ${name.padEnd(width)}  ${value}`);
  }
}
