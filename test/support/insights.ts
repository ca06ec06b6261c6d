import type { InsightRecord, PredictionRecord } from "../../src/wire/predictions.ts";
import type { AlertRecord } from "../../src/wire/records.ts";

export function alertsAmong(records: readonly InsightRecord[]): AlertRecord[] {
  return records.filter((record): record is AlertRecord => record.kind !== "prediction");
}

export function predictionsAmong(records: readonly InsightRecord[]): PredictionRecord[] {
  return records.filter((record): record is PredictionRecord => record.kind === "prediction");
}
