// Goal: the benchmark cannot flatter: it notices what was lost, sums losses over rounds, and judges by medians.
import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { verifyPackage } from "../edge/inference/store/model-store.ts";
import { loadProfile } from "../src/profile/check.ts";
import { compileProfile } from "../src/profile/compile.ts";
import { exampleFault } from "../src/profile/examples.ts";
import { Ledger } from "./bench/conservation.ts";
import { Results } from "./bench/figures.ts";
import type { HarmKind } from "./bench/harm/kinds.ts";
import { harmfulPackage, makeKeys } from "./bench/harm/packages.ts";
import { benchOptions } from "./bench/options.ts";
import { tableOf } from "./bench/table.ts";
import { cpuSecondsIn, usageOf } from "./bench/usage.ts";
import { measureWindow } from "./bench/window.ts";

const sent = { "gen-0": { sent: 5, acked: [1, 3, 5, 5] }, "gen-1": { sent: 2, acked: [1, 2] } };

test("what was acknowledged and did not arrive is lost; what comes twice is a duplicate", () => {
  const ledger = new Ledger();
  for (const n of [1, 3, 3, 4]) ledger.arrived("gen-0", n);
  assert.deepEqual(ledger.against(sent), { acknowledged: 6, duplicates: 1, lost: 4 });
  for (const n of [2, 5]) ledger.arrived("gen-0", n);
  for (const n of [1, 2]) ledger.arrived("gen-1", n);
  assert.deepEqual(ledger.against(sent), { acknowledged: 6, duplicates: 1, lost: 0 });
});

test("the value is the median, a loss the sum: no round hides another", () => {
  const results = new Results();
  for (const rate of [50_000, 20_000, 60_000]) results.add({ "broker.rate": rate, "broker.lost": 0 });
  results.add({ "broker.lost": 1 });
  const [rate, lost] = results.figures();
  assert.deepEqual([rate!.value, rate!.met], [50_000, true]);
  assert.deepEqual([lost!.value, lost!.met, results.lost], [1, false, 1]);
});

test("the goal of the PUBACK follows the fsync of the same run", () => {
  const results = new Results();
  results.add({ "ack.p99": 20, "ack.fsyncBusyP99": 3 });
  const p99 = results.figures().find(({ name }) => name === "ack.p99")!;
  assert.deepEqual([p99.goal, p99.met], [{ atMost: 19 }, false]);
});

test("ratios are made of what was measured, and absent where a part is", () => {
  const results = new Results();
  results.add({ "broker.rate": 30, "mosquitto.rate": 20 });
  const ratios = results.figures().filter(({ group }) => group === "ratio");
  assert.deepEqual(
    ratios.map(({ name, value }) => [name, value]),
    [["ratio.brokerToMosquitto", 1.5]],
  );
});

test("the table has a line per figure, with goal and spread", () => {
  const results = new Results();
  for (const rate of [36_000, 34_000]) results.add({ "broker.rate": rate });
  const [heading, line] = tableOf(results.figures()).split("\n");
  assert.match(heading!, /End to end/);
  assert.match(line!, /35,000 +\/s +≥ 50,000 MISSED +34,000 … 36,000$/);
});

test("a program's name with spaces and parentheses does not shift its processor time", () => {
  const rest = "S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 11 0 100";
  assert.equal(cpuSecondsIn(`42 (node (x) y) ${rest}`), 3);
  assert(usageOf(process.pid).rssBytes > 10e6);
});

test("a backlog that drains within the window is not taken for speed", async () => {
  const counts = [
    [1000, 0],
    [1100, 5000],
  ];
  const measured = await measureWindow(process.pid, [], 100, () => Promise.resolve(counts.shift()!));
  assert(measured.perSecond < 1100, `${measured.perSecond} per second`);
});

const badPackages: Readonly<Record<HarmKind, RegExp | undefined>> = {
  storm: undefined,
  hang: undefined,
  crash: undefined,
  memory: undefined,
  nan: undefined,
  signature: /no trusted key|not trusted/,
  shape: /the input of the network|input has 2/,
  // It shows when the network is asked, in its thread.
  golden: undefined,
};

for (const [kind, says] of Object.entries(badPackages) as [HarmKind, RegExp | undefined][]) {
  test(`a bad model, ${kind}: its package is ${says === undefined ? "taken" : "refused"}, and bad in nothing else`, () => {
    const keys = makeKeys();
    const trusted = [{ name: "bench", key: createPublicKey(keys.publicKey) }];
    const verify = () => verifyPackage(harmfulPackage(kind, keys), trusted);
    if (says === undefined) assert.equal(verify().manifest.name, "harm");
    else assert.throws(verify, says);
  });
}

test("unknown names are refused", () => {
  assert.throws(() => benchOptions(["--only", "brokr"]), /--only brokr: there is .*broker/);
  assert.throws(() => benchOptions(["--micro", "--only", "broker"]), /decode/);
  assert.equal(benchOptions(["--quick"]).rounds, 1);
});

test("the profiles read what the generator sends", () => {
  const folder = join(import.meta.dirname, "bench/profiles");
  const files = globSync("*/*.yaml", { cwd: folder });
  assert.equal(files.length, 2);
  for (const file of files) {
    const definition = loadProfile(readFileSync(join(folder, file), "utf8"), file);
    const profile = compileProfile(file.replace(/\.yaml$/, ""), definition);
    for (const example of definition.examples) assert.equal(exampleFault(profile, example), undefined);
  }
});
