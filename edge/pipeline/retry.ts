import { decodeObservation, observationPrefix } from "../../src/observation/observation.ts";
import type { BadReason } from "../../src/profile/profile.ts";
import type { Actor } from "../../src/wire/records.ts";
import { streamNames, type Stream } from "../../src/wire/streams.ts";
import { noTime } from "../journal/block.ts";
import type { QuarantineRow } from "../journal/protocol.ts";
import type { Delivery } from "../source.ts";
import { restoreBody } from "./kept-body.ts";

/** A message of the quarantine on its way through the intake once more. */
export interface RetriedDelivery extends Delivery {
  readonly retryOf: { readonly id: number; readonly by: Actor };
}

/** A record that Kafka refused: it was decoded already and is only stored again, under a new number. */
export interface RefusedRecord {
  readonly id: number;
  readonly by: Actor;
  readonly stream: Stream;
  readonly device: string;
  readonly text: string;
  readonly timeAt: number;
  readonly timeMicros: number;
  settle(outcome: "stored" | "abandoned"): void;
}

/** What the retry needs of the journal. */
export interface QuarantineLog {
  quarantined(id: number): Promise<QuarantineRow | undefined>;
  quarantinedBytes(id: number): Promise<Uint8Array | undefined>;
}

/** What the retry needs of the intake. */
export interface RetryIntake {
  retry(delivery: RetriedDelivery): void;
  retryRefused(record: RefusedRecord): void;
  /** A message that cannot be tried at all stays, with one more try. */
  retryFailed(retry: RetriedDelivery["retryOf"], reason: BadReason, detail: string, settle: Delivery["settle"]): void;
}

export type RetryOutcome =
  /** Its records are in the journal, and it is out of the quarantine. */
  | { readonly kind: "read" }
  | { readonly kind: "bad"; readonly reason: string; readonly detail: string }
  /** It was not there (any more). */
  | { readonly kind: "gone" }
  /** The agent stops; nothing changed. */
  | { readonly kind: "abandoned" };

/**
 * Tries messages of the quarantine again with the profiles of today. They go the way of any message, so their records
 * are as durable as those of a new one, and the transaction that stores the records takes the message out of the
 * quarantine. What a retry brings is history: it is published always, and says nothing about what a device does now.
 */
export class Retry {
  readonly #log: QuarantineLog;
  readonly #intake: RetryIntake;
  /** One after the other: the same message cannot be on its way twice. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(log: QuarantineLog, intake: RetryIntake) {
    this.#log = log;
    this.#intake = intake;
  }

  /** The outcomes in the order of `ids`. All of them are durable when it resolves. */
  all(ids: readonly number[], by: Actor): Promise<RetryOutcome[]> {
    const turn = this.#turn.then(() => Promise.all([...new Set(ids)].map((id) => this.#one(id, by))));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #one(id: number, by: Actor): Promise<RetryOutcome> {
    const [row, bytes] = await Promise.all([this.#log.quarantined(id), this.#log.quarantinedBytes(id)]);
    if (row === undefined || bytes === undefined) return { kind: "gone" };
    const settled = await new Promise<"stored" | "abandoned">((settle) => this.#offer(row, bytes, by, settle));
    if (settled === "abandoned") return { kind: "abandoned" };
    // Asked of the journal: what it says is what survives.
    const after = await this.#log.quarantined(id);
    return after === undefined ? { kind: "read" } : { kind: "bad", reason: after.reason, detail: after.detail };
  }

  #offer(row: QuarantineRow, bytes: Uint8Array, by: Actor, settle: Delivery["settle"]): void {
    const retryOf = { id: row.id, by };
    if (row.keptBytes < row.size) {
      const detail = `only the first ${row.keptBytes} of its ${row.size} bytes were kept`;
      this.#intake.retryFailed(retryOf, "too-large", detail, settle);
    } else if (row.reason === "refused-by-kafka") this.#offerRefused(row, bytes, by, settle);
    else {
      const body = restoreBody({ form: row.form, bytes });
      if (body === undefined) this.#intake.retryFailed(retryOf, "wrong-shape", "its kept values are damaged", settle);
      else {
        const { source, address, timeMicros } = row;
        const receivedMicros = timeMicros;
        const nothing = { redelivery: undefined, cursor: undefined };
        this.#intake.retry({ source, address, body, receivedMicros, ...nothing, settle, retryOf });
      }
    }
  }

  #offerRefused(row: QuarantineRow, bytes: Uint8Array, by: Actor, settle: Delivery["settle"]): void {
    const { id, address, device, timeMicros } = row;
    const name = address.slice(0, address.indexOf("/"));
    const stream = streamNames.find((known) => known === name);
    const text = Buffer.from(bytes).toString("utf8");
    if (stream === undefined || device === "") {
      this.#intake.retryFailed({ id, by }, "refused-by-kafka", `${name} is no stream`, settle);
    } else
      this.#intake.retryRefused({ id, by, stream, device, text, timeAt: timeAtOf(stream, text), timeMicros, settle });
  }
}

/** Where the wire time of an observation stands; other streams are stored without. */
function timeAtOf(stream: Stream, text: string): number {
  const observation = stream === "observations" ? decodeObservation(text) : undefined;
  if (observation === undefined) return noTime;
  const prefix = observationPrefix(observation.device, observation.path);
  return text.startsWith(prefix) ? Buffer.byteLength(prefix) : noTime;
}
