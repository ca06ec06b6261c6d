import { TidegateError } from "../../../src/errors.ts";
import { parseWireTime } from "../../../src/observation/time.ts";
import type { AlertChangeRecord, AlertRecord } from "../../../src/wire/records.ts";
import { AbnormalTimes } from "../../inference/refit/abnormal-times.ts";
import { timeUnits } from "../../inference/rows/ended-life.ts";
import type { Reading } from "../../inference/rows/row-table.ts";
import { exportRecords } from "../../journal/offline/records.ts";
import { openJournal } from "../buffer/journal-path.ts";

/** What the alerts of a journal, and what people did about them, say of its devices. */
export interface AlertHistory {
  readonly abnormal: AbnormalTimes;
  /** By device, in the order of time: when somebody said that it was repaired. */
  readonly repairs: ReadonlyMap<string, readonly number[]>;
}

interface ExportedAlert {
  readonly value: AlertRecord | AlertChangeRecord;
}

/** Reads no observation. Records that cannot be read are told of when the observations are. */
export function alertHistoryOf(named: string | undefined, config: string): AlertHistory {
  using journal = openJournal(named, config);
  const abnormal = new AbnormalTimes();
  const repairs = new Map<string, number[]>();
  for (const exported of exportRecords(journal, { stream: "alerts" })) {
    if (exported.kind === "damaged") continue;
    const { value } = JSON.parse(exported.line) as ExportedAlert;
    abnormal.hear(value);
    const timeMicros = parseWireTime(value.time);
    if (value.kind !== "feedback" || value.verdict !== "maintenance-done" || timeMicros === undefined) continue;
    const times = repairs.get(value.device);
    if (times === undefined) repairs.set(value.device, [timeMicros]);
    else times.push(timeMicros);
  }
  return { abnormal, repairs };
}

type Readings = Iterable<Reading> | AsyncIterable<Reading>;

/** Without what is within ten minutes of an alert that nobody has called false. */
export async function* normalOf(readings: Readings, { abnormal }: AlertHistory): AsyncGenerator<Reading> {
  for await (const reading of readings) if (!abnormal.has(reading.device, reading.timeMicros)) yield reading;
}

/** Throws USAGE where the unit of what is left is none of time. */
export function unitMicrosOf(target: string, unit: string): number {
  const unitMicros = timeUnits[unit];
  if (unitMicros !== undefined) return unitMicros;
  throw new TidegateError("USAGE", `${target} is in ${unit}, which is no unit of time`, {
    hint: `With --until-maintenance: --unit ${target}=h, or one of ${Object.keys(timeUnits).join(", ")}.`,
  });
}

/**
 * Each life of a machine from one repair to the next as a device of its own, with the time that was left as `target`. What
 * came after the last repair has not ended and is left out.
 */
export async function* livesOf(
  readings: Readings,
  target: string,
  unitMicros: number,
  { repairs }: AlertHistory,
): AsyncGenerator<Reading> {
  for await (const reading of readings) {
    const times = repairs.get(reading.device) ?? [];
    const life = times.findIndex((micros) => micros >= reading.timeMicros);
    if (life < 0) continue;
    const left = (times[life]! - reading.timeMicros) / unitMicros;
    yield { ...reading, device: `${reading.device} life ${life + 1}`, values: { ...reading.values, [target]: left } };
  }
}
