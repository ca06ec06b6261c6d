import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { faultText } from "../../cloud/ingest/connection.ts";
import type { Log, LogReader, LogRecord, Position } from "../../cloud/ingest/log.ts";
import { until } from "../support/until.ts";

/** A log that the suite can fill. */
export interface LogUnderTest {
  readonly log: Log;
  readonly topic: string;
  readonly partitions: number;
  readonly append: (partition: number, key: string, value: string) => Promise<void>;
}

/** What the service relies on, whichever log stands behind the port. */
export function testLogContract(name: string, make: (t: TestContext) => Promise<LogUnderTest>): void {
  test(`${name}: describes topics that exist and leaves out those that do not`, async (t) => {
    const { log, topic, partitions, append } = await make(t);
    await append(0, "a", "1");
    const seen = await until(
      "the record to be in the bounds",
      () => log.describe([topic, "tidegate-no-such-topic"]),
      ([state]) => state?.partitions[0]?.end === 1,
    );
    assert.deepEqual(
      seen.map((state) => [state.topic, state.partitions.length]),
      [[topic, partitions]],
    );
    assert.equal(seen[0]?.partitions[0]?.first, 0);
    assert.notEqual(seen[0]?.id, "");
  });

  test(`${name}: reads each partition from its position on, in order`, async (t) => {
    const { log, topic, append } = await make(t);
    for (let i = 0; i < 5; i++) await append(0, "a", `a${i}`);
    for (let i = 0; i < 3; i++) await append(1, "b", `b${i}`);
    await using reader = await log.open([at(topic, 0, 2), at(topic, 1, 0)]);
    const records = await take(reader, 6);
    assert.deepEqual(of(records, 0), ["2:a:a2", "3:a:a3", "4:a:a4"]);
    assert.deepEqual(of(records, 1), ["0:b:b0", "1:b:b1", "2:b:b2"]);
  });

  test(`${name}: waits for records that are appended later`, async (t) => {
    const { log, topic, append } = await make(t);
    await using reader = await log.open([at(topic, 0, 0), at(topic, 1, 0)]);
    assert.deepEqual(await reader.next(10, 50), []);
    await append(1, "late", "x");
    assert.deepEqual(of(await take(reader, 1), 1), ["0:late:x"]);
  });

  test(`${name}: hands over at most as many records as were asked for`, async (t) => {
    const { log, topic, append } = await make(t);
    for (let i = 0; i < 7; i++) await append(0, "a", `${i}`);
    await using reader = await log.open([at(topic, 0, 0)]);
    const sizes: number[] = [];
    await until("all records", async () => {
      const records = await reader.next(2, 100);
      if (records.length > 0) sizes.push(records.length);
      return sizes.reduce((a, b) => a + b, 0) === 7;
    });
    assert(Math.max(...sizes) <= 2);
  });

  test(`${name}: a position beyond the end fails the reader and is never moved`, async (t) => {
    const { log, topic, append } = await make(t);
    await append(0, "a", "1");
    await using reader = await log.open([at(topic, 0, 99)]);
    await assert.rejects(readUntilFailure(reader), (error) => /OFFSET_OUT_OF_RANGE/.test(faultText(error)));
  });
}

async function readUntilFailure(reader: LogReader): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    assert.deepEqual(await reader.next(10, 100), [], "records came from a position that does not exist");
  }
}

function at(topic: string, partition: number, offset: number): Position {
  return { topic, partition, offset };
}

async function take(reader: LogReader, count: number): Promise<LogRecord[]> {
  const taken: LogRecord[] = [];
  await until(`${count} records`, async () => {
    taken.push(...(await reader.next(100, 100)));
    return taken.length >= count;
  });
  return taken;
}

function of(records: readonly LogRecord[], partition: number): string[] {
  return records
    .filter((record) => record.partition === partition)
    .map(({ offset, key, value }) => `${offset}:${key}:${value?.toString()}`);
}
