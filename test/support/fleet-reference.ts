import { formatWireTime } from "../../src/observation/time.ts";
import type { RollupRecord } from "../../src/wire/records.ts";
import type { DistinctRecord } from "./reconcile.ts";

/*
 * What the fleet's figures must be, computed the simple way: all distinct records at once, one group per minute.
 */

interface Reference {
  records: number;
  readonly metrics: Map<string, Figures>;
}

interface Figures {
  count: number;
  sum: number;
  min: number;
  max: number;
}

const minuteMicros = 60_000_000;
const tolerance = 1e-9;

/** Compares the rollups of one level with the reference; `keyOf` names the rollup that a record belongs to. One sentence per difference. */
export function compareRollups(
  rollups: readonly RollupRecord[],
  distinct: readonly DistinctRecord[],
  keyOf: (record: DistinctRecord) => string,
): string[] {
  const expected = referenceOf(distinct, keyOf);
  const findings: string[] = [];
  for (const rollup of rollups) {
    const place = `${rollup.key} at ${rollup.window}`;
    const reference = expected.get(place);
    expected.delete(place);
    if (reference === undefined) findings.push(`${place}: ${rollup.records} records that nobody sent`);
    else findings.push(...differences(place, rollup, reference));
  }
  for (const [place, { records }] of expected) findings.push(`${place}: no rollup for ${records} records`);
  return findings;
}

function referenceOf(
  distinct: readonly DistinctRecord[],
  keyOf: (record: DistinctRecord) => string,
): Map<string, Reference> {
  const windows = new Map<string, Reference>();
  for (const record of distinct) {
    const start = Math.floor(record.timeMicros / minuteMicros) * minuteMicros;
    const place = `${keyOf(record)} at ${formatWireTime(start)}`;
    const window = windows.get(place) ?? { records: 0, metrics: new Map<string, Figures>() };
    windows.set(place, window);
    window.records += 1;
    for (const [name, value] of Object.entries(record.values)) {
      if (typeof value === "number") fold(window.metrics, name, value);
    }
  }
  return windows;
}

function fold(metrics: Map<string, Figures>, name: string, value: number): void {
  const figures = metrics.get(name);
  if (figures === undefined) {
    metrics.set(name, { count: 1, sum: value, min: value, max: value });
    return;
  }
  figures.count += 1;
  figures.sum += value;
  figures.min = Math.min(figures.min, value);
  figures.max = Math.max(figures.max, value);
}

function differences(place: string, rollup: RollupRecord, reference: Reference): string[] {
  const found: string[] = [];
  const differ = (what: string, is: number | undefined, should: number): void => {
    const error = Math.abs((is ?? Number.NaN) - should);
    if (!(error <= tolerance * Math.abs(should))) found.push(`${place}: ${what} is ${is}, should be ${should}`);
  };
  differ("records", rollup.records, reference.records);
  for (const [name, { count, sum, min, max }] of reference.metrics) {
    const metric = rollup.metrics[name];
    differ(`${name} count`, metric?.count, count);
    differ(`${name} sum`, metric?.sum, sum);
    differ(`${name} min`, metric?.min, min);
    differ(`${name} max`, metric?.max, max);
  }
  return found;
}
