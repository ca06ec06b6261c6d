import { parseWireTime } from "../../src/observation/time.ts";
import type { PredictionRecord } from "../../src/wire/predictions.ts";
import type { Store } from "../store/store.ts";
import { isName } from "./identity.ts";
import { placementOf } from "./place.ts";
import { comparePlaces, type EpochOrder } from "./sample.ts";

/** A prediction with 24 points of trend and all its contributions has about 4 kB. */
export const predictionBytesMax = 16_384;
/** Beyond this many the oldest are forgotten. */
const predictionsMax = 20_000;

/** What a machine is expected to do next, as readers see it: the newest record with where the machine stood. */
export type PredictionState = Omit<PredictionRecord, "kind"> & { readonly site: string; readonly line: string };

/** Order of the list: what is left before what may happen. */
const kinds = { quantity: 0, probability: 1 } as const;

/**
 * Keeps the newest prediction of each output of each model for each device. Newest by its own time, among equals by
 * epoch and number: the order in which records come makes no difference.
 */
export class Predictions {
  readonly #store: Store;
  readonly #epochs: (no: number) => EpochOrder;
  #changed = false;

  constructor(store: Store, epochs: (no: number) => EpochOrder) {
    this.#store = store;
    this.#epochs = epochs;
  }

  /** False where a name or the time is none. */
  add(record: PredictionRecord, epoch: EpochOrder, seq: number): boolean {
    const { device, model, name, path, output } = record;
    const timeMicros = parseWireTime(record.time);
    if (timeMicros === undefined || ![model, record.version, name, record.unit].every(isName)) return false;
    const known = this.#store
      .sql("SELECT time, epoch_no, seq FROM predictions WHERE device = ? AND model = ? AND name = ?")
      .get(device, model, name);
    if (known !== undefined) {
      const before = { timeMicros: Number(known["time"]), seq: Number(known["seq"]) };
      const knownEpoch = this.#epochs(Number(known["epoch_no"]));
      if (comparePlaces({ timeMicros, epoch, seq }, { ...before, epoch: knownEpoch }) <= 0) return true;
    }
    const { site, line } = placementOf(path);
    const { kind: _kind, ...fields } = record;
    this.#store
      .sql(
        `INSERT INTO predictions (device, model, name, site, line, kind, rank, time, epoch_no, seq, value)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (device, model, name) DO UPDATE SET site = excluded.site, line = excluded.line, kind = excluded.kind,
           rank = excluded.rank, time = excluded.time, epoch_no = excluded.epoch_no, seq = excluded.seq,
           value = excluded.value`,
      )
      .run(
        device,
        model,
        name,
        site,
        line,
        kinds[output],
        rankOf(record),
        timeMicros,
        epoch.no,
        seq,
        JSON.stringify(fields),
      );
    this.#changed = true;
    return true;
  }

  /** Returns whether anything changed in this batch. */
  settle(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    if (changed) {
      this.#store
        .sql(
          `DELETE FROM predictions WHERE no IN
           (SELECT no FROM predictions ORDER BY time DESC, no DESC LIMIT -1 OFFSET ${predictionsMax})`,
        )
        .run();
    }
    return changed;
  }
}

const days: Readonly<Record<string, number>> = {
  s: 1 / 86_400,
  min: 1 / 1440,
  h: 1 / 24,
  d: 1,
  wk: 7,
  mo: 30.4375,
  a: 365.25,
};

/** Times are compared with each other; other quantities (cycles, kilometres) by their number. Cautious: the low end. */
function rankOf({ output, value, interval, unit }: PredictionRecord): number {
  if (output === "probability") return 1 - value;
  const least = (interval?.low ?? value) * (Object.hasOwn(days, unit) ? days[unit]! : 1);
  return Math.max(-Number.MAX_VALUE, Math.min(least, Number.MAX_VALUE));
}

/** Of the newest record, as it was stored. */
export function predictionOfRow(row: Record<string, unknown>): PredictionState {
  const fields = JSON.parse(String(row["value"])) as Omit<PredictionRecord, "kind">;
  return { ...fields, site: String(row["site"]), line: String(row["line"]) };
}
