import { formatWireTime } from "../../src/observation/time.ts";
import type { LedgerRecord } from "../../src/wire/records.ts";
import type { Connection, SqlValue } from "./connection.ts";
import type { LossRow } from "./protocol.ts";

const rowsMax = 1_000;
/** Losses of one kind that follow each other this closely are one row: a full buffer drops something every second. */
const sameRowMicros = 60e6;

interface OpenLoss {
  readonly reason: string;
  readonly stream: string;
  /** Empty where several devices lost something. */
  device: string;
  records: number;
  from: string;
  to: string;
}

/**
 * What was lost lately and why, for people: a row per reason, stream and stretch of time, the newest 1,000. The
 * account itself is the ledger stream, which names every range and travels to Kafka.
 */
export class LossTable {
  readonly #connection: Connection;
  #open: Map<string, OpenLoss> = new Map();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Part of the open transaction. */
  note({ reason, stream, device, count, from, to }: LedgerRecord): void {
    const key = `${reason} ${stream}`;
    const open = this.#open.get(key);
    if (open === undefined) {
      this.#open.set(key, { reason, stream, device, records: count, from, to });
      return;
    }
    open.records += count;
    if (open.device !== device) open.device = "";
    if (from < open.from) open.from = from;
    if (to > open.to) open.to = to;
  }

  /** At the end of the transaction. */
  write(nowMicros: number): void {
    for (const loss of this.#open.values()) this.#writeOne(loss, nowMicros);
    this.clear();
  }

  clear(): void {
    if (this.#open.size > 0) this.#open = new Map();
  }

  /** Newest first. */
  list(limit: number): LossRow[] {
    return this.#connection.all("SELECT * FROM losses ORDER BY id DESC LIMIT ?", limit).map((row) => ({
      id: Number(row.id),
      reason: String(row.reason),
      stream: String(row.stream),
      device: String(row.device),
      records: Number(row.records),
      from: String(row.data_from),
      to: String(row.data_to),
      since: formatWireTime(Number(row.since)),
      until: formatWireTime(Number(row.until)),
    }));
  }

  #writeOne({ reason, stream, device, records, from, to }: OpenLoss, nowMicros: number): void {
    const same = this.#connection.get(
      "SELECT id, device, data_from, data_to FROM losses WHERE reason = ? AND stream = ? AND until >= ? ORDER BY id DESC LIMIT 1",
      reason,
      stream,
      nowMicros - sameRowMicros,
    );
    if (same === undefined) this.#insert(reason, stream, device, records, from, to, nowMicros, nowMicros);
    else {
      this.#connection.run(
        "UPDATE losses SET records = records + ?, device = ?, data_from = ?, data_to = ?, until = ? WHERE id = ?",
        records,
        same.device === device ? device : "",
        from < String(same.data_from) ? from : same.data_from!,
        to > String(same.data_to) ? to : same.data_to!,
        nowMicros,
        same.id!,
      );
    }
  }

  #insert(...values: SqlValue[]): void {
    this.#connection.run(
      "INSERT INTO losses (reason, stream, device, records, data_from, data_to, since, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      ...values,
    );
    this.#connection.run("DELETE FROM losses WHERE id <= (SELECT max(id) FROM losses) - ?", rowsMax);
  }
}
