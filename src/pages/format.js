/* Numbers, units, ages and times as people read them. */

const counts = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 5, signDisplay: "negative" });
const large = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const tiny = new Intl.NumberFormat("en", { notation: "scientific", maximumSignificantDigits: 4 });

export function count(number) {
  return counts.format(number);
}

/** `1 record`, `3 records`. */
export function counted(number, one, many = `${one}s`) {
  return `${counts.format(number)} ${number === 1 ? one : many}`;
}

/** A reading: five digits, and never fewer than the whole number has. */
export function value(reading) {
  if (typeof reading !== "number") return String(reading);
  const size = Math.abs(reading);
  if (size >= 1e12 || (size > 0 && size < 1e-4)) return tiny.format(reading);
  return (size >= 10_000 ? large : fine).format(reading);
}

const units = {
  1: "",
  Cel: "°C",
  "[degF]": "°F",
  deg: "°",
  Ohm: "Ω",
  "kW.h": "kWh",
  "W.h": "Wh",
  "MW.h": "MWh",
  "{count}": "",
  "m/s2": "m/s²",
  "/min": "1/min",
  "[ppm]": "ppm",
  "[psi]": "psi",
};
const raised = { 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹", "-": "⁻" };

/** What people write for a UCUM code. */
export function unit(ucum) {
  if (ucum === null || ucum === undefined) return "";
  if (Object.hasOwn(units, ucum)) return units[ucum];
  return ucum
    .replaceAll(/[{}]/g, "")
    .replaceAll(/(?<=[A-Za-z])-?\d/g, (digits) => [...digits].map((digit) => raised[digit]).join(""))
    .replaceAll(".", "·")
    .replace(/^u(?=[A-Za-z])/, "µ");
}

/** A probability: `7 %`, and never 0 or 100 % where it is not. */
export function percent(part) {
  const whole = Math.round(100 * part);
  if (whole === 0 && part > 0) return "below 1 %";
  return whole === 100 && part < 1 ? "above 99 %" : `${whole} %`;
}

/** `40 to 75 °C`. */
export function rangeText(range, ucum) {
  return `${value(range[0])} to ${value(range[1])} ${unit(ucum)}`.trim();
}

const steps = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1000, "second"],
];

/** A length of time in one or two words: `18 minutes`, `3 days`. */
export function duration(ms) {
  for (const [size, word] of steps) if (ms >= size * 2) return counted(Math.floor(ms / size), word);
  return counted(Math.max(0, Math.round(ms / 1000)), "second");
}

/** The same where there is little room: `18 min`. */
export function shortDuration(ms) {
  if (ms < 120_000) return `${Math.max(0, Math.round(ms / 1000))} s`;
  if (ms < 7_200_000) return `${Math.floor(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.floor(ms / 3_600_000)} h` : `${Math.floor(ms / 86_400_000)} d`;
}

export function age(ms) {
  return ms < 1500 ? "now" : `${shortDuration(ms)} ago`;
}

export function bytes(number) {
  const names = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (number >= 1000 && step < names.length - 1) {
    number /= 1000;
    step++;
  }
  return `${step === 0 ? number : Number(number.toPrecision(3))} ${names[step]}`;
}

const clock = new Intl.DateTimeFormat("en-GB", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const shortClock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const dayAndYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const zoned = new Intl.DateTimeFormat("en-GB", { timeZoneName: "shortOffset" });

/** The zone that all times of the page are in: `GMT+1`. */
export function zone(ms = Date.now()) {
  return zoned.formatToParts(ms).find(({ type }) => type === "timeZoneName")?.value ?? "";
}

/** Local time; the day where it is not today. */
export function time(ms, { seconds = false, now = Date.now() } = {}) {
  const date = new Date(ms);
  const today = new Date(now);
  const text = (seconds ? clock : shortClock).format(date);
  if (date.toDateString() === today.toDateString()) return text;
  return `${(date.getFullYear() === today.getFullYear() ? day : dayAndYear).format(date)}, ${text}`;
}

/** `21 Nov`. */
export function dayText(ms) {
  return day.format(ms);
}

/** Local time to the millisecond, with its zone. */
export function exactTime(ms) {
  const date = new Date(ms);
  const fraction = String(date.getMilliseconds()).padStart(3, "0");
  return `${dayAndYear.format(date)}, ${clock.format(date)}.${fraction} ${zone(ms)}`;
}

/** Milliseconds of a time as records carry it. */
export function wireMs(text) {
  return Date.parse(text);
}
