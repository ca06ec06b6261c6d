import { decodeObservation } from "../../src/observation/observation.ts";
import { epochOf } from "../../src/wire/epoch.ts";
import { headerNames } from "../../src/wire/headers.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import type { LedgerRecord } from "../../src/wire/records.ts";
import type { ReadRecord } from "./consume.ts";
import type { DeviceReport } from "./generator/generator.ts";

/*
 * The oracle of every fault test, after DESIGN §2: what the gateway acknowledged is in Kafka, or named in the ledger or
 * the quarantine; nothing is there that was never sent; a redelivery was journalled once; numbers have no holes that
 * the ledger does not explain; first copies are in order.
 */

export interface Evidence {
  /** What the devices know: by device id. */
  readonly sent: Readonly<Record<string, DeviceReport>>;
  /** The observations topic, in order per partition. */
  readonly observations: readonly ReadRecord[];
  /** Ledger entries of observations. */
  readonly ledger: readonly LedgerRecord[];
  /** Quarantined messages per device. */
  readonly quarantined: Readonly<Record<string, number>>;
}

export interface Reconciliation {
  readonly acked: number;
  /** Distinct record identities in Kafka. */
  readonly delivered: number;
  readonly duplicates: number;
  readonly ledgered: number;
  readonly quarantined: number;
  /** One sentence per broken promise; empty when all is well. At most 50, the rest is counted. */
  readonly findings: readonly string[];
  /** The distinct records, for a reference of the fleet's figures. */
  readonly distinct: readonly DistinctRecord[];
}

export interface DistinctRecord {
  readonly identity: string;
  readonly device: string;
  readonly epoch: string;
  readonly seq: number;
  readonly timeMicros: number;
  /** The device's own counter. */
  readonly n: number;
  readonly values: Readonly<Record<string, unknown>>;
}

export function reconcile(evidence: Evidence): Reconciliation {
  const findings = new Findings();
  const { distinct, duplicates } = distinctRecords(evidence.observations, findings);
  const byDevice = Map.groupBy(distinct, ({ device }) => device);
  const ledgerOf = Map.groupBy(evidence.ledger, ({ device }) => device);
  for (const [device, sent] of Object.entries(evidence.sent)) {
    const records = byDevice.get(device) ?? [];
    const explained = countOf(ledgerOf.get(device)) + (evidence.quarantined[device] ?? 0);
    checkConserved(device, sent, records, explained, findings);
    checkNumbers(device, records, ledgerOf.get(device) ?? [], findings);
  }
  for (const device of byDevice.keys()) {
    if (evidence.sent[device] === undefined) findings.add(`${device} never sent anything, but has records`);
  }
  return {
    acked: Object.values(evidence.sent).reduce((sum, { acked }) => sum + new Ranges(acked).count, 0),
    delivered: distinct.length,
    duplicates,
    ledgered: countOf(evidence.ledger),
    quarantined: Object.values(evidence.quarantined).reduce((sum, count) => sum + count, 0),
    findings: findings.list,
    distinct,
  };
}

class Findings {
  readonly list: string[] = [];
  add(sentence: string): void {
    if (this.list.length < 50) this.list.push(sentence);
  }
}

/** First copies by identity; repeats must be the same bytes, and first copies must be in order (DESIGN P2). */
function distinctRecords(
  observations: readonly ReadRecord[],
  findings: Findings,
): { distinct: DistinctRecord[]; duplicates: number } {
  const first = new Map<string, ReadRecord>();
  const newest = new Map<string, DistinctRecord>();
  const distinct: DistinctRecord[] = [];
  for (const record of observations) {
    const read = readDistinct(record);
    if (read === undefined) {
      findings.add(`a record without identity or value at ${record.partition}/${record.offset}`);
      continue;
    }
    const before = first.get(read.identity);
    if (before === undefined) {
      first.set(read.identity, record);
      distinct.push(read);
      checkOrder(read, record.headers.get(headerNames.backfill) ?? "", newest, findings);
    } else if (!before.value.equals(record.value)) findings.add(`${read.identity} came with two different values`);
  }
  return { distinct, duplicates: observations.length - distinct.length };
}

function readDistinct({ key, value, headers }: ReadRecord): DistinctRecord | undefined {
  const [source, type, epoch] = [headerNames.source, headerNames.type, headerNames.epoch].map((name) =>
    headers.get(name),
  );
  const seq = Number(headers.get(headerNames.seq));
  const observation = decodeObservation(value.toString("utf8"));
  if (source === undefined || type === undefined || epoch === undefined || observation === undefined) return undefined;
  if (!Number.isSafeInteger(seq) || seq < 1 || observation.device !== key) return undefined;
  return {
    identity: `${source} ${epoch} ${type} ${key} ${seq}`,
    device: key,
    epoch,
    seq,
    timeMicros: observation.timeMicros,
    n: Number(observation.values["n"]),
    values: observation.values,
  };
}

/** Live data and backfill each keep the order of a device's numbers. */
function checkOrder(
  record: DistinctRecord,
  lane: string,
  newest: Map<string, DistinctRecord>,
  findings: Findings,
): void {
  const key = `${record.device} ${lane}`;
  const before = newest.get(key);
  if (before !== undefined && compare(before, record) > 0) {
    findings.add(`${record.device}: ${record.epoch}/${record.seq} came after ${before.epoch}/${before.seq}`);
  }
  newest.set(key, record);
}

function compare(a: DistinctRecord, b: DistinctRecord): number {
  const epochs = (epochOf(a.epoch)?.counter ?? 0) - (epochOf(b.epoch)?.counter ?? 0);
  return epochs === 0 ? a.seq - b.seq : epochs;
}

function checkConserved(
  device: string,
  sent: DeviceReport,
  records: readonly DistinctRecord[],
  explained: number,
  findings: Findings,
): void {
  const delivered = new Ranges();
  for (const { n, identity } of records) {
    if (!(n >= 1 && n <= sent.sent)) findings.add(`${device}: ${n} was never sent`);
    else if (delivered.add(n) === 0) findings.add(`${device}: ${n} was journalled twice, once as ${identity}`);
  }
  const missing = new Ranges(sent.acked).pairs().flatMap(([first, last]) => delivered.missing(first, last));
  const count = missing.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  if (count > explained) {
    const places = missing.slice(0, 3).map(([first, last]) => `${first} to ${last}`);
    findings.add(`${device}: ${count} acknowledged but lost (${places.join(", ")}), ${explained} explained`);
  }
}

/** Numbers are dense from 1 within an epoch: a hole is a proven loss, which the ledger must name. */
function checkNumbers(
  device: string,
  records: readonly DistinctRecord[],
  ledger: readonly LedgerRecord[],
  findings: Findings,
): void {
  for (const [epoch, own] of Map.groupBy(records, (record) => record.epoch)) {
    const known = new Ranges();
    for (const { seq } of own) known.add(seq);
    for (const { epoch: of, first, last } of ledger) {
      if (of === epoch && first !== undefined && last !== undefined) known.add(first, last);
    }
    const [pair] = known.pairs();
    const whole = known.pairs().length === 1 && pair?.[0] === 1;
    if (!whole) findings.add(`${device}: numbers of epoch ${epoch} have holes: ${JSON.stringify(known.pairs())}`);
  }
}

function countOf(ledger: readonly LedgerRecord[] | undefined): number {
  return (ledger ?? []).reduce((sum, { count }) => sum + count, 0);
}
