import assert from "node:assert/strict";
import type { Store } from "./store.ts";

export interface StoredPosition {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string;
  /** The next offset to read. */
  readonly position: number;
}

/** The next offset of every partition. `advance` is kept in memory until `save`, in the transaction of the batch. */
export class Positions {
  readonly #store: Store;
  readonly #byTopic = new Map<string, (StoredPosition | undefined)[]>();
  readonly #touched = new Map<string, StoredPosition>();

  constructor(store: Store) {
    this.#store = store;
    for (const row of store.sql("SELECT * FROM positions").all()) {
      this.#remember({
        topic: String(row["topic"]),
        partition: Number(row["partition"]),
        topicId: String(row["topic_id"]),
        position: Number(row["position"]),
      });
    }
  }

  #remember(position: StoredPosition): void {
    let partitions = this.#byTopic.get(position.topic);
    if (partitions === undefined) {
      partitions = [];
      this.#byTopic.set(position.topic, partitions);
    }
    partitions[position.partition] = position;
  }

  get(topic: string, partition: number): StoredPosition | undefined {
    return this.#byTopic.get(topic)?.[partition];
  }

  all(): StoredPosition[] {
    return [...this.#byTopic.values()].flatMap((partitions) => partitions.filter((p) => p !== undefined));
  }

  /** The partition is now read up to but not including `next`. */
  advance(topic: string, partition: number, next: number): void {
    const known = this.get(topic, partition);
    assert(known !== undefined, `partition ${partition} of ${topic} was opened`);
    assert(next > known.position, "a position only moves forward");
    const moved = { ...known, position: next };
    this.#remember(moved);
    this.#touched.set(`${topic}/${partition}`, moved);
  }

  /** Where reading begins: at the first open, or where an operator has accepted a gap. Stored at once. */
  start(position: StoredPosition): void {
    this.#remember(position);
    this.#write(position);
  }

  save(): void {
    for (const position of this.#touched.values()) this.#write(position);
    this.#touched.clear();
  }

  #write(p: StoredPosition): void {
    this.#store
      .sql("INSERT OR REPLACE INTO positions (topic, partition, topic_id, position) VALUES (?, ?, ?, ?)")
      .run(p.topic, p.partition, p.topicId, p.position);
  }
}
