// Goal: a refit is what `model train` gives on the same rows, keeps the shape of its base, and learns nothing from what
// was abnormal or belongs to others. Method: simulated pumps, one of which wears, with the alerts of that time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { train } from "../../../../edge/inference/learn/train.ts";
import { openPackage, readManifest } from "../../../../edge/inference/package/model-package.ts";
import { refit, type RefitHistory, type RefitJob } from "../../../../edge/inference/refit/refit.ts";
import { RowTable } from "../../../../edge/inference/rows/row-table.ts";
import { formatWireTime } from "../../../../src/observation/time.ts";
import type { Observation } from "../../../../src/observation/observation.ts";
import type { AlertChangeRecord, AlertRecord, AlertVerdict } from "../../../../src/wire/records.ts";
import { pumpPackage, pumpReadings } from "../../../support/model-package.ts";

const base = readManifest(pumpPackage({ version: "1.4.0" }).manifest);
const startMicros = Date.UTC(2026, 10, 20) * 1000;
const at = (second: number): number => startMicros + second * 1_000_000;

function observationsOf(device: string, seed: number, worn?: { startSeconds: number; seconds: number }): Observation[] {
  return pumpReadings(device, seed, 4_000, worn).map((reading) => ({
    ...reading,
    path: "acme/berlin",
    receivedMicros: reading.timeMicros,
    clock: "synced",
    timeSource: "device",
    implausibleTime: false,
    exact: undefined,
  }));
}

function alert(kind: AlertRecord["kind"], second: number, device = "pump-01"): AlertRecord {
  const rest = {
    path: "",
    priority: "low",
    metric: "flow",
    model: "m",
    version: "1",
    score: 1,
    threshold: 0.7,
  } as const;
  return { kind, episode: "e", device, time: formatWireTime(at(second)), ...rest, explanation: "", contributions: [] };
}

const job: RefitJob = {
  base,
  version: "1.4.1",
  rules: [{ model: "pump", path: "acme", priority: "low" }],
  profiles: new Map([["pump-01", "acme/pump"]]),
  fromMicros: at(0),
  toMicros: at(4_000),
};

function historyOf(
  observations: readonly Observation[],
  alerts: readonly (AlertRecord | AlertChangeRecord)[] = [],
): RefitHistory {
  return {
    async *alerts() {
      yield* alerts;
    },
    async *observations() {
      yield* observations;
    },
  };
}

/** What training on these readings alone gives. */
function trained(observations: readonly Observation[]) {
  const table = new RowTable({ inputs: base.inputs.map(({ metric }) => metric), ...base.rows });
  for (const observation of observations) table.take(observation);
  const limits = { falseAlarms: base.calibration!.falseAlarmsWanted, headroom: base.calibration!.headroom };
  return { table, ...train(table, { method: "mspc", features: base.features, limits }) };
}

test("a refit is sound, keeps the shape of its base and equals a training on the same rows", async () => {
  const given = observationsOf("pump-01", 3);
  const bytes = await refit(job, historyOf(given));
  const { manifest } = openPackage(bytes);
  const { table, usual, clear, rowsFitted } = trained(given);
  assert.deepEqual([manifest.name, manifest.version, manifest.method], ["pump", "1.4.1", base.method]);
  assert.deepEqual([manifest.features, manifest.rows, manifest.output], [base.features, base.rows, base.output]);
  assert.deepEqual([manifest.training.sha256, manifest.threshold!.clear], [table.fingerprint(), clear]);
  assert.deepEqual(
    [manifest.inputs.map((input) => input.usual), manifest.calibration!.rowsFitted],
    [usual, rowsFitted],
  );
  assert.notDeepEqual(bytes.files, pumpPackage({ version: "1.4.0" }).files);
});

test("what was abnormal, and ten minutes around it, is left out, and so are others and other times", async () => {
  const given = observationsOf("pump-01", 3, { startSeconds: 2_000, seconds: 100 });
  const others = observationsOf("pump-02", 4);
  const alerts = [alert("raise", 2_100), alert("update", 2_300), alert("clear", 2_700), alert("raise", 0, "pump-02")];
  const within = { ...job, fromMicros: at(100), toMicros: at(3_900) };
  const bytes = await refit(within, historyOf([...given, ...others], alerts));
  const normal = given.filter(({ timeMicros: t }) => t >= at(100) && t < at(3_900) && (t < at(1_500) || t > at(3_300)));
  assert.equal(openPackage(bytes).manifest.training.sha256, trained(normal).table.fingerprint());
});

test("an alert that is still open, or whose beginning is not known, leaves only what is surely normal", async () => {
  const given = observationsOf("pump-01", 3);
  const open = await refit(job, historyOf(given, [alert("raise", 3_000)]));
  assert.equal(
    openPackage(open).manifest.training.sha256,
    trained(given.filter(({ timeMicros }) => timeMicros < at(2_400))).table.fingerprint(),
  );
  const ended = await refit(job, historyOf(given, [alert("clear", 1_000)]));
  assert.equal(
    openPackage(ended).manifest.training.sha256,
    trained(given.filter(({ timeMicros }) => timeMicros > at(1_600))).table.fingerprint(),
  );
});

test("an alert that was called false was of a normal machine, unless somebody has changed his mind", async () => {
  const given = observationsOf("pump-01", 3);
  const alerts = [alert("raise", 2_000), alert("clear", 2_200)];
  const said = (verdict: AlertVerdict, second: number): AlertChangeRecord => ({
    kind: "feedback",
    device: "pump-01",
    episode: "e",
    verdict,
    time: formatWireTime(at(second)),
    by: "operator",
    reason: "",
  });
  const rowsOf = async (...records: AlertChangeRecord[]): Promise<string> =>
    openPackage(await refit(job, historyOf(given, [...alerts, ...records]))).manifest.training.sha256;
  const whole = trained(given).table.fingerprint();
  const calm = trained(given.filter(({ timeMicros: t }) => t < at(1_400) || t > at(2_800))).table.fingerprint();
  assert.equal(await rowsOf(said("false-alarm", 2_500)), whole);
  for (const verdict of ["true-alarm", "maintenance-done"] as const) {
    assert.equal(await rowsOf(said(verdict, 2_500)), calm);
    assert.equal(await rowsOf(said("false-alarm", 2_500), said(verdict, 3_000)), calm);
  }
});

const refusals: readonly { name: string; job: RefitJob }[] = [
  { name: "no device fits", job: { ...job, profiles: new Map() } },
  { name: "no rule names the model", job: { ...job, rules: [{ model: "other", path: "acme", priority: "low" }] } },
  { name: "there is too little", job: { ...job, toMicros: at(200) } },
];

for (const { name, job: wanted } of refusals) {
  test(`refused where ${name}`, async () => {
    await assert.rejects(refit(wanted, historyOf(observationsOf("pump-01", 3))), { code: "TRAINING_DATA" });
  });
}
