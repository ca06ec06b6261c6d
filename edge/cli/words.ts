import { parseWireTime } from "../../src/observation/time.ts";

/* Numbers, sizes and times as the commands print them. */

const counts = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function count(number: number): string {
  return counts.format(number);
}

/** `1 record`, `3 records`. */
export function counted(number: number, one: string): string {
  return `${count(number)} ${one}${number === 1 ? "" : "s"}`;
}

export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let step = 0;
  for (; size >= 1000 && step < units.length - 1; step++) size /= 1000;
  return `${step === 0 ? size : size.toPrecision(3)} ${units[step]}`;
}

const steps = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
] as const;

/** `18 min`, `3 d`. */
export function ageText(seconds: number): string {
  for (const [size, unit] of steps) if (seconds >= 2 * size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.round(seconds))} s`;
}

/** A wire time to the second: UTC, since a journal is read far from where it was written. */
export function timeText(wireTime: string | undefined): string {
  return wireTime === undefined ? "–" : `${wireTime.slice(0, 10)} ${wireTime.slice(11, 19)}Z`;
}

export function secondsSince(wireTime: string, nowMs: number): number {
  return (nowMs - (parseWireTime(wireTime) ?? 0) / 1000) / 1000;
}

/** Columns as wide as their widest cell; `right` names those that hold numbers. */
export function tableText(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  return rows.map((row) =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** Foreign text on a terminal: control characters, and those that reorder or hide others, are written as escapes. */
export function plainText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}
