import { Backoff, sleepUnlessAborted } from "../ingest/backoff.ts";
import { faultText } from "../ingest/connection.ts";
import { rollupTopics, topicName } from "../../src/wire/streams.ts";
import type { Outbox, OutboxRow } from "./outbox.ts";
import type { Rows } from "./rows.ts";
import { cloudEventsVersion, cloudSource, headerNames } from "../../src/wire/headers.ts";

export interface PublisherStatus {
  readonly state: "publishing" | "waiting" | "stopped";
  readonly detail: string;
}

const rowsPerRound = 1000;
const idleMs = 500;

const headers = {
  [headerNames.source]: cloudSource,
  [headerNames.type]: "tidegate.rollup.v1",
  [headerNames.specVersion]: cloudEventsVersion,
  [headerNames.dataSchema]: "urn:tidegate:schema:rollup:1",
};

/** Empties the outbox into Kafka for ever, whatever Kafka does; each row until it is accepted in its newest revision. */
export class Publisher {
  readonly #outbox: Outbox;
  readonly #rows: Rows;
  readonly #topicPrefix: string;
  readonly #stateChanged: (status: PublisherStatus) => void;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff(500, 10_000);
  #running: Promise<void> | undefined;
  #status: PublisherStatus = { state: "publishing", detail: "" };
  #published = 0;

  constructor(outbox: Outbox, rows: Rows, topicPrefix: string, stateChanged: (status: PublisherStatus) => void) {
    this.#outbox = outbox;
    this.#rows = rows;
    this.#topicPrefix = topicPrefix;
    this.#stateChanged = stateChanged;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    this.#enter({ state: "stopped", detail: "" });
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        const rows = this.#outbox.take(rowsPerRound);
        if (rows.length > 0) await this.#publish(rows);
        this.#enter({ state: "publishing", detail: "" });
        this.#backoff.reset();
        if (rows.length < rowsPerRound) await sleepUnlessAborted(idleMs, signal);
      } catch (error) {
        this.#enter({ state: "waiting", detail: faultText(error) });
        await this.#backoff.wait(signal);
      }
    }
  }

  /** The two topics settle by themselves: one that is missing does not hold back the other. */
  async #publish(rows: readonly OutboxRow[]): Promise<void> {
    const fleet = rows.filter(({ level }) => level === "fleet");
    const others = rows.filter(({ level }) => level !== "fleet");
    const outcomes = await Promise.allSettled([
      this.#send(topicName(this.#topicPrefix, rollupTopics.minute), others),
      this.#send(topicName(this.#topicPrefix, rollupTopics.fleetMinute), fleet),
    ]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason as Error;
  }

  async #send(topic: string, rows: readonly OutboxRow[]): Promise<void> {
    if (rows.length === 0) return;
    await this.#rows.send(
      topic,
      rows.map(({ key, value }) => ({ key, value, headers })),
    );
    this.#outbox.settle(rows);
    this.#published += rows.length;
  }

  #enter(status: PublisherStatus): void {
    if (status.state === this.#status.state && status.detail === this.#status.detail) return;
    this.#status = status;
    this.#stateChanged(status);
  }

  status(): PublisherStatus {
    return this.#status;
  }

  get published(): number {
    return this.#published;
  }
}
