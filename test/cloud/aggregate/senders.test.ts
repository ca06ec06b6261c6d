// Goal: two processes under one gateway id are noticed, and nothing that one gateway may do in its life is taken for it.
// Method: the manifests of one partition, in the order of Kafka, as rows; whether there is an alarm at the end.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Aggregator } from "../../../cloud/aggregate/aggregator.ts";
import type { CloneAlarm } from "../../../cloud/aggregate/senders.ts";
import { Store } from "../../../cloud/store/store.ts";
import { formatWireTime } from "../../../src/observation/time.ts";
import { headerNames } from "../../../src/wire/headers.ts";
import { epochA, epochB, numbered, Offsets, prefix, second, t0, testOptions, type Keyed } from "./support.ts";
import { fastFolder } from "../../support/fast-folder.ts";

const epochC = "3-00000000000000cc";
/** The start counter of A, and other random bits: both were started from one copy, or the journal began anew. */
const twinOfA = "1-00000000000000a2";

interface Manifest {
  readonly by: string;
  readonly seq: number;
  readonly at: number;
  readonly of?: string;
  readonly sentAgain?: true;
}

function manifest({ by, seq, at, of = by, sentAgain }: Manifest): Keyed {
  const value = {
    kind: "manifest",
    epoch: of,
    partition: 0,
    time: formatWireTime(t0 + at * second),
    final: of !== by,
    highest: {},
  };
  const record = numbered("ledger", "gw-1/p0", { epoch: by, seq }, value);
  if (sentAgain !== true) return record;
  return { ...record, headers: new Map([...record.headers, [headerNames.backfill, Buffer.from("1")]]) };
}

const stories: { readonly name: string; readonly manifests: readonly Manifest[]; readonly signs: number }[] = [
  {
    name: "a restart, also one that finishes the epoch before",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochA, seq: 2, at: 20 },
      { by: epochB, seq: 1, at: 21, of: epochA },
      { by: epochB, seq: 2, at: 31 },
      { by: epochC, seq: 1, at: 40, of: epochB },
      { by: epochC, seq: 2, at: 50 },
    ],
    signs: 0,
  },
  {
    name: "a restart with a clock that was set back",
    manifests: [
      { by: epochA, seq: 1, at: 1000 },
      { by: epochB, seq: 1, at: 10 },
      { by: epochB, seq: 2, at: 20 },
    ],
    signs: 0,
  },
  {
    name: "a journal that began anew, with the same start counter",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: twinOfA, seq: 1, at: 20 },
      { by: twinOfA, seq: 2, at: 30 },
    ],
    signs: 0,
  },
  {
    name: "what was salvaged from an old file arrives late",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochB, seq: 1, at: 60 },
      { by: epochA, seq: 2, at: 20 },
      { by: epochA, seq: 3, at: 30 },
      { by: epochB, seq: 2, at: 70 },
    ],
    signs: 0,
  },
  {
    name: "an epoch that is salvaged before anything of it was ever seen",
    manifests: [
      { by: epochA, seq: 1, at: 60 },
      { by: epochC, seq: 1, at: 20 },
      { by: epochC, seq: 2, at: 30 },
      { by: epochA, seq: 2, at: 70 },
    ],
    signs: 0,
  },
  {
    name: "manifests that the cloud asked for again, with clocks that contradict",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochB, seq: 1, at: 12 },
      { by: epochA, seq: 2, at: 20, sentAgain: true },
    ],
    signs: 0,
  },
  {
    name: "copies of what arrived before",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochA, seq: 2, at: 40 },
      { by: epochB, seq: 1, at: 20 },
      { by: epochA, seq: 2, at: 40 },
    ],
    signs: 0,
  },
  {
    name: "a zombie that goes on behind its successor: one sign each time it speaks",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochB, seq: 1, at: 20 },
      { by: epochB, seq: 2, at: 30 },
      { by: epochA, seq: 2, at: 35 },
    ],
    signs: 1,
  },
  {
    name: "two started from one copy, with the same start counter",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: twinOfA, seq: 1, at: 12 },
      { by: epochA, seq: 2, at: 20 },
      { by: twinOfA, seq: 2, at: 22 },
    ],
    signs: 2,
  },
  {
    name: "a copy that was started beside the original and finished its epoch",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochB, seq: 1, at: 12, of: epochA },
      { by: epochB, seq: 2, at: 22 },
      { by: epochA, seq: 2, at: 25 },
    ],
    signs: 1,
  },
  {
    name: "two senders whose clocks are years apart",
    manifests: [
      { by: epochA, seq: 1, at: 1e8 },
      { by: epochB, seq: 1, at: 10 },
      { by: epochA, seq: 2, at: 1e8 + 10 },
      { by: epochB, seq: 2, at: 20 },
    ],
    signs: 2,
  },
  {
    name: "the alarm ends a quarter of an hour after one of the two",
    manifests: [
      { by: epochA, seq: 1, at: 10 },
      { by: epochB, seq: 1, at: 12 },
      { by: epochA, seq: 2, at: 20 },
      { by: epochA, seq: 3, at: 20 + 900 },
    ],
    signs: 0,
  },
];

for (const { name, manifests, signs } of stories) {
  test(`${signs > 0 ? "alarm" : "no alarm"}: ${name}`, () => {
    const alarm = alarmAfter(manifests.map(manifest));
    assert.equal(alarm?.signs ?? 0, signs);
    if (alarm !== undefined) assert.equal(alarm.epochs[0] === alarm.epochs[1], false);
  });
}

/** One batch each, and the aggregator is made anew in between: what is stored has to be enough. */
function alarmAfter(records: readonly Keyed[]): CloneAlarm | undefined {
  const folder = mkdtempSync(join(fastFolder, "tidegate-cloud-"));
  const store = Store.open(folder, t0);
  try {
    new Aggregator(store, prefix, testOptions).positions.start({
      topic: `${prefix}.ledger.v1`,
      partition: 0,
      topicId: "id",
      position: 0,
    });
    const offsets = new Offsets();
    for (const record of records) {
      new Aggregator(store, prefix, testOptions).fold([offsets.place(record, 0)], t0);
    }
    const { senders } = new Aggregator(store, prefix, testOptions);
    assert.equal(senders.clones().length, senders.cloneOf("gw-1") === undefined ? 0 : 1);
    return senders.cloneOf("gw-1");
  } finally {
    store.close();
    rmSync(folder, { recursive: true });
  }
}
