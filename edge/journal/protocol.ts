import type { Lane } from "../../src/wire/streams.ts";
import type { Head } from "./head.ts";

/* What the journal worker answers. */

/** A block as it lies on disk: the reader checks and unpacks it, so that the journal thread need not. */
export interface PackedBlock {
  readonly id: number;
  readonly lane: Lane;
  readonly crc: number;
  readonly data: Uint8Array;
}

export interface QuarantineRow {
  readonly id: number;
  readonly timeMicros: number;
  readonly source: string;
  readonly address: string;
  readonly reason: string;
  readonly detail: string;
  readonly size: number;
}

export interface Usage {
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly head: Head;
  /** When the oldest unsent block was stored; undefined where everything is sent. */
  readonly oldestUnsentMicros: number | undefined;
}
