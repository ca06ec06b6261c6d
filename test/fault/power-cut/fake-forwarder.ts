import { setTimeout } from "node:timers/promises";
import type { JournalPort } from "../../../edge/forward/journal-port.ts";
import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import { Ranges } from "../../../src/wire/ranges.ts";
import { lanes, type Lane } from "../../../src/wire/streams.ts";
import type { Random } from "../../support/seed.ts";
import type { Delivered, Mark } from "./marks.ts";

/** Delivers what the journal gives it, mostly in order, and settles it; some blocks wait, so that cursors have holes. */
export class FakeForwarder {
  readonly #port: JournalPort;
  readonly #say: (mark: Mark) => void;
  readonly #random: Random;
  readonly #settled = new Map<Lane, Ranges>();
  readonly #after = new Map<Lane, number>();
  #running: Promise<void> = Promise.resolve();
  #ending = false;

  constructor(port: JournalPort, say: (mark: Mark) => void, random: Random) {
    this.#port = port;
    this.#say = say;
    this.#random = random;
  }

  /** Forwards beside the commits until `end`. */
  async start(): Promise<void> {
    for (const [lane, bounds] of await this.#port.load()) this.#settled.set(lane, new Ranges(bounds));
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#ending) {
      await this.#turn();
      await setTimeout(1);
    }
  }

  async #turn(): Promise<void> {
    for (const lane of lanes) {
      // Kafka is away at times, so that the journal has unsent blocks of every age.
      if (lane === "history" || this.#random.next() < 0.3) continue;
      // Sometimes from the start again, for what was left out.
      const after = this.#random.next() < 0.05 ? 0 : (this.#after.get(lane) ?? 0);
      const block = await this.#port.next(lane, after);
      this.#after.set(lane, block?.id ?? 0);
      if (block !== undefined && this.#random.next() < 0.9) await this.#deliver(lane, after, block);
    }
  }

  async #deliver(lane: Lane, after: number, block: Block): Promise<void> {
    const settled = this.#settled.get(lane) ?? new Ranges();
    if (settled.covers(after + 1, block.id)) return;
    this.#port.sending(lane, block.id, block.id);
    // A send takes a while, and the journal goes on meanwhile.
    await setTimeout(this.#random.pick([0, 3, 25]));
    this.#say({ kind: "delivered", lane, id: block.id, records: deliveredOf(block) });
    this.#port.settle(lane, block.id, block.id);
    settled.add(block.id);
    this.#settled.set(lane, settled);
  }

  async end(): Promise<void> {
    this.#ending = true;
    await this.#running;
    this.#port.close();
  }
}

function deliveredOf(block: Block): Delivered[] {
  return [...recordsOf(block)].map(({ entry, seq, value }) =>
    entry.stream === "ledger"
      ? [block.epoch, entry.stream, entry.device, seq, value.toString()]
      : [block.epoch, entry.stream, entry.device, seq],
  );
}
