// Goal: "complete up to" never says more than what arrived, what the ledger names and what manifests prove.
// Method: a story of records as rows; the claim about the device at its end.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import { Completeness } from "../../../cloud/aggregate/completeness.ts";
import { Store } from "../../../cloud/store/store.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import {
  epochA,
  epochB,
  numbered,
  observation,
  Offsets,
  prefix,
  second,
  t0,
  testOptions,
  type Keyed,
} from "./support.ts";
import { fastFolder } from "../../support/fast-folder.ts";

const device = "press-1";
const at = (seconds: number): string => formatWireTime(t0 + seconds * second);

function seen(...seqs: number[]): Keyed[] {
  return seqs.map((seq) => observation(device, { seq }, t0 + seq * second, { temperature: seq }));
}

function seenInB(...seqs: number[]): Keyed[] {
  return seqs.map((seq) =>
    observation(device, { epoch: epochB, seq }, t0 + (100 + seq) * second, { temperature: seq }),
  );
}

/** Manifests of partition 0 are numbered under a key of the gateway's own. */
function manifest(
  seq: number,
  seconds: number,
  highest: number,
  more: { final?: boolean; of?: string; by?: string } = {},
): Keyed {
  const value = {
    kind: "manifest",
    epoch: more.of ?? epochA,
    partition: 0,
    time: at(seconds),
    final: more.final ?? false,
    highest: highest === 0 ? {} : { observations: { [device]: highest } },
  };
  return numbered("ledger", "manifest-0", { epoch: more.by ?? epochA, seq }, value);
}

function loss(seq: number, first: number, last: number): Keyed {
  const value = {
    kind: "loss",
    epoch: epochA,
    stream: "observations",
    device,
    first,
    last,
    count: last - first + 1,
    from: at(first),
    to: at(last),
    reason: "quota",
  };
  return numbered("ledger", device, { seq }, value);
}

interface Expected {
  readonly completeUpTo: number | undefined;
  readonly missing?: number;
  readonly lost?: number;
  readonly duplicates?: number;
}

const stories: { readonly name: string; readonly records: Keyed[]; readonly expected: Expected }[] = [
  { name: "records without a manifest prove nothing", records: seen(1, 2, 3), expected: { completeUpTo: undefined } },
  {
    name: "a covered manifest proves its time",
    records: [...seen(1, 2, 3), manifest(1, 10, 3)],
    expected: { completeUpTo: 10 },
  },
  {
    name: "the order of arrival does not matter",
    records: [manifest(1, 10, 3), ...seen(3, 1, 2)],
    expected: { completeUpTo: 10 },
  },
  {
    name: "a hole keeps the proof at the manifest before it",
    records: [...seen(1, 2), manifest(1, 10, 2), ...seen(4), manifest(2, 20, 4)],
    expected: { completeUpTo: 10, missing: 1 },
  },
  {
    name: "a hole before the first manifest proves nothing",
    records: [...seen(2), manifest(1, 10, 2)],
    expected: { completeUpTo: undefined, missing: 1 },
  },
  {
    name: "records that only a manifest names are missing",
    records: [...seen(1), manifest(1, 10, 5)],
    expected: { completeUpTo: undefined, missing: 4 },
  },
  {
    name: "the ledger closes a hole",
    records: [...seen(1, 2), manifest(1, 10, 2), ...seen(5), manifest(2, 20, 5), loss(1, 3, 4)],
    expected: { completeUpTo: 20, lost: 2 },
  },
  {
    name: "received beats ledgered",
    records: [...seen(1, 2, 3), loss(1, 2, 3), manifest(1, 10, 3)],
    expected: { completeUpTo: 10, lost: 0 },
  },
  {
    name: "a late record closes the hole and the proof jumps to the last manifest",
    records: [...seen(1, 3), manifest(1, 10, 3), manifest(2, 20, 0), ...seen(2)],
    expected: { completeUpTo: 20 },
  },
  {
    name: "a manifest that does not name the device proves that nothing was added",
    records: [...seen(1), manifest(1, 10, 1), manifest(2, 20, 0)],
    expected: { completeUpTo: 20 },
  },
  {
    name: "behind a missing manifest nothing more is proven",
    records: [...seen(1), manifest(1, 10, 1), manifest(3, 30, 0)],
    expected: { completeUpTo: 10 },
  },
  {
    name: "an epoch that did not end bounds the next one",
    records: [...seen(1), manifest(1, 10, 1), ...seenInB(1), manifest(1, 120, 1, { of: epochB, by: epochB })],
    expected: { completeUpTo: 10 },
  },
  {
    name: "the final manifest of an epoch lets the next one count",
    records: [
      ...seen(1, 2),
      manifest(1, 10, 1),
      manifest(1, 15, 2, { final: true, by: epochB }),
      ...seenInB(1),
      manifest(2, 120, 1, { of: epochB, by: epochB }),
    ],
    expected: { completeUpTo: 120 },
  },
  {
    name: "a hole at the end of a finished epoch bounds everything after it",
    records: [
      ...seen(1),
      manifest(1, 10, 1),
      manifest(1, 15, 2, { final: true, by: epochB }),
      ...seenInB(1),
      manifest(2, 120, 1, { of: epochB, by: epochB }),
    ],
    expected: { completeUpTo: 10, missing: 1 },
  },
  { name: "copies are counted", records: seen(1, 1, 2, 2, 2), expected: { completeUpTo: undefined, duplicates: 3 } },
];

for (const { name, records, expected } of stories) {
  test(name, () => {
    const proof = proofAfter(records);
    assert.equal(
      proof.completeUpTo,
      expected.completeUpTo === undefined ? undefined : t0 + expected.completeUpTo * second,
    );
    assert.equal(proof.missing, expected.missing ?? 0, "missing");
    assert.equal(proof.lost, expected.lost ?? 0, "lost");
    assert.equal(proof.duplicates, expected.duplicates ?? 0, "duplicates");
  });
}

function proofAfter(
  records: readonly Keyed[],
): ReturnType<Completeness["ofDevices"]> extends Map<string, infer P> ? P : never {
  const folder = mkdtempSync(join(fastFolder, "tidegate-cloud-"));
  const store = Store.open(folder, t0);
  try {
    const aggregator = new Aggregator(store, prefix, testOptions);
    for (const topic of ["observations.v1", "ledger.v1"]) {
      aggregator.positions.start({ topic: `${prefix}.${topic}`, partition: 0, topicId: "id", position: 0 });
    }
    const offsets = new Offsets();
    // One batch each: what is kept between batches has to be enough.
    for (const record of records) aggregator.fold([offsets.place(record, 0)], t0);
    return new Completeness(store, aggregator.registry).ofDevices(aggregator.devices.all()).get(device)!;
  } finally {
    store.close();
    rmSync(folder, { recursive: true });
  }
}
