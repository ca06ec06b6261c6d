import type { Lane, Stream } from "../../src/wire/streams.ts";
import type { CommandReport } from "../commands/protocol.ts";
import type { CertificateState, SinkFault } from "../sink.ts";

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
  | { readonly kind: "report"; readonly report: ForwardReport; readonly commands: CommandReport | undefined }
  | { readonly kind: "stopped" };

export type ToJournal =
  | { readonly kind: "next"; readonly request: number; readonly lane: Lane; readonly after: number }
  /** The block that `next` gave failed its checksum: it is to be set aside, so that `next` goes on behind it. */
  | { readonly kind: "corrupt"; readonly request: number; readonly lane: Lane; readonly id: number }
  | { readonly kind: "load"; readonly request: number }
  | { readonly kind: "quarantine"; readonly request: number; readonly records: readonly RefusedRecord[] }
  /** Fire and forget, as in `ForwardCursor.sending`; of the same block always before `settle`. */
  | { readonly kind: "sending"; readonly ranges: readonly LaneRange[] }
  /** Fire and forget, as in `ForwardCursor.settle`. */
  | { readonly kind: "settle"; readonly ranges: readonly LaneRange[] };

export type LaneRange = readonly [lane: Lane, first: number, last: number];

export type FromJournal =
  /**
   * Answer to `next`: the first blocks above `after`, without a gap; none where nothing is stored there. `more`: it is
   * as large as an answer may be, so that others probably follow.
   */
  | {
      readonly kind: "blocks";
      readonly request: number;
      readonly blocks: readonly StoredBlock[];
      readonly more: boolean;
    }
  | {
      readonly kind: "settled";
      readonly request: number;
      readonly lanes: readonly (readonly [Lane, readonly number[]])[];
    }
  /** Answer to `corrupt` and `quarantine`: it is on disk. */
  | { readonly kind: "done"; readonly request: number }
  | { readonly kind: "failed"; readonly request: number; readonly message: string };

/** A block as it lies on disk: the reader checks and unpacks it, so that the journal's thread need not. */
export interface StoredBlock {
  readonly id: number;
  readonly crc: number;
  /** In memory of its own, which goes to the reader. */
  readonly data: Uint8Array;
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
  /** Of the connection to Kafka. */
  readonly certificates: readonly CertificateState[];
  /** Topic → id, as far as Kafka was asked: to be remembered for the next process. */
  readonly topicIds: Readonly<Record<string, string>>;
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
