import { Compile } from "typebox/compile";
import { gatewayOf } from "../aggregate/identity.ts";
import type { LogRecord } from "../ingest/log.ts";
import type { Store } from "../store/store.ts";
import {
  readRollout,
  rolloutStatusKey,
  rolloutStatusSchema,
  type Rollout,
  type RolloutStatus,
  type Withdrawal,
} from "../../src/wire/rollouts.ts";

/** Rollouts that are kept; one more is refused until others were removed from the topic. */
const rolloutsMax = 1000;
const statusesMax = 100_000;
const statusBytesMax = 16_384;

/** What the topic says of a rollout. Its signature is the gateways' business: the service knows no keys. */
export interface BoardEntry {
  readonly name: string;
  /** Undefined where only its withdrawal is left. */
  readonly rollout: Rollout | undefined;
  readonly withdrawal: Withdrawal | undefined;
  /** Beginning of the SHA-256 of the key that claims to have signed what was said last. */
  readonly signedBy: string;
}

/** The rollouts of models and what gateways say of them. The last word of each key counts, as on the compacted topics. */
export class RolloutBoard {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A record of the topic of rollouts. A sentence where it cannot be used. */
  take({ key, value }: LogRecord): string | undefined {
    if (value === undefined) {
      this.#remove(key ?? "");
      return undefined;
    }
    const read = readRollout(key, value);
    if (read.kind === "invalid") return read.reason;
    const { said, signed } = read;
    if (!this.#hasRoom("rollouts", rolloutsMax, "name = ?", [said.name])) return `more than ${rolloutsMax} rollouts`;
    const insert =
      "INSERT INTO rollouts (name, rollout, withdrawal, key) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE";
    if (said.kind === "rollout") {
      this.#store
        .sql(`${insert} SET rollout = excluded.rollout, withdrawal = NULL, key = excluded.key`)
        .run(said.name, signed.payload, null, signed.signature.key);
    } else {
      this.#store
        .sql(`${insert} SET withdrawal = excluded.withdrawal, key = excluded.key`)
        .run(said.name, null, signed.payload, signed.signature.key);
    }
    return undefined;
  }

  #remove(name: string): void {
    this.#store.sql("DELETE FROM rollouts WHERE name = ?").run(name);
    this.#store.sql("DELETE FROM rollout_status WHERE rollout = ?").run(name);
  }

  /** A record of the topic of statuses. A sentence where it cannot be used. */
  takeStatus(record: LogRecord): string | undefined {
    if (record.value === undefined) return undefined;
    const status = record.value.length > statusBytesMax ? undefined : parseJson(record.value);
    if (!isStatus.Check(status)) return "not the status of a rollout";
    const { gateway, rollout, revision, time } = status;
    if (record.key !== rolloutStatusKey(gateway, rollout) || gatewayOf(record) !== gateway)
      return "the key, the header and the value name different gateways or rollouts";
    const known = this.#store
      .sql("SELECT value FROM rollout_status WHERE rollout = ? AND gateway = ?")
      .get(rollout, gateway);
    if (known !== undefined) {
      const before = JSON.parse(String(known["value"])) as RolloutStatus;
      // A copy that comes late is behind in both; a gateway that was set up anew counts from 1.
      if (revision <= before.revision && time <= before.time) return undefined;
    } else if (!this.#hasRoom("rollout_status", statusesMax, "0", [])) return `more than ${statusesMax} statuses`;
    this.#store
      .sql("INSERT OR REPLACE INTO rollout_status (rollout, gateway, state, value) VALUES (?, ?, ?, ?)")
      .run(rollout, gateway, status.state, JSON.stringify(status));
    return undefined;
  }

  #hasRoom(table: "rollouts" | "rollout_status", max: number, same: string, keys: readonly string[]): boolean {
    const row = this.#store.sql(`SELECT COUNT(*) AS n, TOTAL(${same}) AS same FROM ${table}`).get(...keys);
    return Number(row?.["n"]) < max || Number(row?.["same"]) > 0;
  }

  /** By name, above `after`. */
  rollouts(after: string, limit: number): BoardEntry[] {
    const rows = this.#store.sql("SELECT * FROM rollouts WHERE name > ? ORDER BY name LIMIT ?").all(after, limit);
    return rows.map(({ name, rollout, withdrawal, key }) => ({
      name: String(name),
      rollout: rollout === null ? undefined : (JSON.parse(String(rollout)) as Rollout),
      withdrawal: withdrawal === null ? undefined : (JSON.parse(String(withdrawal)) as Withdrawal),
      signedBy: String(key),
    }));
  }

  has(name: string): boolean {
    return this.#store.sql("SELECT 1 FROM rollouts WHERE name = ?").get(name) !== undefined;
  }

  /** How many gateways say which state. */
  counts(name: string): Readonly<Record<string, number>> {
    const rows = this.#store
      .sql("SELECT state, COUNT(*) AS n FROM rollout_status WHERE rollout = ? GROUP BY state ORDER BY state")
      .all(name);
    return Object.fromEntries(rows.map(({ state, n }) => [String(state), Number(n)]));
  }

  /** Of one rollout, by gateway, above `after`. */
  statuses(name: string, after: string, limit: number): RolloutStatus[] {
    return this.#store
      .sql("SELECT value FROM rollout_status WHERE rollout = ? AND gateway > ? ORDER BY gateway LIMIT ?")
      .all(name, after, limit)
      .map(({ value }) => JSON.parse(String(value)) as RolloutStatus);
  }
}

const isStatus = Compile(rolloutStatusSchema);

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}
