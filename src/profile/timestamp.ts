import { maxWireMicros, minWireMicros } from "../observation/time.ts";
import { ExactNumber } from "./json.ts";

export const timeFormats = ["auto", "rfc3339", "epoch-s", "epoch-ms", "epoch-us", "epoch-ns"] as const;
export type TimeFormat = (typeof timeFormats)[number];

/** Offset of a local time from UTC in minutes; the argument is the local wall time as if it were UTC, in seconds. */
export type Zone = (localSeconds: number) => number;

/**
 * Microseconds since 1970 from what a device calls a time; undefined where it is not one. `zone` is used for times
 * without a zone; without it such times are not accepted, since a guess would shift them by hours.
 */
export function parseTimestamp(raw: unknown, format: TimeFormat, zone: Zone | undefined): number | undefined {
  const micros = typeof raw === "string" ? fromText(raw, format, zone) : fromNumber(raw, format);
  return micros !== undefined && micros >= minWireMicros && micros <= maxWireMicros ? micros : undefined;
}

function fromText(text: string, format: TimeFormat, zone: Zone | undefined): number | undefined {
  if (format === "rfc3339") return parseRfc3339(text, zone);
  if (text.length <= 32 && /^-?\d+(?:\.\d*)?$/.test(text)) {
    const isNanos = format === "epoch-ns" || (format === "auto" && Math.abs(Number(text)) >= 1e17);
    return isNanos && !text.includes(".") ? nanos(text) : epoch(Number(text), format);
  }
  return format === "auto" ? parseRfc3339(text, zone) : undefined;
}

function fromNumber(raw: unknown, format: TimeFormat): number | undefined {
  if (format === "rfc3339") return undefined;
  if (typeof raw === "number") return epoch(raw, format);
  if (raw instanceof ExactNumber && /^-?\d{1,32}$/.test(raw.text)) {
    return format === "epoch-ns" || format === "auto" ? nanos(raw.text) : epoch(Number(raw.text), format);
  }
  return undefined;
}

function nanos(text: string): number {
  return Number(BigInt(text) / 1000n);
}

const microsPer = { "epoch-s": 1e6, "epoch-ms": 1e3, "epoch-us": 1, "epoch-ns": 1e-3 } as const;

function epoch(value: number, format: TimeFormat): number | undefined {
  if (format === "rfc3339") return undefined;
  const unit = format === "auto" ? guessEpoch(Math.abs(value)) : format;
  return unit === "epoch-ns" ? Math.round(value / 1000) : Math.round(value * microsPer[unit]);
}

/** The four scales do not overlap between 1973 and 5138. */
function guessEpoch(size: number): keyof typeof microsPer {
  if (size < 1e11) return "epoch-s";
  if (size < 1e14) return "epoch-ms";
  return size < 1e17 ? "epoch-us" : "epoch-ns";
}

const zero = 48;

/** `2026-11-21T09:28:12.123456Z`, also with a space, with `,`, with `+01:00`, `+0100` or `+01`, or without a zone. */
export function parseRfc3339(text: string, zone: Zone | undefined): number | undefined {
  if (text.length < 19 || text.length > 40) return undefined;
  const year = digits(text, 0, 4);
  const month = digits(text, 5, 2);
  const day = digits(text, 8, 2);
  const hour = digits(text, 11, 2);
  const minute = digits(text, 14, 2);
  const second = digits(text, 17, 2);
  const separator = text.charCodeAt(10);
  const shaped =
    text.charCodeAt(4) === 45 && text.charCodeAt(7) === 45 && text.charCodeAt(13) === 58 && text.charCodeAt(16) === 58;
  if (!shaped || (separator !== 84 && separator !== 116 && separator !== 32)) return undefined;
  // A comparison with NaN is false, so each test is written so that NaN fails it. 60 is a leap second.
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return undefined;
  if (!(hour <= 23 && minute <= 59 && second <= 60)) return undefined;
  const seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
  return withFraction(text, seconds, zone);
}

function withFraction(text: string, seconds: number, zone: Zone | undefined): number | undefined {
  let at = 19;
  let fraction = 0;
  const mark = text.charCodeAt(at);
  if (mark === 46 || mark === 44) {
    let weight = 100_000;
    const first = ++at;
    for (; at < text.length; at++) {
      const digit = text.charCodeAt(at) - zero;
      if (digit < 0 || digit > 9) break;
      // Beyond microseconds the weight is 0: cut, never rounded up into the next second.
      fraction += digit * weight;
      weight = Math.floor(weight / 10);
    }
    if (at === first) return undefined;
  }
  const offsetMinutes = parseOffset(text, at, seconds, zone);
  return offsetMinutes === undefined ? undefined : (seconds - offsetMinutes * 60) * 1_000_000 + fraction;
}

function parseOffset(text: string, at: number, seconds: number, zone: Zone | undefined): number | undefined {
  if (at === text.length) return zone?.(seconds);
  const mark = text.charCodeAt(at);
  if (mark === 90 || mark === 122) return at + 1 === text.length ? 0 : undefined;
  if (mark !== 43 && mark !== 45) return undefined;
  return fixedOffset(text.slice(at));
}

/** `+01:00`, `-0330`, `+01` in minutes; undefined for anything else. */
function fixedOffset(text: string): number | undefined {
  const match = /^([+-])(\d\d)(?::?(\d\d))?$/.exec(text);
  if (match === null) return undefined;
  const minutes = Number(match[2]) * 60 + Number(match[3] ?? 0);
  return minutes > 18 * 60 ? undefined : match[1] === "-" ? -minutes : minutes;
}

function digits(text: string, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const digit = text.charCodeAt(at) - zero;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days of the proleptic Gregorian calendar, counted in years that begin in March. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** A zone by name (`Europe/Berlin`), by offset (`+01:00`) or `UTC`; undefined where there is none of that name. */
export function zoneOf(name: string): Zone | undefined {
  if (name === "UTC" || name === "Z") return () => 0;
  const fixed = fixedOffset(name);
  if (fixed !== undefined) return () => fixed;
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch {
    return undefined;
  }
  return cachedZone(format);
}

/**
 * Asking Intl costs microseconds; offsets change on quarter hours, so that one answer serves a quarter. In the hour that
 * a clock change repeats the first pass is taken.
 */
function cachedZone(format: Intl.DateTimeFormat): Zone {
  let cachedQuarter = Number.NaN;
  let cachedMinutes = 0;
  return (localSeconds) => {
    const quarter = Math.floor(localSeconds / 900);
    if (quarter !== cachedQuarter) {
      const before = offsetAt(format, localSeconds - 86_400);
      const after = offsetAt(format, localSeconds + 86_400);
      const isBefore = offsetAt(format, localSeconds - before * 60) === before;
      const isAfter = offsetAt(format, localSeconds - after * 60) === after;
      cachedMinutes = isAfter && !isBefore ? after : before;
      cachedQuarter = quarter;
    }
    return cachedMinutes;
  };
}

function offsetAt(format: Intl.DateTimeFormat, utcSeconds: number): number {
  const part = format.formatToParts(utcSeconds * 1000).find(({ type }) => type === "timeZoneName");
  return fixedOffset(part?.value.replace("GMT", "") ?? "") ?? 0;
}
