// `npm test`: everything, in order, each step timed; stops at the first step that fails. With --fault the bounded part
// of the fault suite too, as in CI. Plain JavaScript for Node 20.
import { capture, ensureCounterparties } from "./counterparties.js";
import { install } from "./install.js";

/**
 * Scripts of package.json. Checks are silent unless they fail; tests are shown as they run. The contract suites
 * (test/contract) have no step of their own: unit and integration tests run them over fakes and real parts.
 */
const checks = ["format:check", "lint", "types", "dead"];
const testsAlone = ["unit"];
const testsWithCounterparties = ["integration", "system", "browser"];
const options = process.argv.slice(2);

const times = [];
let passed = 0;
let failed = 0;

if (options.some((option) => option !== "--fault")) {
  console.error("usage: npm test [-- --fault]\n\n  --fault  the bounded part of the fault suite too, as in CI");
  process.exitCode = 64;
} else {
  process.exitCode = (await everything()) ? 0 : 1;
  for (const { name, seconds } of times) console.log(`${name.padEnd(16)}${seconds.toFixed(1).padStart(7)} s`);
  console.log(`${passed} passed, ${failed} failed`);
}

async function everything() {
  if (!(await timed("install", async () => (await install()) === 0))) return false;
  // Downloads run beside the checks, which need none of them.
  const counterparties = ensureCounterparties();
  for (const name of checks) if (!(await timed(name, () => check(name)))) return false;
  for (const name of testsAlone) if (!(await timed(name, () => tests(name)))) return false;
  if (!(await timed("counterparties", () => present(counterparties)))) return false;
  const last = options.includes("--fault") ? ["fault"] : [];
  for (const name of [...testsWithCounterparties, ...last]) if (!(await timed(name, () => tests(name)))) return false;
  return true;
}

/** Runs one step; a step that is not a test and fails counts as one failure. */
async function timed(name, step) {
  console.log(`== ${name}`);
  const start = performance.now();
  const failedBefore = failed;
  const ok = await step();
  times.push({ name, seconds: (performance.now() - start) / 1000 });
  if (!ok && failed === failedBefore) failed += 1;
  if (!ok) console.log(`== ${name} failed`);
  return ok;
}

async function check(name) {
  const { code, output } = await capture("npm", ["run", "-s", name]);
  if (code !== 0) process.stdout.write(output);
  return code === 0;
}

async function present(counterparties) {
  const problems = await counterparties;
  for (const problem of problems) console.log(problem);
  return problems.length === 0;
}

/** A step without tests, or with skipped ones, has failed: nothing is left out in silence. */
async function tests(name) {
  const { code, output } = await capture("npm", ["run", "-s", name], undefined, (text) => process.stdout.write(text));
  passed += total(output, "pass");
  failed += total(output, "fail") + total(output, "cancelled");
  const left = total(output, "skipped") + total(output, "todo");
  if (left > 0) console.log(`${left} tests were left out`);
  if (total(output, "tests") === 0) console.log("no tests were found");
  return code === 0 && left === 0 && total(output, "tests") > 0;
}

/** The closing lines of node's test runner, for example `ℹ pass 12`. */
function total(output, label) {
  const lines = [...output.matchAll(new RegExp(`^(?:ℹ|#) ${label} (\\d+)$`, "gm"))];
  return Number(lines.at(-1)?.[1] ?? 0);
}
