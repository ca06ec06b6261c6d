import { Admin } from "@platformatic/kafka";
import { topicSpecs } from "../../src/wire/streams.ts";

/** Creates topics with one partition count and the brokers' replication; `configs` applies to all of them. */
export async function createTopics(
  bootstrap: string,
  topics: readonly string[],
  partitions: number,
  configs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = new Admin({ clientId: "test-topics", bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 100 });
  try {
    await admin.createTopics({
      topics: [...topics],
      partitions,
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    });
  } finally {
    await admin.close();
  }
}

/** Every topic of an installation, as `tidegate topics create` makes them. */
export async function createInstallationTopics(bootstrap: string, prefix: string, partitions: number): Promise<void> {
  const named = (compacted: boolean): string[] =>
    topicSpecs(prefix).flatMap((spec) => (spec.compacted === compacted ? [spec.name] : []));
  await createTopics(bootstrap, named(false), partitions);
  await createTopics(bootstrap, named(true), partitions, { "cleanup.policy": "compact" });
}

/** As retention does: every record that is in the topic now is gone, the offsets go on. */
export async function deleteRecords(bootstrap: string, topic: string): Promise<void> {
  const admin = new Admin({ clientId: "test-topics", bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 100 });
  try {
    const { partitionsCount } = (await admin.metadata({ topics: [topic] })).topics.get(topic)!;
    const partitions = Array.from({ length: partitionsCount }, (_, partition) => ({ partition, offset: -1n }));
    await admin.deleteRecords({ topics: [{ name: topic, partitions }] });
  } finally {
    await admin.close();
  }
}

export async function deleteTopic(bootstrap: string, topic: string): Promise<void> {
  const admin = new Admin({ clientId: "test-topics", bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 100 });
  try {
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await admin.close();
  }
}

export interface PartitionState {
  /** Number of the broker that leads it. */
  readonly leader: number;
  /** Brokers that have everything. */
  readonly isr: readonly number[];
}

/** Who leads each partition of a topic now, and who has all of it. */
export async function partitionsOf(bootstrap: string, topic: string): Promise<readonly PartitionState[]> {
  const admin = new Admin({ clientId: "test-topics", bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 100 });
  try {
    return (await admin.metadata({ topics: [topic] })).topics.get(topic)!.partitions;
  } finally {
    await admin.close();
  }
}
