import type { Log, LogRecord } from "../ingest/log.ts";
import type { Row, Rows } from "../publish/rows.ts";
import { TidegateError } from "../../src/errors.ts";
import { cloudEventsVersion, cloudSource, headerNames } from "../../src/wire/headers.ts";
import {
  packagePartSchemaId,
  packagePartType,
  partsOf,
  readRollout,
  rolloutSchemaId,
  rolloutType,
  type PackagePart,
  type Rollout,
  type Withdrawal,
} from "../../src/wire/rollouts.ts";
import { packageTopic, rolloutTopic, topicName } from "../../src/wire/streams.ts";

/** Nothing came for this long: what compaction has removed at the end of a partition does not come any more. */
const silenceMs = 5000;
const recordsMax = 500;
const waitMs = 250;

/** The newest record of each key of a compacted topic. Throws SINK_TOPIC_MISSING; rejects as `Log`. */
export async function readWhole(log: Log, topic: string): Promise<Map<string, LogRecord>> {
  const [state] = await log.describe([topic]);
  if (state === undefined) {
    throw new TidegateError("SINK_TOPIC_MISSING", `topic ${topic} does not exist`, {
      hint: "Run tidegate topics create.",
    });
  }
  const behind = new Map(state.partitions.map(({ first, end }, partition) => [partition, { first, end }] as const));
  const positions = [...behind].map(([partition, { first }]) => ({ topic, partition, offset: first }));
  for (const [partition, { first, end }] of behind) if (first >= end) behind.delete(partition);
  const newest = new Map<string, LogRecord>();
  if (behind.size === 0) return newest;
  await using reader = await log.open(positions);
  for (let heardMs = performance.now(); behind.size > 0 && performance.now() - heardMs < silenceMs;) {
    for (const record of await reader.next(recordsMax, waitMs)) {
      heardMs = performance.now();
      if (record.key !== undefined) newest.set(record.key, record);
      if (record.offset + 1 >= (behind.get(record.partition)?.end ?? Infinity)) behind.delete(record.partition);
    }
  }
  for (const [key, { value }] of newest) if (value === undefined) newest.delete(key);
  return newest;
}

/** The rollouts' side of Kafka, for the command line: what lies there, and what is added. */
export class RolloutTopics {
  readonly #log: Log;
  readonly #rows: Rows;
  readonly #rollouts: string;
  readonly #packages: string;

  constructor(log: Log, rows: Rows, prefix: string) {
    this.#log = log;
    this.#rows = rows;
    this.#rollouts = topicName(prefix, rolloutTopic);
    this.#packages = topicName(prefix, packageTopic);
  }

  /** What was said last of each, by name; nobody has looked at signatures. */
  async said(): Promise<Map<string, Rollout | Withdrawal>> {
    const said = new Map<string, Rollout | Withdrawal>();
    for (const [key, { value }] of await readWhole(this.#log, this.#rollouts)) {
      const read = readRollout(key, value!);
      if (read.kind === "read") said.set(key, read.said);
    }
    return said;
  }

  /** The parts are in Kafka when it resolves: a rollout that names them may follow. */
  async sendPackage(archive: Uint8Array): Promise<void> {
    const { sha256, parts } = partsOf(archive);
    const headers = headersOf(packagePartType, packagePartSchemaId);
    // One by one: a package in parts need not be in memory twice.
    for (const [index, part] of parts.entries()) {
      const key = partKey(sha256, index);
      const value = { package: sha256, index, data: Buffer.from(part).toString("base64") } satisfies PackagePart;
      await this.#rows.send(this.#packages, [{ key, value: JSON.stringify(value), headers: headers(key) }]);
    }
  }

  async sendRollout({ name, revision }: Rollout | Withdrawal, value: string): Promise<void> {
    const headers = headersOf(rolloutType, rolloutSchemaId);
    await this.#rows.send(this.#rollouts, [{ key: name, value, headers: headers(`${name}/${revision}`) }]);
  }

  /** Takes a package off the topic; gateways that have it keep it. */
  async removePackage({ sha256, parts }: Rollout["package"]): Promise<void> {
    const headers = headersOf(packagePartType, packagePartSchemaId);
    const rows = parts.map((_, index): Row => {
      const key = partKey(sha256, index);
      return { key, value: undefined, headers: headers(key) };
    });
    await this.#rows.send(this.#packages, rows);
  }

  async removeRollout(name: string): Promise<void> {
    const headers = headersOf(rolloutType, rolloutSchemaId);
    await this.#rows.send(this.#rollouts, [{ key: name, value: undefined, headers: headers(name) }]);
  }
}

function partKey(sha256: string, index: number): string {
  return `${sha256}/${index}`;
}

function headersOf(type: string, schemaId: string): (id: string) => Record<string, string> {
  return (id) => ({
    [headerNames.id]: id,
    [headerNames.source]: cloudSource,
    [headerNames.type]: type,
    [headerNames.specVersion]: cloudEventsVersion,
    [headerNames.dataSchema]: schemaId,
  });
}
