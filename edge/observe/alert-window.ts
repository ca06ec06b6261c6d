import type { Clock } from "../../src/clock.ts";
import type { Observation } from "../../src/observation/observation.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import type { MetricSpec } from "../../src/profile/profile.ts";
import type { AlertRecord } from "../../src/wire/records.ts";
import type { AlertView, AlertWindowView, ScorePoint } from "../console/view.ts";
import { timeOf, type FlightRecorder, type RawWindow } from "./flight-recorder.ts";
import type { ScoreTraces } from "./score-traces.ts";

const beforeMicros = 10 * 60e6;
const afterMicros = 5 * 60e6;
/** From the raise on, however long the alert stands. */
const lengthMicrosMax = 60 * 60e6;
/** Of more readings the extremes are kept. */
export const rowsMax = 2_000;
const metricsMax = 8;

export interface AlertWindowsParts {
  readonly clock: Clock;
  readonly recorder: Pick<FlightRecorder, "read">;
  readonly traces: Pick<ScoreTraces, "of" | "lastMicros">;
  /** Scores that came after `afterMicros`. */
  readonly recentScores: (alert: AlertRecord, afterMicros: number) => readonly ScorePoint[];
  readonly specOf: (device: string, metric: string) => MetricSpec | undefined;
}

/** What the device sent before, during and after an alert, with the scores that its model gave. */
export class AlertWindows {
  readonly #parts: AlertWindowsParts;

  constructor(parts: AlertWindowsParts) {
    this.#parts = parts;
  }

  async of({ record, raisedMicros, clearedMicros, commit }: AlertView): Promise<AlertWindowView> {
    const { clock, recorder, specOf } = this.#parts;
    const { device, metric, threshold } = record;
    const fromMicros = raisedMicros - beforeMicros;
    const endMicros = (clearedMicros ?? clock.nowMicros()) + afterMicros;
    const toMicros = Math.max(raisedMicros, Math.min(endMicros, raisedMicros + lengthMicrosMax));
    const raw = commit === undefined ? undefined : await recorder.read({ device, commit, fromMicros, toMicros });
    const names = [...new Set([metric, ...record.contributions.map((part) => part.metric)])].slice(0, metricsMax);
    const rows = (raw?.observations ?? []).filter((observation) => hasOne(observation, names));
    const shown = thin(rows, metric);
    return {
      fromMicros,
      toMicros,
      ...keptOf(raw, rows.length),
      metrics: names.map((name) => {
        const spec = specOf(device, name);
        return { name, label: spec?.label ?? name, unit: spec?.unit ?? "1", range: spec?.range };
      }),
      readings: rows.length,
      timesMicros: shown.map(timeOf),
      values: names.map((name) => shown.map((observation) => readingOf(observation, name))),
      scores: this.#scores(record, clearedMicros === undefined),
      threshold,
    };
  }

  #scores(alert: AlertRecord, isOpen: boolean): readonly ScorePoint[] {
    const { traces, recentScores } = this.#parts;
    const stored = traces.of(alert.episode);
    return isOpen ? [...stored, ...recentScores(alert, traces.lastMicros(alert.episode))] : stored;
  }
}

function keptOf(raw: RawWindow | undefined, readings: number): Pick<AlertWindowView, "kept" | "note"> {
  if (raw === undefined || readings === 0)
    return {
      kept: "none",
      note: "The buffer has no reading of that time any more: what Kafka has, and what is older than the history's age, makes room.",
    };
  if (raw.isBounded) return { kept: "part", note: "The buffer has more readings of that time than one look may read." };
  if (raw.keptFromMicros !== undefined)
    return {
      kept: "part",
      note: `The buffer begins at ${formatWireTime(raw.keptFromMicros)}: what came before made room, or was never received.`,
    };
  return { kept: "whole", note: "" };
}

function hasOne({ values }: Observation, names: readonly string[]): boolean {
  return names.some((name) => values[name] !== undefined);
}

/** What the device marked as bad, and what is no number, is a gap. */
function readingOf({ values, quality }: Observation, name: string): number | null {
  const value = values[name];
  return typeof value === "number" && quality?.[name] !== "bad" ? value : null;
}

/** At most `rowsMax`: of each stretch of rows that with the lowest and that with the highest value of the metric. */
export function thin(rows: readonly Observation[], metric: string): readonly Observation[] {
  if (rows.length <= rowsMax) return rows;
  const stretches = rowsMax / 2;
  const chosen: Observation[] = [];
  for (let n = 0; n < stretches; n++) {
    const stretch = rows.slice(
      Math.floor((n * rows.length) / stretches),
      Math.floor(((n + 1) * rows.length) / stretches),
    );
    let [low, high] = [0, 0];
    for (const [at, row] of stretch.entries()) {
      const value = readingOf(row, metric);
      if (value === null) continue;
      if (value < (readingOf(stretch[low]!, metric) ?? Infinity)) low = at;
      if (value > (readingOf(stretch[high]!, metric) ?? -Infinity)) high = at;
    }
    for (const at of new Set([Math.min(low, high), Math.max(low, high)])) chosen.push(stretch[at]!);
  }
  return chosen;
}
