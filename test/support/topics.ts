import { Admin } from "@platformatic/kafka";

/** Creates topics with one partition count; `configs` applies to all of them. */
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
      replicas: 1,
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    });
  } finally {
    await admin.close();
  }
}
