import { nearest } from "../config/nearest.ts";

/**
 * The part of UCUM (ucum.org) that machines report in. A unit is `(value + offset) * numerator / denominator` of its
 * dimension's base unit. Factors are whole numbers, so that a conversion rounds once in the product and once in the
 * quotient and 1000 W is exactly 1 kW.
 */
interface Unit {
  readonly dimension: string;
  readonly numerator: number;
  readonly denominator: number;
  readonly offset: number;
}

const units = new Map<string, Unit>();

function define(dimension: string, codes: Readonly<Record<string, readonly [number, number?, number?]>>): void {
  for (const [code, [numerator, denominator = 1, offset = 0]] of Object.entries(codes)) {
    units.set(code, { dimension, numerator, denominator, offset });
  }
}

define("temperature", { K: [1], Cel: [1, 1, 273.15], "[degF]": [5, 9, 459.67] });
define("power", { mW: [1, 1000], W: [1], kW: [1000], MW: [1_000_000] });
define("energy", { J: [1], kJ: [1000], MJ: [1_000_000], "W.h": [3600], "kW.h": [3_600_000], "MW.h": [3_600_000_000] });
define("apparent power", { "V.A": [1], "kV.A": [1000] });
define("pressure", {
  Pa: [1],
  hPa: [100],
  kPa: [1000],
  MPa: [1_000_000],
  mbar: [100],
  bar: [100_000],
  // 4.4482216152605 N per (0.0254 m)², both exact by definition.
  "[psi]": [44_482_216_152_605, 6_451_600_000],
});
define("speed", { "m/s": [1], "mm/s": [1, 1000], "m/min": [1, 60], "km/h": [1000, 3600] });
define("acceleration", { "m/s2": [1], "mm/s2": [1, 1000], "[g]": [980_665, 100_000] });
define("length", { nm: [1, 1e9], um: [1, 1e6], mm: [1, 1000], cm: [1, 100], m: [1], km: [1000] });
define("current", { uA: [1, 1e6], mA: [1, 1000], A: [1], kA: [1000] });
define("charge", { "A.h": [3600], "mA.h": [36, 10], C: [1] });
define("voltage", { uV: [1, 1e6], mV: [1, 1000], V: [1], kV: [1000] });
define("resistance", { mOhm: [1, 1000], Ohm: [1], kOhm: [1000], MOhm: [1_000_000] });
// Hertz counts cycles and rpm counts turns: one turn is one cycle here.
define("frequency", { mHz: [6, 100], Hz: [60], kHz: [60_000], "/s": [60], "/min": [1], "{rpm}": [1], "/h": [1, 60] });
define("ratio", { "1": [1], "%": [1, 100], "[ppm]": [1, 1e6] });
define("time", { us: [1, 1e6], ms: [1, 1000], s: [1], min: [60], h: [3600], d: [86_400] });
define("volume", { mL: [1, 1e6], L: [1, 1000], m3: [1] });
define("flow", { "L/s": [3600], "L/min": [60], "L/h": [1], "m3/h": [1000], "m3/s": [3_600_000] });
define("mass", { mg: [1, 1000], g: [1], kg: [1000], t: [1_000_000] });
define("force", { N: [1], kN: [1000], MN: [1_000_000] });
define("torque", { "N.m": [1], "kN.m": [1000] });
define("angle", { deg: [1] });
define("illuminance", { lx: [1] });
define("sound level", { dB: [1] });
define("conductivity", { "uS/cm": [1], "mS/cm": [1000], "S/m": [10_000] });
define("concentration", { "mg/m3": [1000], "ug/m3": [1] });
define("irradiance", { "W/m2": [1], "kW/m2": [1000] });
define("substance", { "[pH]": [1] });

/** UCUM lets anybody count things in braces: `{strokes}`. They convert to nothing but themselves. */
const annotation = /^\{[A-Za-z0-9_.%/-]{1,32}\}$/;

export function isUnit(code: string): boolean {
  return units.has(code) || annotation.test(code);
}

/** What people write instead of the UCUM code. */
const habits: Readonly<Record<string, string>> = {
  "°C": "Cel",
  C: "Cel",
  degC: "Cel",
  "°F": "[degF]",
  F: "[degF]",
  rpm: "{rpm}",
  kWh: "kW.h",
  Wh: "W.h",
  MWh: "MW.h",
  psi: "[psi]",
  ppm: "[ppm]",
  "m³/h": "m3/h",
  "l/min": "L/min",
  l: "L",
  Nm: "N.m",
  Ah: "A.h",
  kVA: "kV.A",
  VA: "V.A",
  "m/s²": "m/s2",
};

/** The known code that was probably meant. */
export function nearestUnit(code: string): string | undefined {
  return habits[code] ?? nearest(code, units.keys());
}

export interface Conversion {
  readonly before: number;
  readonly numerator: number;
  readonly denominator: number;
  readonly after: number;
}

/** How to get from one unit to another; undefined where they measure different things. */
export function conversionOf(from: string, to: string): Conversion | undefined {
  if (from === to) return { before: 0, numerator: 1, denominator: 1, after: 0 };
  const source = units.get(from);
  const target = units.get(to);
  if (source === undefined || target === undefined || source.dimension !== target.dimension) return undefined;
  const factor = reduce(source.numerator * target.denominator, source.denominator * target.numerator);
  const ratio = factor.numerator / factor.denominator;
  // One addition, on the side where its number is short: Cel to [degF] is * 9 / 5 + 32, back it is - 32, * 5 / 9.
  return ratio >= 1
    ? { before: 0, ...factor, after: roundOffset(source.offset * ratio - target.offset) }
    : { before: roundOffset(source.offset - target.offset / ratio), ...factor, after: 0 };
}

/** Offsets have at most two decimals (273.15 * 9 / 5 - 459.67 = 32), which floating point blurs. */
function roundOffset(offset: number): number {
  return Math.round(offset * 1e6) / 1e6;
}

function reduce(numerator: number, denominator: number): { numerator: number; denominator: number } {
  let a = BigInt(numerator);
  let b = BigInt(denominator);
  while (b !== 0n) [a, b] = [b, a % b];
  const divisor = Number(a);
  return { numerator: numerator / divisor, denominator: denominator / divisor };
}

export function convert(value: number, { before, numerator, denominator, after }: Conversion): number {
  return ((value + before) * numerator) / denominator + after;
}
