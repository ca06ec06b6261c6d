import { randomUUID } from "node:crypto";
import { Consumer } from "@platformatic/kafka";
import type { Cleanup } from "../support/processes.ts";

const latest = -1n;

/** Asks again and again how many records a topic holds, over one connection. */
export class EndOffsets {
  readonly #consumer: Consumer;
  readonly #topic: string;

  constructor(t: Cleanup, bootstrap: string, topic: string) {
    this.#topic = topic;
    this.#consumer = new Consumer({
      clientId: "bench-offsets",
      groupId: `bench-${randomUUID()}`,
      bootstrapBrokers: [bootstrap],
      retries: 20,
      retryDelay: 100,
    });
    t.after(() => this.#consumer.close(true));
  }

  async total(): Promise<number> {
    const offsets = await this.#consumer.listOffsets({ topics: [this.#topic], timestamp: latest });
    return (offsets.get(this.#topic) ?? []).reduce((sum, offset) => sum + Number(offset), 0);
  }
}
