import { randomBytes } from "node:crypto";
import type { LossReason } from "../../src/wire/records.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";

/**
 * What the journal counts, kept in one row that is written with every commit, so that a start need not scan the blocks.
 * Block ids grow for ever and are never reused, also when the newest block is deleted: cursors are made of them.
 */
export interface Head {
  /** Random, made with the database: tells its files from those of another. */
  readonly journal: string;
  nextBlock: number;
  readonly lanes: Readonly<Record<Lane, LaneCount>>;
  quarantine: { count: number; bytes: number };
  /** Since the journal was made; a record counts once, whatever was sent again. */
  readonly total: {
    stored: number;
    published: number;
    quarantined: number;
    /** Left the quarantine by a retry that could read them. */
    released: number;
    ledgered: number;
    expired: number;
  };
  /** Of `total.ledgered`, by reason. */
  readonly losses: Partial<Record<LossReason, number>>;
}

export interface LaneCount {
  blocks: number;
  /** Packed bytes of blocks and directories. */
  bytes: number;
  records: number;
  /** Of these, what Kafka does not have yet. */
  unsentRecords: number;
  unsentBytes: number;
}

export function emptyHead(): Head {
  const none = (): LaneCount => ({ blocks: 0, bytes: 0, records: 0, unsentRecords: 0, unsentBytes: 0 });
  return {
    journal: randomBytes(8).toString("hex"),
    nextBlock: 1,
    lanes: { critical: none(), insight: none(), telemetry: none(), history: none() },
    quarantine: { count: 0, bytes: 0 },
    total: { stored: 0, published: 0, quarantined: 0, released: 0, ledgered: 0, expired: 0 },
    losses: {},
  };
}

/** A head as it was written, perhaps by a version that counted less. */
export function parseHead(text: string): Head {
  const stored = JSON.parse(text) as Partial<Head>;
  const empty = emptyHead();
  return { ...empty, ...stored, total: { ...empty.total, ...stored.total } };
}

export function unsentRecords(head: Head): number {
  return lanes.reduce((sum, lane) => sum + head.lanes[lane].unsentRecords, 0);
}
