import { Admin, ConfigResourceTypes } from "@platformatic/kafka";

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

/** Changes settings of a topic that exists. */
export async function configureTopic(
  bootstrap: string,
  topic: string,
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const admin = new Admin({ clientId: "test-topics", bootstrapBrokers: [bootstrap], retries: 20, retryDelay: 100 });
  try {
    await admin.alterConfigs({
      resources: [
        {
          resourceType: ConfigResourceTypes.TOPIC,
          resourceName: topic,
          configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
        },
      ],
    });
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
