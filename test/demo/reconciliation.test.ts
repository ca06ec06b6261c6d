// Goal: the reconciliation sees every way in which the stages may disagree, and nothing where they agree.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  reconcile,
  reconciliationText,
  type CloudEvidence,
  type Evidence,
  type KafkaEvidence,
} from "../../demo/reconciliation.ts";

const plant: Evidence["plant"] = { sent: 1000, acknowledged: 1000, badSent: 8, badAcknowledged: 8 };
const edge: Evidence["edge"] = { quarantined: 8, ledgered: 0, observationsUnsent: 0 };
const kafka: KafkaEvidence = {
  mqttObservations: 1000,
  observations: 1300,
  quarantined: 8,
  ledgered: 0,
  duplicates: 40,
};
const cloud: CloudEvidence = {
  distinctRecords: 1300,
  recordsInRollups: 1295,
  implausible: 3,
  late: 2,
  missing: 0,
  rejected: 0,
  quarantined: 8,
  recordsInFleetWindows: 1295,
};

interface Row {
  readonly name: string;
  readonly plant?: Partial<Evidence["plant"]>;
  readonly edge?: Partial<Evidence["edge"]>;
  readonly kafka?: Partial<KafkaEvidence>;
  readonly cloud?: Partial<CloudEvidence>;
  readonly fails: readonly string[];
}

const rows: readonly Row[] = [
  { name: "all stages agree", fails: [] },
  { name: "messages that were never acknowledged may be missing", plant: { sent: 1010 }, fails: [] },
  { name: "messages that were stored may lack their acknowledgement", plant: { acknowledged: 990 }, fails: [] },
  {
    name: "what is named in the ledger is no loss in silence",
    kafka: { mqttObservations: 900, ledgered: 100 },
    fails: [],
  },
  {
    name: "an acknowledged message is nowhere",
    kafka: { mqttObservations: 999 },
    fails: ["acknowledged ≤ in Kafka + ledgered + still in the journal"],
  },
  { name: "a message was journalled twice", kafka: { mqttObservations: 1001 }, fails: ["in Kafka (distinct) ≤ sent"] },
  {
    name: "a bad message vanished",
    edge: { quarantined: 7 },
    fails: ["bad messages acknowledged ≤ quarantined", "quarantined at the edge = in Kafka"],
  },
  {
    name: "a good message was quarantined",
    edge: { quarantined: 9 },
    kafka: { quarantined: 9 },
    cloud: { quarantined: 9 },
    fails: ["quarantined ≤ bad messages sent"],
  },
  {
    name: "the cloud service counted a repeat twice",
    cloud: { distinctRecords: 1301, recordsInRollups: 1296, recordsInFleetWindows: 1296 },
    fails: ["observations in Kafka (distinct) = in the cloud service"],
  },
  {
    name: "a record is in no window",
    cloud: { recordsInRollups: 1294, recordsInFleetWindows: 1294 },
    fails: ["in the cloud service = in rollups + implausible + late"],
  },
  {
    name: "a dashboard sees other windows",
    cloud: { recordsInFleetWindows: 1290 },
    fails: ["in rollups = sum of the fleet's windows"],
  },
  {
    name: "a hole nobody explains",
    cloud: { missing: 1 },
    fails: ["missing in the cloud service ≤ still in the journal"],
  },
  {
    name: "a record that the cloud could not read",
    cloud: { rejected: 1 },
    fails: ["rejected by the cloud service = none"],
  },
];

for (const row of rows) {
  test(`${row.name}: ${row.fails.length === 0 ? "agrees" : "disagrees"}`, () => {
    const result = reconcile({
      plant: { ...plant, ...row.plant },
      edge: { ...edge, ...row.edge },
      kafka: { ...kafka, ...row.kafka },
      cloud: { ...cloud, ...row.cloud },
    });
    assert.deepEqual(
      result.checks.filter(({ holds }) => !holds).map(({ name }) => name),
      row.fails,
    );
    assert.equal(result.agree, row.fails.length === 0);
    assert.match(reconciliationText(result), result.agree ? /nothing acknowledged was lost/ : /DISAGREES/);
  });
}

test("without Kafka everything acknowledged is in the journal", () => {
  const alone = { plant, kafka: undefined, cloud: undefined };
  assert(reconcile({ ...alone, edge: { ...edge, observationsUnsent: 1300 } }).agree);
  assert(!reconcile({ ...alone, edge: { ...edge, observationsUnsent: 999 } }).agree);
});
