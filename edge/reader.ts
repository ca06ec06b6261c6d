import type { Lane } from "../src/wire/streams.ts";
import type { Block, Directory } from "./journal/block.ts";

/** The port through which readers (forwarder, scorer) take stored blocks and say how far they are. */
export interface BlockReader {
  /**
   * The first block of the lane with an id above `after`, verified and unpacked; undefined where there is none yet.
   * A block that failed its checksum is set aside and ledgered by the journal and never returned, so
   * (`after`, `id`] holds this one only.
   */
  next(lane: Lane, after: number): Promise<Block | undefined>;
}

/** A block that was just committed, still in memory: saves the reader the way over the disk. */
export interface LiveBlock extends Directory {
  readonly id: number;
  /** Id of the block of this lane that was committed before it in this epoch or before; 0 for the first. */
  readonly previous: number;
  /** A view into shared memory: valid until `release`. */
  readonly records: Buffer;
  /** Called exactly once, when no view of `records` is used any more. */
  release(): void;
}

/** What the forwarder has not sent yet, per lane, and how it says how far it is. */
export interface ForwardCursor {
  /** Block ids of the lane that are settled, as flat closed ranges; everything else up to the newest block is unsent. */
  load(): Promise<ReadonlyMap<Lane, readonly number[]>>;
  /**
   * Ids in [first, last] of this lane, which came from memory, will be sent: dropped from now on, they may be delivered
   * all the same. Of blocks that it gives out itself (`next`) the journal knows it. Told before the send, not persisted.
   */
  sending(lane: Lane, first: number, last: number): void;
  /**
   * Ids in [first, last] of this lane are settled: every record was accepted by Kafka or refused into the quarantine.
   * Durable with the next commit, or half a second later (four lingers where commits linger); a crash before that sends them again.
   */
  settle(lane: Lane, first: number, last: number): void;
}
