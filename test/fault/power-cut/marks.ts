import type { Lane, Stream } from "../../../src/wire/streams.ts";

/** What the recorded program says about itself; the oracle holds the journal to it. */
export type Mark =
  /** The process runs and has this epoch. */
  | { readonly kind: "epoch"; readonly epoch: string }
  /** A commit was acknowledged: what stands here must be found after any later power cut. */
  | { readonly kind: "acknowledged"; readonly session: number; readonly n: number; readonly records: readonly Placed[] }
  /** The journal could not store a group, which is offered again. */
  | { readonly kind: "refused"; readonly code: string }
  /** Kafka has these records. Said before the journal is told. */
  | { readonly kind: "delivered"; readonly lane: Lane; readonly id: number; readonly records: readonly Delivered[] };

/** Where a record came to lie: its number in the load, and the identity that the journal gave it (0: not numbered). */
export type Placed = readonly [number: number, stream: Stream, device: string, seq: number];

/** `own`: the text of a record that the journal wrote itself (ledger, manifest). */
export type Delivered = readonly [epoch: string, stream: Stream, device: string, seq: number, own?: string];
