import type { Stream } from "../src/wire/streams.ts";

/** The port of everything that records leave through. The forwarder keeps the order, the sink only carries. */
export interface Sink extends AsyncDisposable {
  /**
   * Sends rows of one topic-partition; the forwarder keeps at most one send per topic-partition outstanding and
   * repeats the same rows until they are settled. Never rejects: failures are outcomes.
   */
  send(topic: string, partition: number, rows: readonly OutRow[]): Promise<SendOutcome>;
  /** What is known of the topics; `missing` topics are retried for ever, never created. */
  describe(topics: readonly string[]): Promise<SinkDescription>;
  /** The most bytes of a value; the forwarder refuses larger ones itself. */
  readonly valueBytesMax: number;
}

/** A record on its way out: its value, and what its headers (src/wire/headers.ts) are made of. */
export interface OutRow {
  readonly value: Buffer;
  /** Number within (epoch, stream, device); in streams that are not numbered its rank within the commit. */
  readonly seq: number;
  /** Where in the value its wire time starts; -1 = none. */
  readonly timeAt: number;
  /** Shared by all rows of a device in a block, so that a sink can encode once what they have in common. */
  readonly origin: RowOrigin;
}

export interface RowOrigin {
  readonly epoch: string;
  readonly stream: Stream;
  readonly device: string;
  /** The device id as bytes. */
  readonly key: Buffer;
  readonly commit: number;
  /** Sent behind newer records after an outage. */
  readonly backfill: boolean;
}

export type SendOutcome =
  /** The leader has all rows. */
  | { readonly kind: "accepted" }
  /** Rows that the broker will never take (indexes into `rows`); the others were not stored and are to be sent again. */
  | { readonly kind: "refused"; readonly rows: readonly number[]; readonly reason: string }
  /** Too large as a whole: send in smaller parts. Never of a single row. */
  | { readonly kind: "too-large" }
  /** Perhaps stored, perhaps not: send again. `configuration` asks for a slow retry and an alarm. */
  | { readonly kind: "unknown"; readonly cause: SinkFault };

export interface SinkFault {
  readonly kind: "connection" | "configuration" | "topic-missing" | "other";
  /** For a person, without secrets. */
  readonly message: string;
}

export interface SinkDescription {
  readonly reachable: boolean;
  /** While `reachable`: what a person should repair although records flow. */
  readonly fault: SinkFault | undefined;
  /** Topic → partition count and id; absent where the topic does not exist. */
  readonly topics: ReadonlyMap<string, { readonly partitions: number; readonly id: string }>;
  /** Topics that were deleted and created again since they were first seen: what they held and was acknowledged is gone. */
  readonly recreated: readonly string[];
  readonly certificates: readonly CertificateState[];
}

/** A certificate that the connection depends on. */
export interface CertificateState {
  /** For a person: which one. */
  readonly name: string;
  readonly file: string;
  /** Milliseconds since 1970. */
  readonly expiresMs: number;
}
