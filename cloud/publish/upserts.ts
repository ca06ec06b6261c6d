/** The port through which results leave: rows of compacted topics, the highest revision of a key is the truth. */
export interface Upserts extends AsyncDisposable {
  /**
   * Sends rows to one topic. Resolves when Kafka has all of them; rejects when it may not have: the rows are then sent
   * again, perhaps in newer revisions. One call per topic at a time.
   */
  send(topic: string, rows: readonly UpsertRow[]): Promise<void>;
}

export interface UpsertRow {
  readonly key: string;
  readonly value: string;
}
