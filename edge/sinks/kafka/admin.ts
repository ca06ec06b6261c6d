import { Admin, ConfigResourceTypes } from "@platformatic/kafka";
import { TidegateError } from "../../../src/errors.ts";
import { topicSpecs, type TopicSpec } from "../../../src/wire/streams.ts";
import { Access } from "./access.ts";
import { faultOf } from "./classify.ts";
import type { KafkaOptions } from "./options.ts";

const visibleAttemptsMax = 50;
const visibleEveryMs = 100;

/** How a topic of the installation stands. */
export interface TopicState {
  readonly topic: string;
  readonly compacted: boolean;
  readonly state: "ok" | "missing" | "created" | "wrong";
  /** For a person: what is wrong and what to do; empty when all is well. */
  readonly detail: string;
  /** Undefined where the topic is missing. */
  readonly partitions: number | undefined;
}

/** Looks at the topics and changes nothing. Throws SINK_UNREACHABLE or SINK_UNAUTHORIZED. */
export function checkTopics(options: KafkaOptions): Promise<readonly TopicState[]> {
  return withAdmin(options, (admin) => inspect(admin, options));
}

/** Creates what is missing; topics that exist are never changed. */
export function createTopics(options: KafkaOptions): Promise<readonly TopicState[]> {
  return withAdmin(options, async (admin) => {
    const before = await inspect(admin, options);
    const missing = before.filter(({ state }) => state === "missing");
    // One by one, so that one refusal does not hide the others.
    for (const { topic, compacted } of missing) await create(admin, options, { name: topic, compacted });
    const created = new Set(missing.map(({ topic }) => topic));
    const after = await inspectCreated(admin, options, created);
    return after.map((seen) => (created.has(seen.topic) && seen.state === "ok" ? { ...seen, state: "created" } : seen));
  });
}

/** A broker learns of a new topic a moment after the controller made it. */
async function inspectCreated(
  admin: Admin,
  options: KafkaOptions,
  created: ReadonlySet<string>,
): Promise<TopicState[]> {
  for (let attempt = 1; ; attempt++) {
    const seen = await inspect(admin, options);
    const allVisible = seen.every(({ topic, state }) => state !== "missing" || !created.has(topic));
    if (allVisible || attempt === visibleAttemptsMax) return seen;
    await new Promise((resolve) => setTimeout(resolve, visibleEveryMs));
  }
}

async function withAdmin<T>(options: KafkaOptions, work: (admin: Admin) => Promise<T>): Promise<T> {
  const settings = new Access(options).settings(options.brokers);
  const admin = new Admin({
    clientId: "tidegate-topics",
    ...settings,
    retries: 2,
    retryDelay: 250,
    connectTimeout: 3000,
  });
  try {
    return await work(admin);
  } catch (error) {
    throw translate(error);
  } finally {
    await admin.close();
  }
}

const hints = {
  SINK_UNREACHABLE: "Are kafka.brokers right, is Kafka running, and does a firewall let this machine through?",
  SINK_UNAUTHORIZED: "Check kafka.sasl, kafka.tls, and what this user may do: list, describe and create topics.",
  SINK_FAILED: "The words are Kafka's; its own log may say more.",
};

function translate(error: unknown): TidegateError {
  if (error instanceof TidegateError) return error;
  const { kind, message } = faultOf(error);
  const code =
    kind === "configuration" ? "SINK_UNAUTHORIZED" : kind === "connection" ? "SINK_UNREACHABLE" : "SINK_FAILED";
  return new TidegateError(code, `Kafka: ${message}`, { cause: error, hint: hints[code] });
}

async function inspect(admin: Admin, options: KafkaOptions): Promise<TopicState[]> {
  const specs = topicSpecs(options.topicPrefix);
  const existing = new Set(await admin.listTopics());
  const present = specs.filter(({ name }) => existing.has(name));
  const policies = await cleanupPolicies(admin, present);
  const metadata = await admin.metadata({ topics: present.map(({ name }) => name), forceUpdate: true });
  return specs.map((spec) =>
    stateOf(spec, options, metadata.topics.get(spec.name)?.partitionsCount, policies.get(spec.name)),
  );
}

function stateOf(
  { name: topic, compacted }: TopicSpec,
  { partitions }: KafkaOptions,
  seen: number | undefined,
  policy: string | undefined,
): TopicState {
  if (seen === undefined) {
    return { topic, compacted, state: "missing", detail: "create it: tidegate topics create", partitions: undefined };
  }
  const problems = [
    ...(seen === partitions ? [] : [`has ${seen} partitions, the configuration says ${partitions}`]),
    ...(policy?.includes("compact") === compacted ? [] : [`cleanup.policy is ${policy}`]),
  ];
  return {
    topic,
    compacted,
    state: problems.length === 0 ? "ok" : "wrong",
    detail: problems.join("; "),
    partitions: seen,
  };
}

async function cleanupPolicies(admin: Admin, topics: readonly TopicSpec[]): Promise<Map<string, string>> {
  if (topics.length === 0) return new Map();
  const resources = topics.map(({ name }) => ({
    resourceType: ConfigResourceTypes.TOPIC,
    resourceName: name,
    configurationKeys: ["cleanup.policy"],
  }));
  const described = await admin.describeConfigs({ resources });
  return new Map(described.map(({ resourceName, configs }) => [resourceName, configs[0]?.value ?? ""]));
}

async function create(admin: Admin, options: KafkaOptions, { name, compacted }: TopicSpec): Promise<void> {
  const configs = [
    ...(compacted ? [{ name: "cleanup.policy", value: "compact" }] : []),
    ...(options.minInsyncReplicas === undefined
      ? []
      : [{ name: "min.insync.replicas", value: String(options.minInsyncReplicas) }]),
  ];
  try {
    // -1 = the cluster's default [KIP-464].
    const replicas = options.replicationFactor ?? -1;
    await admin.createTopics({ topics: [name], partitions: options.partitions, replicas, configs });
  } catch (error) {
    const { message } = faultOf(error);
    throw new TidegateError("SINK_FAILED", `topic ${name} could not be created: ${message}`, {
      cause: error,
      hint: "Check kafka.replicationFactor against the number of brokers, and the right to create topics.",
    });
  }
}
