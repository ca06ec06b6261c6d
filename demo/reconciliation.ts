/*
 * What the plant sent, compared with what arrived at each stage. Pure arithmetic over figures that were read
 * independently of each other: the plant counts its PUBACKs, Kafka is read by a consumer of our own, the cloud service
 * and the console say what they have.
 */

export interface Evidence {
  readonly plant: {
    readonly sent: number;
    readonly acknowledged: number;
    readonly badSent: number;
    readonly badAcknowledged: number;
  };
  readonly edge: {
    readonly quarantined: number;
    readonly ledgered: number;
    /** Observations in the journal that Kafka does not have yet. */
    readonly observationsUnsent: number;
  };
  /** Undefined where there is no Kafka. */
  readonly kafka: KafkaEvidence | undefined;
  readonly cloud: CloudEvidence | undefined;
}

export interface KafkaEvidence {
  /** Distinct observations of the MQTT devices, each of which is one message of the plant. */
  readonly mqttObservations: number;
  /** Distinct observations of all devices. */
  readonly observations: number;
  readonly quarantined: number;
  /** Observations that the ledger names as lost. */
  readonly ledgered: number;
  /** Records that came more than once. */
  readonly duplicates: number;
}

export interface CloudEvidence {
  readonly distinctRecords: number;
  readonly recordsInRollups: number;
  readonly implausible: number;
  readonly late: number;
  readonly missing: number;
  readonly rejected: number;
  readonly quarantined: number;
  /** Sum of the records of all one-minute windows of the fleet, as a dashboard reads them. */
  readonly recordsInFleetWindows: number;
}

/** One statement that must hold. */
export interface Check {
  readonly name: string;
  readonly left: number;
  readonly relation: "=" | "≤";
  readonly right: number;
  readonly holds: boolean;
}

export interface Reconciliation {
  readonly agree: boolean;
  readonly checks: readonly Check[];
  readonly evidence: Evidence;
}

export function reconcile(evidence: Evidence): Reconciliation {
  const checks = [...gatewayChecks(evidence), ...cloudChecks(evidence)];
  return { agree: checks.every(({ holds }) => holds), checks, evidence };
}

function gatewayChecks({ plant, edge, kafka }: Evidence): Check[] {
  if (kafka === undefined) {
    // The press's observations are in the journal too, so that there may be more.
    return [
      atMost("acknowledged ≤ observations in the journal", plant.acknowledged, edge.observationsUnsent),
      ...quarantineChecks(plant, edge.quarantined),
    ];
  }
  const safe = kafka.mqttObservations + kafka.ledgered + edge.observationsUnsent;
  return [
    atMost("acknowledged ≤ in Kafka + ledgered + still in the journal", plant.acknowledged, safe),
    atMost("in Kafka (distinct) ≤ sent", kafka.mqttObservations, plant.sent),
    ...quarantineChecks(plant, edge.quarantined),
  ];
}

function quarantineChecks(plant: Evidence["plant"], quarantined: number): Check[] {
  return [
    atMost("bad messages acknowledged ≤ quarantined", plant.badAcknowledged, quarantined),
    atMost("quarantined ≤ bad messages sent", quarantined, plant.badSent),
  ];
}

function cloudChecks({ edge, kafka, cloud }: Evidence): Check[] {
  if (kafka === undefined || cloud === undefined) return [];
  const accounted = cloud.recordsInRollups + cloud.implausible + cloud.late;
  return [
    equal("observations in Kafka (distinct) = in the cloud service", kafka.observations, cloud.distinctRecords),
    equal("in the cloud service = in rollups + implausible + late", cloud.distinctRecords, accounted),
    equal("in rollups = sum of the fleet's windows", cloud.recordsInRollups, cloud.recordsInFleetWindows),
    equal("quarantined at the edge = in Kafka", edge.quarantined, kafka.quarantined),
    equal("quarantined in Kafka = in the cloud service", kafka.quarantined, cloud.quarantined),
    atMost("missing in the cloud service ≤ still in the journal", cloud.missing, edge.observationsUnsent),
    equal("rejected by the cloud service = none", cloud.rejected, 0),
  ];
}

function equal(name: string, left: number, right: number): Check {
  return { name, left, relation: "=", right, holds: left === right };
}

function atMost(name: string, left: number, right: number): Check {
  return { name, left, relation: "≤", right, holds: left <= right };
}

/** As a table for a terminal, with the verdict in the last line. */
export function reconciliationText({ agree, checks, evidence }: Reconciliation): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const rows = checks.map(
    ({ name, left, relation, right, holds }) =>
      `  ${name.padEnd(width)}  ${String(left).padStart(9)} ${relation} ${String(right).padStart(9)}  ${holds ? "ok" : "DISAGREES"}`,
  );
  const repeats =
    evidence.kafka === undefined ? "" : ` ${evidence.kafka.duplicates} repeats in Kafka were counted once.`;
  const verdict = agree ? "Everything agrees: nothing acknowledged was lost." : "THE FIGURES DISAGREE.";
  return [...rows, "", `${verdict}${repeats}`].join("\n");
}
