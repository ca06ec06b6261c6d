import { compatibilityPartitioner } from "@platformatic/kafka";
import type { OutRows } from "../../out-rows.ts";
import type { SendOutcome, Sink, SinkDescription, SinkFault } from "../../sink.ts";
import { Access } from "./access.ts";
import { faultOf, outcomeOf } from "./classify.ts";
import { Client, type ProducerClient } from "./client.ts";
import type { KafkaOptions } from "./options.ts";
import { BatchProducer } from "./producer.ts";

/** Proven against a real broker under faults; do not change one without running the fault tests again. */
const provenSettings = {
  idempotent: true,
  acks: -1,
  compression: "zstd",
  partitioner: compatibilityPartitioner,
  autocreateTopics: false,
  strict: false,
  // At least 2: with `idempotent` 0 and 1 silently become unbounded, and each retry leaks memory.
  retries: 3,
  retryDelay: 250,
  timeout: 10_000,
  requestTimeout: 8000,
  connectTimeout: 3000,
} as const;

export interface KafkaSinkParts {
  readonly monotonicMs?: () => number;
  /** Default: the real client. */
  readonly makeProducer?: (brokers: readonly string[]) => ProducerClient;
}

/** Kafka through @platformatic/kafka. Certificates that were replaced on disk are taken up by `describe`. */
export class KafkaSink implements Sink {
  readonly valueBytesMax: number;
  readonly #access: Access;
  readonly #client: Client;
  /** Topic → id when it was first seen. */
  readonly #topicIds: Map<string, string>;
  readonly #recreated = new Set<string>();

  /** `knownTopics`: the ids that topics had in an earlier process. */
  constructor(
    gateway: string,
    options: KafkaOptions,
    knownTopics: ReadonlyMap<string, string> = new Map(),
    parts: KafkaSinkParts = {},
  ) {
    this.#access = new Access(options);
    this.#topicIds = new Map(knownTopics);
    this.valueBytesMax = options.valueBytesMax;
    const make = (brokers: readonly string[]): ProducerClient => {
      const settings = { ...provenSettings, ...this.#access.settings(brokers) };
      return new BatchProducer(gateway, { clientId: `tidegate-${gateway}`, ...settings });
    };
    const { makeProducer = make, monotonicMs = () => performance.now() } = parts;
    this.#client = new Client(options.brokers, makeProducer, monotonicMs);
  }

  async send(topic: string, partition: number, rows: OutRows): Promise<SendOutcome> {
    try {
      await this.#client.use((producer) => producer.sendRows(topic, partition, rows));
      return { kind: "accepted" };
    } catch (error) {
      return outcomeOf(error, rows.length);
    }
  }

  async describe(topics: readonly string[]): Promise<SinkDescription> {
    const problem = this.#takeUpCertificates();
    const [first, ...others] = topics;
    if (first === undefined) return this.#description(new Map(), problem, true);
    // One by one, since a look-up that names a missing topic fails as a whole; the first says whether anybody answers.
    const seen = new Map([[first, await this.#describeTopic(first)]]);
    const away = unreachable(seen);
    if (away !== undefined) return this.#description(new Map(), away, false);
    await Promise.all(others.map(async (topic) => seen.set(topic, await this.#describeTopic(topic))));
    const found = new Map([...seen].flatMap(([topic, state]) => ("kind" in state ? [] : [[topic, state]])));
    const fault = unreachable(seen);
    if (fault !== undefined) return this.#description(found, fault, false);
    return this.#description(found, problem ?? [...seen.values()].find((state) => "kind" in state), true);
  }

  /** The client is replaced when its certificates were; what is wrong with new ones is returned, and the old stay in use. */
  #takeUpCertificates(): SinkFault | undefined {
    try {
      if (this.#access.changed()) this.#client.renew();
      return undefined;
    } catch (error) {
      return faultOf(error);
    }
  }

  async #describeTopic(topic: string): Promise<TopicSeen | SinkFault> {
    try {
      const metadata = await this.#client.use((producer) => producer.metadata({ topics: [topic], forceUpdate: true }));
      const seen = metadata.topics.get(topic);
      if (seen === undefined) return { kind: "topic-missing", message: `Unknown topic ${topic}.` };
      this.#remember(topic, seen.id);
      return { partitions: seen.partitionsCount, id: seen.id };
    } catch (error) {
      return faultOf(error);
    }
  }

  #description(topics: SinkDescription["topics"], fault: SinkFault | undefined, reachable: boolean): SinkDescription {
    return {
      reachable,
      fault,
      topics,
      recreated: [...this.#recreated],
      certificates: this.#access.certificates(),
    };
  }

  #remember(topic: string, id: string): void {
    const before = this.#topicIds.get(topic);
    if (before !== undefined && before !== id) this.#recreated.add(topic);
    this.#topicIds.set(topic, id);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.close();
  }
}

interface TopicSeen {
  readonly partitions: number;
  readonly id: string;
}

function unreachable(seen: ReadonlyMap<string, TopicSeen | SinkFault>): SinkFault | undefined {
  return [...seen.values()].find((state): state is SinkFault => "kind" in state && state.kind !== "topic-missing");
}
