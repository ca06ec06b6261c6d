import type { Store } from "../store/store.ts";

/** Records of a partition that Kafka no longer has, or never had in this incarnation of the topic. */
export interface Gap {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly last: number;
  readonly reason: "expired" | "truncated" | "topic-replaced";
}

/** Gaps of one topic that were found for one reason, as an operator is told of them. */
export interface GapAlarm {
  readonly foundMicros: number;
  readonly message: string;
  readonly hint: string;
}

const hints: Readonly<Record<Gap["reason"], string>> = {
  expired: "Raise the topic's retention. Gateways are asked for what is missing, as far back as they keep it.",
  truncated: "Set min.insync.replicas to 2 or more and forbid unclean leader elections.",
  "topic-replaced":
    "Whoever deletes a topic deletes data. Gateways are asked for what is missing, as far back as they keep it.",
};

/** The gaps that were ever found, so that an alarm survives a restart. */
export class Gaps {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Within the transaction that moves the position. */
  add({ topic, partition, first, last, reason }: Gap, foundMicros: number): void {
    this.#store
      .sql("INSERT OR REPLACE INTO gaps (topic, partition, first, last, found, reason) VALUES (?, ?, ?, ?, ?, ?)")
      .run(topic, partition, first, last, foundMicros, reason);
  }

  get count(): number {
    return Number(this.#store.sql("SELECT COUNT(*) AS n FROM gaps").get()?.["n"]);
  }

  /** One alarm per topic and reason for what was found since then. */
  alarms(sinceMicros: number): GapAlarm[] {
    const rows = this.#store.sql("SELECT * FROM gaps WHERE found >= ? ORDER BY topic, partition").all(sinceMicros);
    const gaps = rows.map((row) => ({
      topic: String(row["topic"]),
      partition: Number(row["partition"]),
      first: Number(row["first"]),
      last: Number(row["last"]),
      reason: String(row["reason"]) as Gap["reason"],
      foundMicros: Number(row["found"]),
    }));
    return [...Map.groupBy(gaps, ({ topic, reason }) => `${topic} ${reason}`).values()].map((group) => ({
      foundMicros: Math.max(...group.map(({ foundMicros }) => foundMicros)),
      message: group.length === 1 ? describeGap(group[0]!) : describeMany(group),
      hint: hints[group[0]!.reason],
    }));
  }
}

function describeMany(gaps: readonly Gap[]): string {
  const [first] = gaps;
  return `${describeGap(first!)}, and ${gaps.length - 1} more of its partitions`;
}

export function describeGap({ topic, partition, first, last, reason }: Gap): string {
  switch (reason) {
    case "expired":
      return `Kafka no longer has records ${first} to ${last} of ${topic}/${partition}, which were not read yet`;
    case "truncated":
      return `Kafka has lost records ${first} to ${last} of ${topic}/${partition}, which were already read`;
    case "topic-replaced":
      return `${topic} was deleted and made again: partition ${partition} was read up to ${first} of the old one`;
  }
}
