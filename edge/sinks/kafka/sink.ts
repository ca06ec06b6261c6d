import { compatibilityPartitioner } from "@platformatic/kafka";
import type { OutRow, SendOutcome, Sink, SinkDescription, SinkFault } from "../../sink.ts";
import { faultOf, isTimeout, outcomeOf } from "./classify.ts";
import type { KafkaOptions } from "./options.ts";
import { BatchProducer } from "./producer.ts";
import { connectionSettings } from "./settings.ts";

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

/** A new client costs a connection, a producer id and metadata: not more often than this. */
const renewEveryMs = 5000;
const timeoutsMax = 2;

/**
 * Kafka through @platformatic/kafka. The client is made anew, with certificates read again and the next broker first,
 * after a configuration fault and after two timeouts in a row: a hung broker first in the list costs 25 s per attempt.
 */
export class KafkaSink implements Sink {
  readonly valueBytesMax: number;
  readonly #gateway: string;
  readonly #options: KafkaOptions;
  readonly #monotonicMs: () => number;
  readonly #topicIds = new Map<string, string>();
  readonly #recreated = new Set<string>();
  readonly #closing = new Set<Promise<void>>();
  #brokers: readonly string[];
  #producer: BatchProducer | undefined;
  #producerMadeMs = 0;
  #timeouts = 0;
  #closed = false;

  constructor(gateway: string, options: KafkaOptions, monotonicMs: () => number = () => performance.now()) {
    this.#gateway = gateway;
    this.#options = options;
    this.#brokers = options.brokers;
    this.#monotonicMs = monotonicMs;
    this.valueBytesMax = options.valueBytesMax;
  }

  async send(topic: string, partition: number, rows: readonly OutRow[]): Promise<SendOutcome> {
    let producer: BatchProducer | undefined;
    try {
      producer = this.#client();
      await producer.sendRows(topic, partition, rows);
      this.#timeouts = 0;
      return { kind: "accepted" };
    } catch (error) {
      const outcome = outcomeOf(error, rows.length);
      if (outcome.kind === "unknown") this.#onFault(producer, outcome.cause, error);
      return outcome;
    }
  }

  async describe(topics: readonly string[]): Promise<SinkDescription> {
    const found = new Map<string, { partitions: number; id: string }>();
    let fault: SinkFault | undefined;
    // One by one: a look-up that names a missing topic fails as a whole.
    for (const topic of topics) {
      const seen = await this.#describeTopic(topic);
      if ("kind" in seen && seen.kind !== "topic-missing") return this.#description(found, seen, false);
      if ("kind" in seen) fault ??= seen;
      else found.set(topic, seen);
    }
    return this.#description(found, fault, true);
  }

  async #describeTopic(topic: string): Promise<{ partitions: number; id: string } | SinkFault> {
    let producer: BatchProducer | undefined;
    try {
      producer = this.#client();
      const seen = (await producer.metadata({ topics: [topic], forceUpdate: true })).topics.get(topic);
      if (seen === undefined) return { kind: "topic-missing", message: `Unknown topic ${topic}.` };
      this.#remember(topic, seen.id);
      return { partitions: seen.partitionsCount, id: seen.id };
    } catch (error) {
      const fault = faultOf(error);
      this.#onFault(producer, fault, error);
      return fault;
    }
  }

  #description(topics: SinkDescription["topics"], fault: SinkFault | undefined, reachable: boolean): SinkDescription {
    return { reachable, fault, topics, recreated: [...this.#recreated] };
  }

  #remember(topic: string, id: string): void {
    const before = this.#topicIds.get(topic);
    if (before !== undefined && before !== id) this.#recreated.add(topic);
    this.#topicIds.set(topic, id);
  }

  /** Throws where a certificate or key file cannot be read. */
  #client(): BatchProducer {
    if (this.#producer !== undefined) return this.#producer;
    const settings = { ...provenSettings, ...connectionSettings(this.#options, this.#brokers) };
    this.#producer = new BatchProducer(this.#gateway, { clientId: `tidegate-${this.#gateway}`, ...settings });
    this.#producerMadeMs = this.#monotonicMs();
    return this.#producer;
  }

  #onFault(producer: BatchProducer | undefined, fault: SinkFault, error: unknown): void {
    if (producer === undefined || producer !== this.#producer || this.#closed) return;
    const timedOut = isTimeout(error);
    this.#timeouts = timedOut ? this.#timeouts + 1 : 0;
    const wanted = fault.kind === "configuration" || this.#timeouts >= timeoutsMax;
    if (!wanted || this.#monotonicMs() - this.#producerMadeMs < renewEveryMs) return;
    const [first, ...others] = this.#brokers;
    if (timedOut && first !== undefined) this.#brokers = [...others, first];
    this.#timeouts = 0;
    this.#retire();
  }

  /** Sends of the retired client that are outstanding reject, which makes them unknown: they are sent again. */
  #retire(): void {
    const producer = this.#producer;
    this.#producer = undefined;
    if (producer === undefined) return;
    const closing: Promise<void> = producer.close(true).then(
      () => void this.#closing.delete(closing),
      // It is given up anyway; its connections end with their sockets.
      () => void this.#closing.delete(closing),
    );
    this.#closing.add(closing);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#retire();
    await Promise.all(this.#closing);
  }
}
