// Goal: the oracle of the fault tests sees every way in which the promise can be broken.
// Method: evidence that is in order, changed in one point.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeObservation, observationPrefix } from "../src/observation/observation.ts";
import { headerNames, sourceOf, typeOf } from "../src/wire/headers.ts";
import type { LedgerRecord } from "../src/wire/records.ts";
import type { ReadRecord } from "./support/consume.ts";
import { reconcile, type Evidence } from "./support/reconcile.ts";

const epochs = ["1-00000000000000aa", "2-00000000000000bb"] as const;

interface Written {
  readonly n: number;
  readonly epoch?: 0 | 1;
  readonly seq: number;
  readonly device?: string;
  readonly temperature?: number;
  readonly backfill?: boolean;
}

/** Two epochs of one device: counters 1 to 3, then 4 and 5; the redelivery of 3 was recognised. */
const inOrder: readonly Written[] = [
  { n: 1, seq: 1 },
  { n: 2, seq: 2 },
  { n: 3, seq: 3 },
  { n: 4, epoch: 1, seq: 1 },
  { n: 5, epoch: 1, seq: 2 },
];

const cases: readonly {
  name: string;
  records: readonly Written[];
  ledger?: readonly LedgerRecord[];
  finds: RegExp | undefined;
}[] = [
  { name: "all is well", records: inOrder, finds: undefined },
  {
    name: "a send was repeated: same identity, same bytes",
    records: [...inOrder, ...inOrder.slice(3)],
    finds: undefined,
  },
  {
    name: "an acknowledged message is lost at the end",
    records: inOrder.slice(0, 4),
    finds: /1 acknowledged but lost \(5 to 5\)/,
  },
  {
    name: "an acknowledged message is lost in the middle",
    records: inOrder.filter(({ n }) => n !== 2),
    finds: /acknowledged but lost/,
  },
  { name: "a whole epoch is lost", records: inOrder.slice(0, 3), finds: /2 acknowledged but lost \(4 to 5\)/ },
  {
    name: "a redelivery was journalled again",
    records: [...inOrder, { n: 5, epoch: 1, seq: 3 }],
    finds: /5 was journalled twice/,
  },
  {
    name: "a counter that was never sent",
    records: [...inOrder, { n: 7, epoch: 1, seq: 3 }],
    finds: /7 was never sent/,
  },
  {
    name: "a device that never sent",
    records: [...inOrder, { n: 1, seq: 1, device: "ghost" }],
    finds: /ghost never sent/,
  },
  {
    name: "a number was used for two records",
    records: [...inOrder, { n: 6, epoch: 1, seq: 2 }],
    finds: /two different values/,
  },
  {
    name: "a value changed on the way",
    records: [...inOrder, { n: 5, epoch: 1, seq: 2, temperature: 0 }],
    finds: /two different values/,
  },
  {
    name: "first copies out of order",
    records: [inOrder[1]!, inOrder[0]!, ...inOrder.slice(2)],
    finds: /1-\w+\/1 came after 1-\w+\/2/,
  },
  {
    name: "backfill behind live data is in order",
    records: [...inOrder.slice(3), ...inOrder.slice(0, 3).map((r) => ({ ...r, backfill: true }))],
    finds: undefined,
  },
  {
    name: "a hole that the ledger names",
    records: inOrder.filter(({ n }) => n !== 2),
    ledger: [loss(2, 2)],
    finds: undefined,
  },
  {
    name: "a hole that the ledger names wrongly",
    records: inOrder.filter(({ n }) => n !== 2),
    ledger: [loss(3, 3)],
    finds: /holes/,
  },
];

for (const { name, records, ledger = [], finds } of cases) {
  test(name, () => {
    const { findings } = reconcile(evidence(records, ledger));
    if (finds === undefined) assert.deepEqual(findings, []);
    else assert.match(findings.join("\n"), finds);
  });
}

test("what was sent but never acknowledged may be there or not", () => {
  const { findings, acked, delivered } = reconcile(evidence([...inOrder, { n: 6, epoch: 1, seq: 3 }], []));
  assert.deepEqual(findings, []);
  assert.deepEqual([acked, delivered], [5, 6]);
});

function evidence(records: readonly Written[], ledger: readonly LedgerRecord[]): Evidence {
  return {
    sent: { pump: { sent: 6, acked: [1, 5] } },
    observations: records.map(kafkaRecord),
    ledger,
    quarantined: {},
  };
}

function kafkaRecord(written: Written, offset: number): ReadRecord {
  const { n, epoch = 0, seq, device = "pump", temperature = 20 + n, backfill = false } = written;
  const observation = {
    device,
    path: "acme/berlin/pumps/line-1",
    timeMicros: (1_795_000_000 + n) * 1_000_000,
    receivedMicros: (1_795_000_000 + n) * 1_000_000,
    clock: "synced" as const,
    timeSource: "device" as const,
    implausibleTime: false,
    values: { n, temperature },
    quality: undefined,
    exact: undefined,
  };
  const headers = new Map([
    [headerNames.source, sourceOf("gw-1")],
    [headerNames.type, typeOf("observations")],
    [headerNames.epoch, epochs[epoch]],
    [headerNames.seq, String(seq)],
    ...(backfill ? ([[headerNames.backfill, "1"]] as const) : []),
  ]);
  const value = Buffer.from(encodeObservation(observation, observationPrefix(device, observation.path)));
  return { partition: 0, offset, key: device, timestampMs: 0, value, headers };
}

function loss(first: number, last: number): LedgerRecord {
  const time = "2026-11-21T09:28:12.123456Z";
  const [from, to] = [time, time];
  const range = { epoch: epochs[0], stream: "observations", device: "pump", first, last, count: last - first + 1 };
  return { kind: "loss", ...range, from, to, reason: "quota" };
}
