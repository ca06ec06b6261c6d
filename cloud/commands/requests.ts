import type { Store } from "../store/store.ts";
import { parseWireTime } from "../../src/observation/time.ts";
import type { CommandResult, ResendCommand } from "../../src/wire/commands.ts";

/** Requests that are kept to look at. */
const requestsKept = 1000;

/** What a gateway was asked and what it answered, summed up. */
export interface RepairSums {
  readonly requests: number;
  readonly resent: number;
  readonly gone: number;
  readonly pending: number;
  readonly unknown: number;
}

export interface Answer {
  readonly state: "open" | "void" | CommandResult["state"];
  readonly issuedMicros: number;
  readonly pending: number;
}

/** The requests to gateways, each stored before it is published, so that after a crash the same one is sent again. */
export class Requests {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  add(command: ResendCommand): void {
    const { id, gateway, issued, expires } = command;
    this.#store
      .sql(
        `INSERT INTO requests (id, gateway, issued, expires, published, value, state, resent, gone, pending, unknown)
         VALUES (?, ?, ?, ?, 0, ?, 'open', 0, 0, 0, 0)`,
      )
      .run(id, gateway, parseWireTime(issued)!, parseWireTime(expires)!, JSON.stringify(command));
    this.#store
      .sql("DELETE FROM requests WHERE no <= (SELECT no FROM requests ORDER BY no DESC LIMIT 1 OFFSET ?)")
      .run(requestsKept);
  }

  /** Those that Kafka may not have and that are not void yet. */
  unpublished(nowMicros: number): { readonly id: string; readonly gateway: string; readonly value: string }[] {
    const rows = this.#store
      .sql("SELECT id, gateway, value FROM requests WHERE published = 0 AND expires > ? ORDER BY no")
      .all(nowMicros);
    return rows.map(({ id, gateway, value }) => ({
      id: String(id),
      gateway: String(gateway),
      value: String(value),
    }));
  }

  published(ids: readonly string[]): void {
    for (const id of ids) this.#store.sql("UPDATE requests SET published = 1 WHERE id = ?").run(id);
  }

  /** Takes the first answer to a request of this gateway; anything else changes nothing. */
  answer({ id, gateway, state, resent, gone, pending, unknown }: CommandResult): void {
    this.#store
      .sql(
        `UPDATE requests SET state = ?, resent = ?, gone = ?, pending = ?, unknown = ?
         WHERE id = ? AND gateway = ? AND state = 'open'`,
      )
      .run(state, resent, gone, pending, unknown, id, gateway);
  }

  /** The newest request to the gateway; `void` when its time has passed without an answer. */
  newest(gateway: string, nowMicros: number): Answer | undefined {
    const row = this.#store
      .sql("SELECT state, issued, expires, pending FROM requests WHERE gateway = ? ORDER BY no DESC LIMIT 1")
      .get(gateway);
    if (row === undefined) return undefined;
    const state = String(row["state"]) as Answer["state"];
    const isVoid = state === "open" && Number(row["expires"]) <= nowMicros;
    return {
      state: isVoid ? "void" : state,
      issuedMicros: Number(row["issued"]),
      pending: Number(row["pending"]),
    };
  }

  /** Per gateway, over the requests that are kept. */
  sums(): Map<string, RepairSums> {
    const rows = this.#store
      .sql(
        `SELECT gateway, COUNT(*) AS requests, SUM(resent) AS resent, SUM(gone) AS gone, SUM(pending) AS pending,
         SUM(unknown) AS unknown FROM requests GROUP BY gateway`,
      )
      .all();
    return new Map(
      rows.map(({ gateway, requests, resent, gone, pending, unknown }) => [
        String(gateway),
        {
          requests: Number(requests),
          resent: Number(resent),
          gone: Number(gone),
          pending: Number(pending),
          unknown: Number(unknown),
        },
      ]),
    );
  }
}
