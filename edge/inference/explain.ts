import type { Finding } from "./guards/finding.ts";
import type { Judgement, MetricWatch, WatchSpec } from "./metric-watch.ts";

/** The sentence of an alert, for a person beside the machine: what, how far from normal, what it may mean. */
export function explain(watch: MetricWatch, spec: WatchSpec, judgement: Judgement, timeMicros: number): string {
  const sentence = statement(watch, spec, judgement, timeMicros);
  const meaning = judgement.step === "raise" || judgement.step === "update" ? spec.rule.consequence : undefined;
  if (meaning === undefined) return sentence;
  return /^\p{Lu}/u.test(meaning) ? `${sentence}. ${meaning}` : `${sentence}; ${meaning}`;
}

function statement(watch: MetricWatch, spec: WatchSpec, { step, finding }: Judgement, timeMicros: number): string {
  const value = withUnit(figure(watch.lastValue), spec.unit);
  if (step === "clear") return `${spec.label} ${value}, back to normal`;
  if (step === "outlast") return `${spec.label} ${value}, abnormal for a day: taken as the new normal`;
  return finding === undefined ? compare(watch, spec, value, timeMicros) : found(spec, value, finding);
}

function found(spec: WatchSpec, value: string, finding: Finding): string {
  switch (finding.kind) {
    case "range":
      return `${spec.label} ${value}, outside of the sensor's range ${between(finding.low, finding.high)}`;
    case "rate":
      return `${spec.label} ${value} after a jump of ${figure(finding.step)}, usually at most ${figure(finding.usual)}`;
    case "stuck":
      return `${spec.label} has stood at exactly ${value} for ${finding.values} values`;
    case "quality":
      return `${spec.label}: the device marks its values as bad, ${finding.values} in a row`;
    case "gap":
      return `${spec.label} ${value} after ${duration(finding.seconds)} without a value, usually ${duration(finding.usualSeconds)}`;
    case "hampel":
      return `${spec.label} ${value} with single values that leap out and back, the last ${figure(finding.spike)} beside ${figure(finding.beside)}`;
    case "ewma":
    case "cusum":
      return `${spec.label} ${value}, its mean has moved from ${figure(finding.usual)} to ${figure(finding.now)}`;
    case "variance":
      return `${spec.label} ${value} varies ${figure(finding.factor)} times as much as usual`;
  }
}

function compare(watch: MetricWatch, spec: WatchSpec, value: string, timeMicros: number): string {
  const band = watch.normal.read(timeMicros);
  if (band === undefined) return `${spec.label} ${value}, not seen before`;
  const normal = `normal ${between(band.least, band.most)}${span(timeMicros - band.sinceMicros)}`;
  const inside = watch.lastValue >= band.least && watch.lastValue <= band.most;
  return inside ? `${spec.label} ${value} changes in an unusual way, ${normal}` : `${spec.label} ${value}, ${normal}`;
}

/** The normal band for a table, with unit. */
export function normalText(watch: MetricWatch, spec: WatchSpec, timeMicros: number): string {
  const band = watch.normal.read(timeMicros);
  return band === undefined ? "unknown" : withUnit(between(band.least, band.most), spec.unit);
}

export function between(low: number, high: number): string {
  return `${figure(low)} to ${figure(high)}`;
}

/** Three significant digits, whole numbers from 100 on. */
export function figure(value: number): string {
  return Math.abs(value) >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

/** Signs that people know better than their UCUM codes. */
const signs: Readonly<Record<string, string>> = { Cel: "°C", "1": "", Ohm: "Ω", deg: "°", "m/s2": "m/s²" };

export function withUnit(figure: string, unit: string): string {
  // What UCUM has in braces is a word: {cycles}.
  const sign = signs[unit] ?? unit.replaceAll(/[{}]/g, "");
  return sign === "" ? figure : `${figure} ${sign}`;
}

function duration(seconds: number): string {
  return seconds < 120 ? `${figure(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

function span(micros: number): string {
  const seconds = Math.round(micros / 1e6);
  if (!(seconds > 0)) return "";
  if (seconds < 120) return ` over the last ${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 55) return ` over the last ${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours === 1 ? " over the last hour" : ` over the last ${hours} hours`;
}
