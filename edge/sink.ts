import type { OutRows } from "./out-rows.ts";

/** The port of everything that records leave through. The forwarder keeps the order, the sink only carries. */
export interface Sink extends AsyncDisposable {
  /**
   * Sends rows of one topic-partition; the forwarder keeps at most one send per topic-partition outstanding and
   * repeats the same rows until they are settled. Never rejects: failures are outcomes.
   */
  send(topic: string, partition: number, rows: OutRows): Promise<SendOutcome>;
  /** What is known of the topics; `missing` topics are retried for ever, never created. */
  describe(topics: readonly string[]): Promise<SinkDescription>;
  /** The most bytes of a value; the forwarder refuses larger ones itself. */
  readonly valueBytesMax: number;
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
