import { createHash } from "node:crypto";
import { formatWireTime, parseWireTime } from "../../../src/observation/time.ts";
import { trendMax, type PredictionRecord } from "../../../src/wire/predictions.ts";
import type { StateReader, StateWriter } from "../state.ts";

/** How often a prediction is worth a record. Times are those of the rows. */
export interface ForecastPace {
  /** A change by less says nothing new. */
  readonly step: number;
  /** Between two records at least. */
  readonly pauseMs: number;
  /** Without a change there is a record so often, so that silence means something. */
  readonly heartbeatMs: number;
}

/** The predictions of one device that were worth a record. Its state is bounded and part of the snapshot. */
export class Forecast {
  readonly #pace: ForecastPace;
  #last: PredictionRecord | undefined;

  constructor(pace: ForecastPace) {
    this.#pace = pace;
  }

  /** The newest record. */
  get last(): PredictionRecord | undefined {
    return this.#last;
  }

  isDue(value: number, timeMicros: number): boolean {
    if (this.#last === undefined) return true;
    const { step, pauseMs, heartbeatMs } = this.#pace;
    const silentMs = (timeMicros - parseWireTime(this.#last.time)!) / 1000;
    // Rows before the last record come of a clock that was set back: then it begins anew.
    if (silentMs < 0 || silentMs >= heartbeatMs) return true;
    return silentMs >= pauseMs && Math.abs(value - this.#last.value) >= step;
  }

  /** Makes the record of a prediction that is due, with the ones before as its trend. */
  add(prediction: Omit<PredictionRecord, "kind" | "id" | "time" | "trend">, timeMicros: number): PredictionRecord {
    const before = this.#last;
    const trend = before === undefined ? [] : [...before.trend, { time: before.time, value: before.value }];
    const time = formatWireTime(timeMicros);
    const id = predictionId(prediction.device, prediction.model, prediction.version, time);
    this.#last = { kind: "prediction", id, time, ...prediction, trend: trend.slice(-trendMax) };
    return this.#last;
  }

  save(to: StateWriter): void {
    to.text(this.#last === undefined ? "" : JSON.stringify(this.#last));
  }

  load(from: StateReader): void {
    const text = from.text();
    this.#last = text === "" ? undefined : (JSON.parse(text) as PredictionRecord);
  }
}

/** Follows from what it is: a replay after a crash gives the same one. */
function predictionId(device: string, model: string, version: string, time: string): string {
  const what = JSON.stringify([device, model, version, time]);
  return createHash("sha256").update(what).digest("hex").slice(0, 20);
}
