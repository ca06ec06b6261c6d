import { createServer, type AddressInfo, type Socket } from "node:net";
import { Reader, Writer } from "@platformatic/kafka";
import type { Cleanup } from "./processes.ts";

/*
 * A Kafka broker for what a real one cannot be made to say on command: ApiVersions, Metadata, InitProducerId and Produce
 * of one protocol version each, for one node. It checks producer ids and sequence numbers as a real broker does, the
 * cache of the last batches included: a batch that repeats one of them is answered with success and not stored.
 */

export interface StoredBatch {
  readonly topic: string;
  readonly partition: number;
  readonly producerId: bigint;
  readonly baseSequence: number;
  readonly count: number;
}

/** How a Produce request is answered; `stored` may still be given together with silence. */
export type ProduceAnswer =
  | { readonly kind: "by the rules" }
  | { readonly kind: "error"; readonly code: number; readonly refusedRows?: readonly number[] }
  /** Stored, and the answer never comes. */
  | { readonly kind: "silence" };

export const kafkaErrors = {
  notLeader: 6,
  outOfOrderSequence: 45,
  unknownProducerId: 59,
  invalidRecord: 87,
  producerFenced: 90,
  invalidTimestamp: 32,
} as const;

const apis = { produce: [0, 11], metadata: [3, 12], apiVersions: [18, 3], initProducerId: [22, 4] } as const;
const cachedBatches = 5;
const topicId = "11111111-2222-4333-8444-555555555555";

export class FakeBroker {
  readonly stored: StoredBatch[] = [];
  /** Every Produce request, also those that were refused. */
  readonly seen: StoredBatch[] = [];
  script: (batch: StoredBatch) => ProduceAnswer | Promise<ProduceAnswer> = () => ({ kind: "by the rules" });
  /** Milliseconds that each Produce answer asks the client to wait. */
  throttleMs = 0;
  producerIds = 0;
  port = 0;
  readonly #partitions: number;
  /** Producer and topic-partition → its last batches. */
  readonly #recent = new Map<string, StoredBatch[]>();

  private constructor(partitions: number) {
    this.#partitions = partitions;
  }

  static async start(t: Cleanup, partitions: number): Promise<FakeBroker> {
    const broker = new FakeBroker(partitions);
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => socket.destroy()).on("close", () => sockets.delete(socket));
      broker.#serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    broker.port = (server.address() as AddressInfo).port;
    return broker;
  }

  #serve(socket: Socket): void {
    let buffered = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 4 && buffered.length >= 4 + buffered.readInt32BE(0)) {
        const end = 4 + buffered.readInt32BE(0);
        this.#answer(socket, buffered.subarray(4, end));
        buffered = buffered.subarray(end);
      }
    });
  }

  /** Request header v2: api_key api_version correlation_id client_id TAG_BUFFER */
  #answer(socket: Socket, request: Buffer): void {
    const [api, correlation] = [request.readInt16BE(0), request.readInt32BE(4)];
    const body = Reader.from(Buffer.from(request.subarray(10 + Math.max(0, request.readInt16BE(8)))));
    body.readTaggedFields();
    const send = (write: (w: Writer) => unknown): void => {
      const w = Writer.create().appendInt32(correlation);
      if (api !== apis.apiVersions[0]) w.appendTaggedFields();
      write(w);
      const length = Buffer.alloc(4);
      length.writeInt32BE(w.length);
      socket.write(Buffer.concat([length, w.buffer]));
    };
    switch (api) {
      case apis.apiVersions[0]:
        return send(writeApiVersions);
      case apis.initProducerId[0]:
        this.producerIds++;
        return send((w) =>
          w.appendInt32(0).appendInt16(0).appendInt64(BigInt(this.producerIds)).appendInt16(0).appendTaggedFields(),
        );
      case apis.metadata[0]:
        return send((w) => this.#writeMetadata(w, namesOf(body)));
      case apis.produce[0]:
        return void this.#produce(body, send);
      default:
        throw new Error(`the fake broker does not know api ${api}`);
    }
  }

  #writeMetadata(w: Writer, topics: readonly string[]): void {
    w.appendInt32(0)
      .appendArray([1], (broker) =>
        broker.appendInt32(1).appendString("127.0.0.1").appendInt32(this.port).appendString(null),
      )
      .appendString("fake")
      .appendInt32(1)
      .appendArray([...topics], (topic, name) => {
        topic.appendInt16(0).appendString(name).appendUUID(topicId).appendBoolean(false);
        topic.appendArray(
          Array.from({ length: this.#partitions }, (_, n) => n),
          (partition, n) => {
            partition.appendInt16(0).appendInt32(n).appendInt32(1).appendInt32(0);
            for (const nodes of [[1], [1], []])
              partition.appendArray(nodes, (node, id) => node.appendInt32(id), true, false);
          },
        );
        topic.appendInt32(-2147483648);
      })
      .appendTaggedFields();
  }

  /** transactional_id acks timeout_ms [name [index records TAGS] TAGS] TAGS */
  async #produce(body: Reader, send: (write: (w: Writer) => unknown) => void): Promise<void> {
    body.readNullableString();
    body.readInt16();
    body.readInt32();
    const batches = body.readArray((r) => {
      const topic = r.readString();
      return r.readArray((p) => batchOf(topic, p.readInt32(), p.readBytes()));
    });
    const batch = batches.flat()[0]!;
    this.seen.push(batch);
    const answer = await this.script(batch);
    const code = answer.kind === "error" ? answer.code : this.#store(batch);
    const refused = answer.kind === "error" ? (answer.refusedRows ?? []) : [];
    if (answer.kind !== "silence") send((w) => writeProduced(w, batch, code, refused, this.throttleMs));
  }

  /** The broker's part of idempotence; returns an error code. */
  #store(batch: StoredBatch): number {
    const key = `${batch.producerId}/${batch.topic}/${batch.partition}`;
    const recent = this.#recent.get(key) ?? [];
    const { baseSequence, count } = batch;
    if (recent.some((known) => known.baseSequence === baseSequence && known.count === count)) return 0;
    const last = recent.at(-1);
    if (baseSequence !== (last === undefined ? 0 : last.baseSequence + last.count))
      return kafkaErrors.outOfOrderSequence;
    this.#recent.set(key, [...recent, batch].slice(-cachedBatches));
    this.stored.push(batch);
    return 0;
  }
}

function namesOf(body: Reader): string[] {
  return body.readArray((r) => {
    r.readUUID();
    return r.readString();
  });
}

/** The fields of a record batch that idempotence is made of. */
function batchOf(topic: string, partition: number, bytes: Buffer): StoredBatch {
  return {
    topic,
    partition,
    producerId: bytes.readBigInt64BE(43),
    baseSequence: bytes.readInt32BE(53),
    count: bytes.readInt32BE(57),
  };
}

function writeApiVersions(w: Writer): void {
  w.appendInt16(0)
    .appendArray(Object.values(apis), (api, [key, version]) =>
      api.appendInt16(key).appendInt16(version).appendInt16(version),
    )
    .appendInt32(0)
    .appendTaggedFields();
}

function writeProduced(
  w: Writer,
  { topic, partition }: StoredBatch,
  code: number,
  refused: readonly number[],
  throttleMs: number,
): void {
  w.appendArray([topic], (t, name) => {
    t.appendString(name).appendArray([partition], (p, index) => {
      p.appendInt32(index).appendInt16(code).appendInt64(0n).appendInt64(-1n).appendInt64(0n);
      p.appendArray([...refused], (row, at) => row.appendInt32(at).appendString("refused")).appendString(null);
    });
  })
    .appendInt32(throttleMs)
    .appendTaggedFields();
}
