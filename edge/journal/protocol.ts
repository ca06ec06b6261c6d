import type { Lane } from "../../src/wire/streams.ts";
import type { Head } from "./head.ts";
import type { SalvageProgress } from "./salvage.ts";

/* What the journal worker answers. */

/** A block as it lies on disk: the reader checks and unpacks it, so that the journal thread need not. */
export interface PackedBlock {
  readonly id: number;
  readonly lane: Lane;
  readonly crc: number;
  readonly data: Uint8Array;
}

export interface QuarantineRow {
  /** Unique in this journal, ascending, never reused. */
  readonly id: number;
  /** When it was received. */
  readonly timeMicros: number;
  readonly source: string;
  /** Topic; of a record that Kafka refused: stream/device. */
  readonly address: string;
  /** Empty where no device was found for it. */
  readonly device: string;
  /** Id of the profile that tried to read it; empty where none did. */
  readonly profile: string;
  /** What the kept bytes are: a message as it was received, or typed values as JSON. */
  readonly form: "bytes" | "points";
  readonly reason: string;
  readonly detail: string;
  /** Bytes as received. */
  readonly size: number;
  /** Of these kept here; less where the message was too large to keep. */
  readonly keptBytes: number;
  /** How often a retry failed. */
  readonly tries: number;
  readonly triedMicros: number | undefined;
}

/** What is absent fits everything. */
export interface QuarantineFilter {
  readonly reason?: string;
  readonly source?: string;
  readonly device?: string;
  /** Received at or after this, and before that. */
  readonly fromMicros?: number;
  readonly toMicros?: number;
}

/** `next` is where to go on (`before` of the next page), also where this page found nothing yet; undefined at the end. */
export interface QuarantinePage {
  readonly rows: readonly QuarantineRow[];
  readonly next: number | undefined;
}

/** Losses of one kind that followed each other closely. */
export interface LossRow {
  readonly id: number;
  readonly reason: string;
  readonly stream: string;
  /** Empty where several devices lost something. */
  readonly device: string;
  readonly records: number;
  /** Wire times of what was lost. */
  readonly from: string;
  readonly to: string;
  /** When it was lost. */
  readonly since: string;
  readonly until: string;
}

/** How full a lane is. */
export interface LaneUsage {
  /** What the lane may use at most. */
  readonly quotaBytes: number;
  /** When its oldest unsent block was stored; undefined where everything is sent. */
  readonly oldestUnsentMicros: number | undefined;
  /** How fast what Kafka does not have grows (of history: all of it), over about half a minute; negative while it drains. */
  readonly bytesPerSecond: number;
  /** Until what Kafka does not have fills the lane, or the journal, if it goes on like this; undefined where it does not grow. */
  readonly fullInSeconds: number | undefined;
  /** It takes nothing: its quota is reached and nothing may be dropped. */
  readonly isFull: boolean;
}

export interface Usage {
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly head: Head;
  /** When the oldest unsent block was stored; undefined where everything is sent. */
  readonly oldestUnsentMicros: number | undefined;
  /** Of each database that was set aside and is still there, oldest first. */
  readonly salvage: readonly SalvageProgress[];
  readonly lanes: Readonly<Record<Lane, LaneUsage>>;
}

/** What is looked for: blocks with observations of a device within a stretch of time, near a block that is known. */
export interface WindowQuery {
  readonly lane: "telemetry" | "history";
  readonly device: string;
  readonly fromMicros: number;
  readonly toMicros: number;
  readonly direction: "back" | "on";
}

export interface WindowStep {
  /** Blocks that hold something of the device in that time, in the order in which they were met. */
  readonly found: readonly number[];
  /** Where the next step goes on; undefined where the search is over. */
  readonly next: number | undefined;
  /** It is over since the lane has no more blocks, not since the window does not reach further. */
  readonly isEnd: boolean;
  /** The oldest time in the blocks that were looked at; undefined where there were none. */
  readonly oldestMicros: number | undefined;
  /** Blocks in a row outside of the window so far; the next step is given them back. */
  readonly outside: number;
}
