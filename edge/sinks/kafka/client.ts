import { TidegateError } from "../../../src/errors.ts";
import { faultOf, isTimeout } from "./classify.ts";
import type { BatchProducer } from "./producer.ts";

/** A new client costs a connection, a producer id and metadata: not more often than this, unless there is no choice. */
const renewEveryMs = 5000;
const timeoutsMax = 2;
/**
 * The client gives a send up by itself after (retries + 1) × requestTimeout and its pauses, about 35 s. One that is
 * silent for longer has lost its callback somewhere and would hold its topic-partition for ever.
 */
const answerWithinMs = 60_000;

/** The producer as this sink uses it. */
export type ProducerClient = Pick<BatchProducer, "sendRows" | "metadata" | "close">;

interface Held {
  readonly producer: ProducerClient;
  readonly madeMs: number;
  uses: number;
  closed: boolean;
}

/**
 * The Kafka client in use. It is made anew, with credentials read again, after a configuration fault, after two
 * timeouts in a row (then with the next broker first: a hung one costs 25 s per attempt), when it stays silent, and on
 * demand. What still uses the old client ends there.
 */
export class Client {
  readonly #make: (brokers: readonly string[]) => ProducerClient;
  readonly #monotonicMs: () => number;
  readonly #closing = new Set<Promise<void>>();
  #brokers: readonly string[];
  #held: Held | undefined;
  #timeouts = 0;
  #closed = false;

  constructor(
    brokers: readonly string[],
    make: (brokers: readonly string[]) => ProducerClient,
    monotonicMs: () => number,
  ) {
    this.#brokers = brokers;
    this.#make = make;
    this.#monotonicMs = monotonicMs;
  }

  /** Rejects with what `work` or making the client throws, and with SINK_UNREACHABLE when `work` stays silent. */
  async use<T>(work: (producer: ProducerClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw new TidegateError("SINK_UNREACHABLE", "the sink is closed");
    const held = (this.#held ??= {
      producer: this.#make(this.#brokers),
      madeMs: this.#monotonicMs(),
      uses: 0,
      closed: false,
    });
    held.uses++;
    try {
      const result = await answered(work(held.producer));
      this.#timeouts = 0;
      return result;
    } catch (error) {
      if (held === this.#held) this.#onFault(held, error);
      throw error;
    } finally {
      if (--held.uses === 0 && held !== this.#held) this.#close(held);
    }
  }

  /** From now on a new client is used; what the old one was asked it still answers. */
  renew(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held?.uses === 0) this.#close(held);
  }

  #onFault(held: Held, error: unknown): void {
    const silent = error instanceof SilentClient;
    const timedOut = silent || isTimeout(error);
    this.#timeouts = timedOut ? this.#timeouts + 1 : 0;
    const wanted = faultOf(error).kind === "configuration" || this.#timeouts >= timeoutsMax;
    const young = this.#monotonicMs() - held.madeMs < renewEveryMs;
    if (!silent && (!wanted || young)) return;
    const [first, ...others] = this.#brokers;
    if (timedOut && first !== undefined) this.#brokers = [...others, first];
    this.#timeouts = 0;
    this.#held = undefined;
    // At once, although others may use it: what they asked rejects, is unknown, and is sent again by the new one.
    this.#close(held);
  }

  #close(held: Held): void {
    if (held.closed) return;
    held.closed = true;
    const closing: Promise<void> = held.producer.close(true).then(
      () => void this.#closing.delete(closing),
      // It is given up anyway; its connections end with their sockets.
      () => void this.#closing.delete(closing),
    );
    this.#closing.add(closing);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#close(held);
    await Promise.all(this.#closing);
  }
}

class SilentClient extends TidegateError {}

async function answered<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    const message = `Kafka's client has been silent for ${answerWithinMs / 1000} s and was replaced`;
    timer = setTimeout(() => reject(new SilentClient("SINK_UNREACHABLE", message)), answerWithinMs);
  });
  try {
    return await Promise.race([work, silence]);
  } finally {
    clearTimeout(timer);
  }
}
