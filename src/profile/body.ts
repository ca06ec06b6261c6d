/** What a message carries before its profile has read it. */
export type Body =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** Typed values of a protocol that has types. */
  | { readonly kind: "points"; readonly points: readonly Point[] };

/** One value of one named item. */
export interface Point {
  /** The item as the profile names it (for OPC UA the node as `nsu=<uri>;s=…`, or the alias of the configuration). */
  readonly item: string;
  /** bigint for Int64 and UInt64; undefined where the server sent no value. */
  readonly value: number | bigint | string | boolean | undefined;
  readonly quality: "good" | "uncertain" | "bad";
  /** Source time in microseconds; undefined where the device gave none. */
  readonly timeMicros: number | undefined;
  /** The protocol's own status, for people: `BadSensorFailure`, `Overflow`. */
  readonly status: string | undefined;
}
