import type { Delivery } from "../../source.ts";

const known = "session";
const ended = "ended";

/**
 * Which client ids have a session: their unacknowledged messages can be recognised when they come again. A session
 * becomes durable with the first delivery that is stored in it, as a source cursor in the same transaction; so
 * after a restart `session present` is answered truthfully.
 */
export class Sessions {
  readonly #max: number;
  /** Client id → whether the client asked to keep its session. Bounded by sessionsMax. */
  readonly #kept = new Map<string, boolean>();

  constructor(cursors: ReadonlyMap<string, string>, max: number) {
    this.#max = max;
    for (const [clientId, value] of cursors) this.#kept.set(clientId, value === known);
  }

  present(clientId: string): boolean {
    return this.#kept.get(clientId) === true;
  }

  /** Begins or ends the session of a client; the result goes with the client's next delivery. */
  set(clientId: string, keep: boolean): Delivery["cursor"] {
    const before = this.#kept.get(clientId);
    if (before === keep || (before === undefined && (!keep || this.#kept.size >= this.#max))) return undefined;
    this.#kept.set(clientId, keep);
    return { key: clientId, value: keep ? known : ended };
  }
}
