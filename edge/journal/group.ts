import type { BadReason } from "../../src/profile/profile.ts";
import type { Actor } from "../../src/wire/records.ts";
import type { Lane } from "../../src/wire/streams.ts";

/** What one commit stores, as it travels from the main thread to the journal worker. Only shared memory and small arrays: nothing per record. */
export interface Group {
  readonly lanes: readonly LaneGroup[];
  /** Devices that appear for the first time since start; their index is their place in order of appearance. */
  readonly newDevices: readonly NewDevice[];
  /** Rows of `state` to be replaced: source cursors, reader cursors, snapshots. */
  readonly state: readonly (readonly [key: string, value: string | Uint8Array])[];
  /** Ids of deliveries whose acknowledgement may get lost, as `RedeliveryLog` encodes them. */
  readonly redelivery: { readonly count: number; readonly data: Uint8Array } | undefined;
  readonly quarantine: readonly QuarantineItem[];
  readonly retried: readonly RetriedMessage[];
}

export interface LaneGroup {
  readonly lane: Lane;
  readonly slab: SharedArrayBuffer;
  readonly start: number;
  readonly length: number;
  /** `entryFields` numbers per directory entry. */
  readonly entries: Float64Array;
}

/** Columns of `LaneGroup.entries`. */
export const entryFields = 5;
export const entryStream = 0;
export const entryDevice = 1;
export const entryCount = 2;
export const entryMinTime = 3;
export const entryMaxTime = 4;

export interface NewDevice {
  readonly device: string;
  readonly partition: number;
}

export interface QuarantineItem {
  readonly timeMicros: number;
  readonly source: string;
  readonly address: string;
  /** Empty where no device was found for it. */
  readonly device: string;
  /** Id of the profile that tried to read it; empty where none did. */
  readonly profile: string;
  readonly form: "bytes" | "points";
  readonly reason: BadReason;
  /** For a person. */
  readonly detail: string;
  /** Bytes as received; `bytes` may be only their beginning. */
  readonly size: number;
  readonly bytes: Uint8Array;
}

/** What became of a message of the quarantine that was tried again. Its records stand in the same group. */
export interface RetriedMessage {
  readonly id: number;
  readonly by: Actor;
  readonly timeMicros: number;
  readonly outcome:
    /** Its records are in this group: it leaves the quarantine with them. */
    | { readonly kind: "read" }
    /** It stays, with one more try. */
    | { readonly kind: "bad"; readonly reason: BadReason; readonly detail: string };
}

export type Committed =
  /** Survives power loss, assuming that the disk honours fsync. */
  | { readonly kind: "stored"; readonly commit: number; readonly blocks: readonly CommittedBlock[] }
  /** Nothing was stored; the same group may be offered again. */
  | { readonly kind: "full"; readonly message: string };

export interface CommittedBlock {
  readonly lane: Lane;
  readonly id: number;
  /** The lane's block before it; 0 for the first. */
  readonly previous: number;
  /** Encoded directory with the sequence numbers. */
  readonly directory: Uint8Array;
  /** Index into `Group.lanes`; undefined for blocks that the journal wrote itself (ledger, manifests). */
  readonly from: number | undefined;
}
