// Goal: a rule decides by counted facts and by nothing else, says why, and without a rule nothing is ever decided.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, type ModelRules, type VersionFacts } from "../../../edge/inference/model-rules.ts";
import type { AlertVerdict } from "../../../src/wire/records.ts";

const live: VersionFacts = {
  version: "1.0.0",
  stage: "live",
  state: "running",
  unfitProfiles: 0,
  hours: 1_000,
  episodes: 10,
  compared: 0,
  onlyLive: 0,
  onlyShadow: 0,
  drift: { state: "ok" },
};
const shadow: VersionFacts = {
  ...live,
  version: "1.1.0",
  stage: "shadow",
  compared: 10_000,
  onlyLive: 20,
  onlyShadow: 10,
};
const canary: VersionFacts = { ...live, version: "1.2.0", stage: "canary" };
const promote: ModelRules = {
  model: "pump",
  promote: { from: "shadow", machineHours: 1_000, alertsPerMachineDayMax: 0.24, differsPercentMax: 0.3 },
};
const fromCanary: ModelRules = { model: "pump", promote: { ...promote.promote!, from: "canary" } };
const back = (rollback: NonNullable<ModelRules["rollback"]>): ModelRules => ({ model: "pump", rollback });
const failing = back({ onFailure: true });
const alarming = back({ onFailure: false, tooManyAlerts: { machineHours: 100, alertsPerMachineDayMax: 0.2 } });
const judging = back({ onFailure: false, falseAlarms: { judgedMin: 4, percentMax: 50 } });

interface Case {
  readonly name: string;
  readonly rules: ModelRules;
  readonly versions: readonly VersionFacts[];
  readonly previous?: string;
  readonly judged?: Partial<Record<AlertVerdict, number>>;
  /** The version whose alerts they are of; by default the live one. */
  readonly judgedOf?: string;
  readonly decides: string;
}

const steady: ModelRules = { model: "pump", promote: { ...promote.promote!, driftMax: "warn" } };
const asked: ModelRules = {
  model: "pump",
  promote: { ...fromCanary.promote!, falseAlarms: { judgedMin: 4, percentMax: 50 } },
};
const drifting = back({ onFailure: false, onDrift: true });
const drifted = { drift: { state: "degraded" } } as const;

const cases: readonly Case[] = [
  {
    name: "a shadow whose data is a little off",
    rules: steady,
    versions: [live, { ...shadow, drift: { state: "warn" } }],
    decides: "promote 1.1.0",
  },
  {
    name: "a shadow whose data is another",
    rules: steady,
    versions: [live, { ...shadow, ...drifted }],
    decides: "nothing",
  },
  {
    name: "a shadow of whose data a day is not known",
    rules: steady,
    versions: [live, { ...shadow, drift: { state: "learning" } }],
    decides: "nothing",
  },
  {
    name: "drift that no rule looks at",
    rules: promote,
    versions: [live, { ...shadow, ...drifted }],
    decides: "promote 1.1.0",
  },
  {
    name: "a canary of whose alerts too few were judged",
    rules: asked,
    versions: [live, canary],
    judged: { "true-alarm": 3 },
    judgedOf: canary.version,
    decides: "nothing",
  },
  {
    name: "a canary with too many false alarms",
    rules: asked,
    versions: [live, canary],
    judged: { "true-alarm": 2, "false-alarm": 3 },
    judgedOf: canary.version,
    decides: "nothing",
  },
  {
    name: "a canary whose alerts were right",
    rules: asked,
    versions: [live, canary],
    judged: { "true-alarm": 2, "false-alarm": 2 },
    judgedOf: canary.version,
    decides: "promote 1.2.0",
  },
  {
    name: "a live version that has drifted",
    rules: drifting,
    versions: [{ ...live, ...drifted }],
    previous: "0.9.0",
    decides: "rollback 1.0.0",
  },
  {
    name: "a live version that has drifted a little",
    rules: drifting,
    versions: [{ ...live, drift: { state: "warn" } }],
    previous: "0.9.0",
    decides: "nothing",
  },
  {
    name: "drift with nothing to go back to",
    rules: drifting,
    versions: [{ ...live, ...drifted }],
    decides: "nothing",
  },
  { name: "no rule", rules: { model: "pump" }, versions: [{ ...live, state: "failed" }, shadow], decides: "nothing" },
  { name: "a shadow at every bound", rules: promote, versions: [live, shadow], decides: "promote 1.1.0" },
  { name: "an hour too few", rules: promote, versions: [live, { ...shadow, hours: 999.9 }], decides: "nothing" },
  { name: "an alert too many", rules: promote, versions: [live, { ...shadow, episodes: 11 }], decides: "nothing" },
  { name: "a difference too many", rules: promote, versions: [live, { ...shadow, onlyLive: 21 }], decides: "nothing" },
  {
    name: "a shadow that failed",
    rules: promote,
    versions: [live, { ...shadow, state: "failed" }],
    decides: "nothing",
  },
  {
    name: "a shadow that fits not all",
    rules: promote,
    versions: [live, { ...shadow, unfitProfiles: 1 }],
    decides: "nothing",
  },
  { name: "a shadow without a live version", rules: promote, versions: [shadow], decides: "promote 1.1.0" },
  { name: "a canary where a shadow is wanted", rules: promote, versions: [live, canary], decides: "nothing" },
  { name: "a canary", rules: fromCanary, versions: [live, canary, shadow], decides: "promote 1.2.0" },
  {
    name: "a failure",
    rules: failing,
    versions: [{ ...live, state: "failed" }],
    previous: "0.9.0",
    decides: "rollback 1.0.0",
  },
  {
    name: "a profile that does not fit",
    rules: failing,
    versions: [{ ...live, unfitProfiles: 1 }],
    previous: "0.9.0",
    decides: "rollback 1.0.0",
  },
  {
    name: "a failure with nothing before",
    rules: failing,
    versions: [{ ...live, state: "failed" }],
    decides: "nothing",
  },
  {
    name: "a failure that no rule names",
    rules: alarming,
    versions: [{ ...live, state: "failed", episodes: 0 }],
    previous: "0.9.0",
    decides: "nothing",
  },
  {
    name: "a failed shadow",
    rules: failing,
    versions: [live, { ...shadow, state: "failed" }],
    previous: "0.9.0",
    decides: "nothing",
  },
  { name: "too many alerts", rules: alarming, versions: [live], decides: "rollback 1.0.0" },
  { name: "many alerts in too few hours", rules: alarming, versions: [{ ...live, hours: 99 }], decides: "nothing" },
  { name: "alerts at the bound", rules: alarming, versions: [{ ...live, hours: 1_200 }], decides: "nothing" },
  {
    name: "false alarms",
    rules: judging,
    versions: [live],
    judged: { "false-alarm": 3, "true-alarm": 1 },
    decides: "rollback 1.0.0",
  },
  {
    name: "half of them false",
    rules: judging,
    versions: [live],
    judged: { "false-alarm": 2, "maintenance-done": 2 },
    decides: "nothing",
  },
  { name: "too few judged", rules: judging, versions: [live], judged: { "false-alarm": 3 }, decides: "nothing" },
  {
    name: "both: the live one goes back first",
    rules: { ...promote, ...alarming },
    versions: [live, shadow],
    decides: "rollback 1.0.0",
  },
];

for (const { name, rules, versions, previous, judged = {}, judgedOf = live.version, decides } of cases) {
  test(`${name}: ${decides}`, () => {
    const none = { "true-alarm": 0, "false-alarm": 0, "maintenance-done": 0 };
    const facts = {
      versions,
      previous,
      judged: (version: string) => (version === judgedOf ? { ...none, ...judged } : none),
    };
    const decision = decide(rules, facts);
    assert.equal(decision === undefined ? "nothing" : `${decision.kind} ${decision.version}`, decides);
    assert.notEqual(decision?.reason, "");
    assert.deepEqual(decide(rules, facts), decision, "the same facts decide the same");
  });
}

test("the reason names the figures", () => {
  const facts = { versions: [live, shadow], previous: undefined, judged: () => assert.fail("nobody asked") };
  assert.equal(
    decide(promote, facts)!.reason,
    "as shadow 0.24 alerts per machine and day over 1000 machine hours, differing at 0.30 % of observations",
  );
  assert.equal(
    decide(alarming, facts)!.reason,
    "0.24 alerts per machine and day over 1000 machine hours, more than 0.2",
  );
});
