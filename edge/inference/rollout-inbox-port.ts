/** The port through which rollouts and the parts of packages come in. It only carries: nothing of it has been checked. */
export interface RolloutInbox {
  /**
   * Reads all rollouts that the topic has, from the oldest on, and then what comes. Rejects with SINK_UNREACHABLE,
   * SINK_UNAUTHORIZED, SINK_TOPIC_MISSING or SINK_FAILED, as `openParts`.
   */
  openRollouts(): Promise<RolloutReader>;
  /** Reads parts of packages that were written at `sinceMs` (since 1970) or later; all of them where it is undefined. */
  openParts(sinceMs: number | undefined): Promise<RolloutReader>;
}

export interface RolloutReader extends AsyncDisposable {
  /** It still reads, but what it proves itself with was replaced: whoever reads opens a new one. Asked between records. */
  readonly outdated: boolean;
  /** Everything that the topic had when it was opened was handed over. */
  readonly caughtUp: boolean;
  /** The next record; undefined when none came within `waitMs`. Rejects once the connection is lost. */
  next(waitMs: number): Promise<RolloutRecord | undefined>;
}

export interface RolloutRecord {
  readonly key: string | undefined;
  /** Undefined of a tombstone. */
  readonly value: Buffer | undefined;
}
