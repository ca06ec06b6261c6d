/** The port through which the service writes to Kafka: results to compacted topics, commands to gateways. */
export interface Rows extends AsyncDisposable {
  /**
   * Sends rows to one topic, each to the partition of its key. Resolves when Kafka has all of them; rejects when it may
   * not have: the rows are then sent again, perhaps in newer revisions. One call per topic at a time.
   */
  send(topic: string, rows: readonly Row[]): Promise<void>;
}

export interface Row {
  readonly key: string;
  /** Undefined: a tombstone. */
  readonly value: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
}
