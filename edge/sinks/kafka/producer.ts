import {
  kGetApi,
  Producer,
  produceV10,
  produceV11,
  produceV9,
  Writer,
  type API,
  type Callback,
  type Connection,
} from "@platformatic/kafka";
import { TidegateError } from "../../../src/errors.ts";
import type { OutRows } from "../../out-rows.ts";
import { RecordBatchEncoder } from "./record-batch.ts";
import { Sequences } from "./sequences.ts";

/** What a send carries through the library: it hands `value` on untouched. */
interface Carried {
  /** Names the send; the library's repetitions keep it. */
  readonly send: number;
  readonly partition: number;
  readonly rows: OutRows;
}

interface CarriedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly value: Carried;
}

interface ProduceOptions {
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
}

type Produce = (
  connection: Connection,
  acks: number,
  timeoutMs: number,
  records: readonly CarriedRecord[],
  options: ProduceOptions,
  callback: Callback<unknown>,
) => void;

/** Below the time after which a silent client is given up. */
const throttleMaxMs = 30_000;

/** Versions of Produce with the request layout below (compact, no topic ids), by number. */
const parsers: Readonly<Record<number, typeof produceV11.parseResponse>> = {
  9: produceV9.parseResponse,
  10: produceV10.parseResponse,
  11: produceV11.parseResponse,
};

export type ProducerSettings = ConstructorParameters<typeof Producer<undefined, Carried, undefined, undefined>>[0];

/**
 * The library's producer (metadata, connections, producer ids, retries) with our own encoding and numbering of the record
 * batch: it replaces what `kGetApi` returns for Produce. For the library a send is one message.
 */
export class BatchProducer extends Producer<undefined, Carried, undefined, undefined> {
  readonly #encoder: RecordBatchEncoder;
  readonly #sequences = new Sequences();
  #sends = 0;
  /** The broker's quota is used up until then. */
  #sendAgainMs = 0;

  constructor(gateway: string, settings: ProducerSettings) {
    super(settings);
    this.#encoder = new RecordBatchEncoder(gateway);
  }

  /** One record batch, to one topic-partition, when the quota lets us. Rejects with the library's errors. */
  async sendRows(topic: string, partition: number, rows: OutRows): Promise<void> {
    await this.#unthrottled();
    const record = { topic, partition, value: { send: ++this.#sends, partition, rows } };
    await this.send({ messages: [record] });
  }

  /** A broker answers nothing to a client that is over its quota [KIP-219], so what is sent too early would time out. */
  async #unthrottled(): Promise<void> {
    const waitMs = this.#sendAgainMs - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  #heed({ throttleTimeMs }: { readonly throttleTimeMs: number }): void {
    if (throttleTimeMs <= 0) return;
    this.#sendAgainMs = performance.now() + Math.min(throttleTimeMs, throttleMaxMs);
  }

  override [kGetApi]<RequestArguments extends unknown[], Response>(
    name: string,
    callback: Callback<API<RequestArguments, Response>>,
  ): void {
    super[kGetApi]<RequestArguments, Response>(name, (error, api) => {
      if (error !== null || api === undefined || name !== "Produce") callback(error, api);
      else this.#replaceProduce(api.version, callback);
    });
  }

  #replaceProduce<RequestArguments extends unknown[], Response>(
    version: number,
    callback: Callback<API<RequestArguments, Response>>,
  ): void {
    const parse = parsers[version];
    if (parse === undefined) {
      callback(
        new TidegateError("SINK_FAILED", `Kafka offers Produce only up to version ${version}`, { hint: tooOld }),
      );
      return;
    }
    const produce: Produce = (connection, acks, timeoutMs, records, options, done) => {
      const request = (): Writer => this.#request(acks, timeoutMs, records, options);
      const heeding: typeof parse = (...answer) => {
        const response = parse(...answer);
        this.#heed(response);
        return response;
      };
      connection.send(produceV11.api.key, version, request, heeding, true, true, done);
    };
    callback(null, produce as unknown as API<RequestArguments, Response>);
  }

  /*
   * Produce Request (version 9 to 11) => transactional_id acks timeout_ms [name [index records TAGS] TAGS] TAGS
   */
  #request(acks: number, timeoutMs: number, records: readonly CarriedRecord[], options: ProduceOptions): Writer {
    const { topic, partition, value } = records[0]!;
    // The library folds a partition that the topic does not have into one that it has: that would break the order.
    if (partition !== value.partition) throw tooFewPartitions(topic, value.partition);
    const { producerId = -1n, producerEpoch = -1 } = options;
    const { send, rows } = value;
    const producer = `${producerId}/${producerEpoch}`;
    const baseSequence = this.#sequences.baseOf(`${topic}:${partition}`, producer, send, rows.length);
    const batch = this.#encoder.encode(rows, Date.now(), { producerId, producerEpoch, baseSequence });
    return Writer.create()
      .appendString(null)
      .appendInt16(acks)
      .appendInt32(timeoutMs)
      .appendArray([topic], (w, name) => {
        w.appendString(name).appendArray([batch], (w, bytes) => void w.appendInt32(partition).appendBytes(bytes));
      })
      .appendTaggedFields();
  }
}

const tooOld = "Run Apache Kafka 2.8 or newer.";

function tooFewPartitions(topic: string, partition: number): TidegateError {
  return new TidegateError("SINK_TOPIC_MISSING", `topic ${topic} has no partition ${partition}`, {
    hint: "The topic has fewer partitions than kafka.partitions: create it anew or add partitions.",
  });
}
