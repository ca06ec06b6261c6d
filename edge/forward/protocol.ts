import type { Lane, Stream } from "../../src/wire/streams.ts";
import type { SinkFault } from "../sink.ts";

/*
 * The forward worker talks to two threads. With main: configuration at start (`ForwardWorkerData` in edge/forward-worker.ts),
 * committed blocks in shared memory, and reports back. With the journal worker, through a port of their own: blocks to catch up with,
 * settlements and refused records; so that catching up costs the main thread nothing.
 *
 *   main    → forward   ToForward         forward → main      FromForward
 *   forward → journal   ToJournal         journal → forward   FromJournal
 */

/** A block in shared memory: its bytes stay untouched until the token comes back with `release`. */
export interface LiveBlockMessage {
  /** Chosen by main, unique among blocks that are not released. */
  readonly token: number;
  readonly id: number;
  /** As in `LiveBlock.previous`. */
  readonly previous: number;
  /** `encodeDirectory` of the block. */
  readonly directory: Uint8Array;
  readonly slab: SharedArrayBuffer;
  readonly offset: number;
  readonly length: number;
}

export type ToForward =
  /** The blocks of one commit, in the order of commits; at most one per lane. */
  | { readonly kind: "blocks"; readonly blocks: readonly LiveBlockMessage[] }
  /** Stored, but not in memory that could be lent: to be read back from the journal. */
  | { readonly kind: "stored"; readonly blocks: readonly (readonly [Lane, id: number])[] }
  /** Finish: outstanding sends get `withinMs`, then `stopped` follows. */
  | { readonly kind: "stop"; readonly withinMs: number };

export type FromForward =
  | { readonly kind: "release"; readonly tokens: readonly number[] }
  /** At most four per second, and at least one per second. */
  | { readonly kind: "report"; readonly report: ForwardReport }
  | { readonly kind: "stopped" };

export type ToJournal =
  | { readonly kind: "next"; readonly request: number; readonly lane: Lane; readonly after: number }
  | { readonly kind: "next-commit"; readonly request: number; readonly commit: number }
  | { readonly kind: "load"; readonly request: number }
  /** Fire and forget, in order with `quarantine`: [lane, first, last] as in `ForwardCursor.settle`. */
  | { readonly kind: "settle"; readonly ranges: readonly (readonly [Lane, number, number])[] }
  /** Stored not later than the next `settle` of this port: it names the records that the settlement leaves out. */
  | { readonly kind: "quarantine"; readonly records: readonly RefusedRecord[] };

export type FromJournal =
  /** Answer to `next` (none or one block) and `next-commit`. */
  | { readonly kind: "blocks"; readonly request: number; readonly blocks: readonly StoredBlockMessage[] }
  | {
      readonly kind: "settled";
      readonly request: number;
      readonly lanes: readonly (readonly [Lane, readonly number[]])[];
    }
  | { readonly kind: "failed"; readonly request: number; readonly message: string };

export interface StoredBlockMessage {
  readonly id: number;
  /** `encodeDirectory` of the block. */
  readonly directory: Uint8Array;
  /** Own memory: put its buffer into the transfer list. */
  readonly records: Uint8Array;
}

/** A record that Kafka will never take. */
export interface RefusedRecord {
  readonly epoch: string;
  readonly stream: Stream;
  readonly device: string;
  /** 0 in streams that are not numbered. */
  readonly seq: number;
  readonly value: Uint8Array;
  readonly reason: string;
}

export interface ForwardReport {
  /** `waiting`: the last send or look-up failed and none succeeded since. */
  readonly state: "starting" | "connected" | "waiting" | "stopped";
  readonly fault: SinkFault | undefined;
  /** What a person should repair, as sentences; empty when all is well. */
  readonly alarms: readonly string[];
  /** Age of the oldest record that is known and not settled; the health of forwarding. */
  readonly oldestUnsentMs: number;
  readonly sentPerSecond: number;
  /** Totals since start; resent rows count once, when they are settled. */
  readonly streams: Readonly<Partial<Record<Stream, StreamCounters>>>;
  readonly lanes: Readonly<Partial<Record<Lane, LaneReport>>>;
}

export interface StreamCounters {
  readonly sent: number;
  readonly sentBytes: number;
  readonly refused: number;
  /** Rows of sends whose outcome stayed unknown: an upper limit of the duplicates in Kafka. */
  readonly resent: number;
}

export interface LaneReport {
  /** Newest block id that the forwarder has seen, and up to which all are settled. */
  readonly newest: number;
  readonly settledTo: number;
  /** Older blocks are being sent behind live ones. */
  readonly backfilling: boolean;
  /** Bytes of blocks that are held in memory. */
  readonly heldBytes: number;
}
