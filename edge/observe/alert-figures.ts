import type { AlertFigures, AlertView, SourceCount } from "../console/view.ts";

const minuteMicros = 60e6;
const hourMicros = 60 * minuteMicros;
const dayMicros = 24 * hourMicros;
const tenMinutes = 10 * minuteMicros;
/** Raised so often within ten minutes, a source chatters. An episode rests for a minute, so it cannot come more than a few times. */
const chatterRaises = 3;
/** An alert that is open longer than a shift stands: nobody works on it, or it is none. */
const standingMicros = 8 * hourMicros;
const worstMax = 10;

/**
 * How much the alerts ask of a person, in the terms of ANSI/ISA-18.2 and EEMUA 191, from the episodes that the board
 * keeps (`boardMax` at most). What somebody has put away asks nothing of anybody and does not count.
 */
export function alertFigures(board: readonly AlertView[], nowMicros: number, boardMax: number): AlertFigures {
  const alerts = board.filter(({ suppression }) => suppression === undefined);
  const raised = alerts.map(({ raisedMicros }) => raisedMicros).toSorted((a, b) => a - b);
  const since = (micros: number): number => raised.filter((at) => nowMicros - at < micros).length;
  const lastDay = alerts.filter(({ raisedMicros }) => nowMicros - raisedMicros < dayMicros);
  const sources = [...Map.groupBy(lastDay, ({ record }) => JSON.stringify([record.device, record.metric])).values()];
  return {
    lastTenMinutes: since(tenMinutes),
    lastHour: since(hourMicros),
    lastDay: lastDay.length,
    busiestTenMinutes: busiest(lastDay.map(({ raisedMicros }) => raisedMicros)),
    isBounded: board.length >= boardMax && board.every(({ raisedMicros }) => nowMicros - raisedMicros < dayMicros),
    standing: alerts.filter(
      (alert) => alert.clearedMicros === undefined && nowMicros - alert.raisedMicros > standingMicros,
    ).length,
    chattering: sources
      .filter((source) => chatters(source))
      .map(countOf)
      .toSorted(mostFirst)
      .slice(0, worstMax),
    worst: sources.map(countOf).toSorted(mostFirst).slice(0, worstMax),
  };
}

/** The most within any ten minutes. */
function busiest(raisedMicros: readonly number[]): number {
  const times = raisedMicros.toSorted((a, b) => a - b);
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last++) {
    while (times[last]! - times[first]! >= tenMinutes) first++;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

function chatters(source: readonly AlertView[]): boolean {
  return busiest(source.map(({ raisedMicros }) => raisedMicros)) >= chatterRaises;
}

function countOf(source: readonly AlertView[]): SourceCount {
  const { device, metric } = source[0]!.record;
  return { device, metric, alerts: source.length };
}

function mostFirst(a: SourceCount, b: SourceCount): number {
  return b.alerts - a.alerts;
}
