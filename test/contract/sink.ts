import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { OutRow, OutRows } from "../../edge/out-rows.ts";
import type { SendOutcome, Sink } from "../../edge/sink.ts";
import { outRows } from "../support/out-rows.ts";
import { until } from "../support/until.ts";

/** A record behind the sink, its identity taken from what travels in headers. */
export interface Arrived {
  readonly partition: number;
  readonly key: string;
  readonly value: string;
  readonly epoch: string;
  readonly stream: string;
  readonly seq: number;
  readonly backfill: boolean;
}

/** A sink with an existing topic of its own, and hands on what is behind it. */
export interface SinkUnderTest {
  readonly sink: Sink;
  readonly topic: string;
  readonly partitions: number;
  /** Everything that the topic holds, in order per partition. */
  readonly arrived: () => Promise<readonly Arrived[]>;
  /** Nobody answers until `back`. */
  readonly away: () => Promise<void>;
  readonly back: () => Promise<void>;
}

const patient = { withinMs: 60_000, everyMs: 100 };

/** Its topic takes at most about `bytesMax` bytes at once, where that is given. */
type MakeSink = (t: TestContext, bytesMax?: number) => Promise<SinkUnderTest>;

/** What the forwarder relies on, whichever sink stands behind the port. */
export function testSinkContract(name: string, make: MakeSink): void {
  test(`${name}: accepted rows arrive once, in order, with key, value, identity and partition`, async (t) => {
    const { sink, topic, arrived } = await make(t);
    const rows = [...rowsOf("press-17", 1, 3), ...rowsOf("prüfstand", 1, 2, true), ...rowsOf("press-17", 4, 1)];
    assert.deepEqual(await sink.send(topic, 1, outRows(rows)), { kind: "accepted" });
    assert.deepEqual(await sink.send(topic, 0, rowsOf("pump", 7, 1)), { kind: "accepted" });
    const seen = await arrived();
    assert.deepEqual(
      seen.filter(({ partition }) => partition === 1),
      rows.map((row) => expected(row, 1)),
    );
    assert.deepEqual(
      seen.filter(({ partition }) => partition !== 1),
      Array.from(rowsOf("pump", 7, 1), (row) => expected(row, 0)),
    );
  });

  test(`${name}: sends to several partitions go side by side`, async (t) => {
    const { sink, topic, partitions, arrived } = await make(t);
    const numbers = Array.from({ length: partitions }, (_, partition) => partition);
    const outcomes = await Promise.all(numbers.map((n) => sink.send(topic, n, rowsOf(`d${n}`, 1, 50))));
    assert.ok(outcomes.every(({ kind }) => kind === "accepted"));
    for (const { key, partition } of await arrived()) assert.equal(key, `d${partition}`);
    assert.equal((await arrived()).length, 50 * partitions);
  });

  test(`${name}: too large a send is said to be, a row that is too large alone is refused, and nothing of them is stored`, async (t) => {
    const { sink, topic, arrived } = await make(t, 1_000);
    const small = [...rowsOf("press-17", 1, 3)];
    const large = Array.from(rowsOf("press-17", 4, 1), (row) => ({ ...row, value: incompressible(3000) }));
    assert.deepEqual(await sink.send(topic, 0, outRows([...small, ...large])), { kind: "too-large" });
    const alone = await sink.send(topic, 0, outRows(large));
    assert.deepEqual(alone.kind === "refused" && alone.rows, [0]);
    assert.deepEqual(await sink.send(topic, 0, outRows(small)), { kind: "accepted" });
    assert.deepEqual(
      await arrived(),
      small.map((row) => expected(row, 0)),
    );
  });

  test(`${name}: the outcome is unknown while nobody answers, and the same instance is accepted afterwards`, async (t) => {
    const { sink, topic, arrived, away, back } = await make(t);
    assert.deepEqual(await sink.send(topic, 0, rowsOf("press-17", 1, 1)), { kind: "accepted" });
    await away();
    const rows = rowsOf("press-17", 2, 5);
    const outcome = await sink.send(topic, 0, rows);
    assert.equal(outcome.kind, "unknown");
    assert.equal(outcome.kind === "unknown" && outcome.cause.kind, "connection");
    assert.equal((await sink.describe([topic])).reachable, false);
    await back();
    assert.deepEqual(await accepted(sink, topic, rows), { kind: "accepted" });
    const copies = (await arrived()).map(({ seq }) => seq);
    assert.deepEqual([...new Set(copies)], [1, 2, 3, 4, 5, 6], "first copies are in order");
  });

  test(`${name}: describes topics that exist with their partitions, and leaves out those that do not`, async (t) => {
    const { sink, topic, partitions } = await make(t);
    const { reachable, topics, recreated } = await sink.describe(["tidegate-no-such-topic", topic]);
    assert.equal(reachable, true);
    assert.deepEqual([...topics.keys()], [topic]);
    assert.equal(topics.get(topic)?.partitions, partitions);
    assert.notEqual(topics.get(topic)?.id, "");
    assert.deepEqual(recreated, []);
  });
}

/** As the forwarder does: the same rows until the outcome is known. */
export function accepted(sink: Sink, topic: string, rows: OutRows): Promise<SendOutcome> {
  const known = ({ kind }: SendOutcome): boolean => kind !== "unknown";
  return until("a known outcome", () => sink.send(topic, 0, rows), known, patient);
}

export function rowsOf(device: string, firstSeq: number, count: number, backfill = false): OutRows {
  const key = Buffer.from(device, "utf8");
  const origin = { epoch: "3-00112233445566aa", stream: "observations", device, key, commit: 9, backfill } as const;
  const rows = Array.from({ length: count }, (_, i) => {
    const value = `{"device":"${device}","time":"2026-11-21T09:28:12.123456Z","values":{"n":${firstSeq + i}}}`;
    return {
      value: Buffer.from(value),
      seq: firstSeq + i,
      timeAt: Buffer.byteLength(value.split("2026", 1)[0]!),
      origin,
    };
  });
  return outRows(rows);
}

function expected({ value, seq, origin }: OutRow, partition: number): Arrived {
  const { epoch, stream, device, backfill } = origin;
  return { partition, key: device, value: value.toString(), epoch, stream, seq, backfill };
}

/** Too large however it is packed. */
function incompressible(bytes: number): Buffer {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes)));
}
