/**
 * The port to Kafka as the cloud service reads it: partitions of records, positions that we keep ourselves.
 * The real one is `kafka-log.ts`; the fake one in test/support passes the same contract suite.
 */
export interface Log extends AsyncDisposable {
  /** The topics that exist, with the bounds of what can be read. Rejects while Kafka is away. */
  describe(topics: readonly string[]): Promise<readonly TopicState[]>;
  /**
   * Starts reading at exactly these positions; partitions that are not named are not read. A position outside of
   * what Kafka has is never moved: the reader then fails with OFFSET_OUT_OF_RANGE.
   */
  open(positions: readonly Position[]): Promise<LogReader>;
}

export interface LogReader extends AsyncDisposable {
  /**
   * The next records, at most `recordsMax`, ascending by offset within a partition, possibly with gaps where
   * compaction removed records. Empty when nothing came within `waitMs`. Rejects once the connection is lost: the
   * reader is then dead; dispose it and open another. One call at a time.
   */
  next(recordsMax: number, waitMs: number): Promise<readonly LogRecord[]>;
}

export interface LogRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | undefined;
  /** Undefined for a tombstone. */
  readonly value: Buffer | undefined;
  readonly headers: ReadonlyMap<string, Buffer>;
}

export interface Position {
  readonly topic: string;
  readonly partition: number;
  /** The next offset to read. */
  readonly offset: number;
}

export interface TopicState {
  readonly topic: string;
  /** Changes when a topic of this name is deleted and made again. */
  readonly id: string;
  /** By partition number: `first` is the oldest offset that can be read, `end` the one that the next record will get. */
  readonly partitions: readonly { readonly first: number; readonly end: number }[];
}
