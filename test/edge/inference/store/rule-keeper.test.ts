// Goal: what a rule decides is done once, as if by hand, noted and said; and what cannot be done is not tried for ever.
// Method: simulated pumps through the live scorer, the store on disk, and the keeper between them.
import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { ModelRules } from "../../../../edge/inference/model-rules.ts";
import { PackageScorer } from "../../../../edge/inference/rows/package-scorer.ts";
import { LiveModels } from "../../../../edge/inference/store/live-models.ts";
import { ModelDesk } from "../../../../edge/inference/store/model-desk.ts";
import { ModelNotes } from "../../../../edge/inference/store/model-notes.ts";
import { RuleKeeper } from "../../../../edge/inference/store/rule-keeper.ts";
import { ProfileLibrary } from "../../../../edge/profile-library.ts";
import type { AlertVerdict } from "../../../../src/wire/records.ts";
import { makeSigner, pumpPackage, pumpReadings, signed } from "../../../support/model-package.ts";
import { temporaryFolder } from "../../../support/records.ts";

const lab = makeSigner("lab");
const trusted = [lab.trusted];
const byHand = { by: { role: "local-user", from: "anna" }, reason: "" } as const;
const profile = new ProfileLibrary(undefined).get("acme/pump", undefined)!;
const promote: ModelRules = {
  model: "pump",
  promote: { from: "shadow", machineHours: 1, alertsPerMachineDayMax: 0, differsPercentMax: 0 },
  rollback: { onFailure: true, falseAlarms: { judgedMin: 2, percentMax: 50 } },
};

/** A gateway with 1.0.0 live and 1.1.0 as its shadow, whose pumps are sound. */
async function site(t: TestContext, rules: readonly ModelRules[]) {
  const folder = temporaryFolder(t);
  const desk = new ModelDesk(folder, trusted);
  for (const version of ["1.0.0", "1.1.0"]) desk.import(signed(pumpPackage({ version }), lab.privateKey), byHand);
  desk.promote("pump", "1.0.0", byHand);
  desk.shadow("pump", "1.1.0", byHand);
  const scorer = new PackageScorer([{ model: "pump", profile: "acme/pump", priority: "low" }], {
    fault: (_model, _stage, reason) => assert.fail(reason),
    nowMs: () => 0,
  });
  const models = new LiveModels(desk.store, trusted, ["pump"], {
    deploy: (name, stage, model, scope) => scorer.deploy(name, stage, model, scope),
    report: () => undefined,
    refused: (_name, _version, reason) => assert.fail(reason),
  });
  const said: string[] = [];
  const verdicts: Record<string, Record<AlertVerdict, number>> = {};
  const keeper = new RuleKeeper(rules, {
    desk,
    facts: (name) => scorer.status().filter((view) => view.name === name),
    judged: (_name, version) => verdicts[version] ?? { "true-alarm": 0, "false-alarm": 0, "maintenance-done": 0 },
    say: (_name, message) => said.push(message),
  });
  const look = async (): Promise<void> => {
    await models.look();
    keeper.look();
  };
  const run = (device: string): void => {
    for (const reading of pumpReadings(device, 1, 1_900)) {
      const rest = { path: "a/b", receivedMicros: reading.timeMicros, clock: "synced", timeSource: "device" } as const;
      scorer.score({ ...reading, ...rest, implausibleTime: false, exact: undefined }, profile);
    }
  };
  await look();
  return { folder, desk, said, verdicts, look, run, live: () => desk.store.live("pump") };
}

test("a shadow is promoted when its hours are full, once, and rolled back when people call its alerts false", async (t) => {
  const { folder, said, verdicts, look, run, live } = await site(t, [promote]);
  run("pump-01");
  await look();
  assert.deepEqual([said, (await live()).live], [[], "1.0.0"], "half of the hours");
  run("pump-02");
  await look();
  assert.deepEqual(await live(), { live: "1.1.0", previous: "1.0.0" });
  assert.match(
    said.splice(0).join(),
    /^by rule model pump 1\.1\.0 was promoted: as shadow 0\.00 .*; 1\.1\.0 is live now\.$/,
  );
  for (let i = 0; i < 3; i++) await look();
  verdicts["1.0.0"] = { "true-alarm": 0, "false-alarm": 9, "maintenance-done": 0 };
  await look();
  assert.deepEqual(said, [], "what was said of the version before does not count");
  verdicts["1.1.0"] = { "true-alarm": 0, "false-alarm": 2, "maintenance-done": 0 };
  await look();
  assert.deepEqual([await live(), said.length], [{ live: "1.0.0" }, 1]);
  const notes = new ModelNotes(folder).find(Infinity, 100).filter(({ note }) => note.by.role === "rule");
  assert.deepEqual(
    notes.map(({ note: { action, model, detail } }) => [action, model.version, model.before, detail.slice(0, 9)]),
    [
      ["model-promote", "1.1.0", "1.0.0", "as shadow"],
      ["model-rollback", "1.0.0", "1.1.0", "2 of 2 ju"],
    ],
  );
});

test("without a rule nothing is promoted", async (t) => {
  const { said, look, run, live } = await site(t, [{ model: "other", promote: promote.promote! }]);
  run("pump-01");
  run("pump-02");
  await look();
  assert.deepEqual([said, (await live()).live], [[], "1.0.0"]);
});

test("a promotion that is refused is said once and not tried again", async (t) => {
  const { folder, said, look, run, live } = await site(t, [promote]);
  run("pump-01");
  run("pump-02");
  appendFileSync(join(folder, "models/pump/1.1.0/weights.json"), " ");
  for (let i = 0; i < 3; i++) await look();
  assert.equal((await live()).live, "1.0.0");
  assert.equal(said.length, 1);
  assert.match(said[0]!, /was to be promoted .* and could not: weights\.json has/);
});

test("a person who changes the model in the same second is not overruled", async (t) => {
  const { desk, said, run, live, look } = await site(t, [
    { model: "pump", rollback: { onFailure: false, tooManyAlerts: { machineHours: 1, alertsPerMachineDayMax: 0 } } },
  ]);
  run("pump-01");
  run("pump-02");
  desk.promote("pump", "1.1.0", byHand);
  await look();
  assert.deepEqual([said, (await live()).live], [[], "1.1.0"], "the counts of 1.0.0 say nothing about it");
});
