import type { Point } from "../../../src/profile/body.ts";

/** What is used of an OPC UA DataValue; the library's objects have this shape. */
export interface DataValueLike {
  readonly value?: VariantLike | null;
  /** Absent on the wire means Good. */
  readonly statusCode?: StatusCodeLike | null;
  readonly sourceTimestamp?: Date | null;
  /** Picoseconds below the millisecond of `sourceTimestamp`. */
  readonly sourcePicoseconds?: number | null;
}
export interface VariantLike {
  /** Built-in type [OPC 10000-6 §5.1.2]. */
  readonly dataType: number;
  /** 0 scalar, 1 array, 2 matrix. */
  readonly arrayType: number;
  readonly value: unknown;
}
export interface StatusCodeLike {
  readonly value: number;
  readonly name: string;
}

/** Text beyond this is not a measurement. */
const textCharactersMax = 65_536;

/** A value of an item as the pipeline takes it. Never throws: what cannot be carried becomes a point without a value, marked bad. */
export function pointOf(item: string, data: DataValueLike): Point {
  const code = data.statusCode?.value ?? 0;
  const carried = carry(data.value);
  return {
    item,
    value: carried.value,
    quality: carried.problem === undefined ? qualityOf(code) : "bad",
    timeMicros: sourceTimeMicros(data),
    status: statusText(data.statusCode, carried.problem),
  };
}

/** Severity is the two highest bits [OPC 10000-4 §7.39]; 11 is reserved and read as bad. */
export function qualityOf(code: number): Point["quality"] {
  const severity = code >>> 30;
  return severity === 0 ? "good" : severity === 1 ? "uncertain" : "bad";
}

const infoTypeMask = 0x0c00;
const infoTypeDataValue = 0x0400;
const overflowBit = 0x0080;

/** The server had to drop older values of this item; the bit counts only where the info type says that it is one. */
export function hasOverflow(code: number): boolean {
  return (code & infoTypeMask) === infoTypeDataValue && (code & overflowBit) !== 0;
}

/** Microseconds since 1970; undefined where the server sent none or the smallest date, which means none [OPC 10000-6 §5.2.2.5]. */
export function sourceTimeMicros(data: DataValueLike): number | undefined {
  const time = data.sourceTimestamp?.getTime();
  if (time === undefined || Number.isNaN(time) || time <= smallestDateMs) return undefined;
  return time * 1000 + Math.floor((data.sourcePicoseconds ?? 0) / 1_000_000);
}
const smallestDateMs = Date.UTC(1601, 0, 1);

interface Carried {
  readonly value: Point["value"];
  readonly problem: string | undefined;
}
const nothing: Carried = { value: undefined, problem: undefined };

function carry(variant: VariantLike | null | undefined): Carried {
  if (variant === undefined || variant === null || variant.dataType === 0) return nothing;
  if (variant.arrayType !== 0) return { value: undefined, problem: "UnsupportedArray" };
  const { value } = variant;
  if (value === null || value === undefined) return nothing;
  switch (variant.dataType) {
    case 1:
      return typeof value === "boolean" ? fine(value) : unsupported(variant);
    case 2:
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 10:
    case 11:
      return typeof value === "number" ? fine(value) : unsupported(variant);
    case 8:
      return wide(value, true) ?? unsupported(variant);
    case 9:
      return wide(value, false) ?? unsupported(variant);
    case 12:
      return text(value) ?? unsupported(variant);
    case 13:
      return value instanceof Date && !Number.isNaN(value.getTime()) ? fine(value.toISOString()) : unsupported(variant);
    case 21:
      return text((value as { text?: unknown }).text) ?? nothing;
    default:
      return unsupported(variant);
  }
}

/** 64-bit integers arrive as two 32-bit halves, high first, or as a bigint. */
function wide(value: unknown, signed: boolean): Carried | undefined {
  if (typeof value === "bigint") return fine(value);
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [high, low] = value as unknown[];
  if (typeof high !== "number" || typeof low !== "number") return undefined;
  const unsigned = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  return fine(signed ? BigInt.asIntN(64, unsigned) : unsigned);
}

function text(value: unknown): Carried | undefined {
  if (typeof value !== "string") return undefined;
  return value.length > textCharactersMax ? { value: undefined, problem: "TextTooLong" } : fine(value);
}

function fine(value: NonNullable<Point["value"]>): Carried {
  return { value, problem: undefined };
}

function unsupported(variant: VariantLike): Carried {
  return { value: undefined, problem: `UnsupportedType${variant.dataType}` };
}

function statusText(status: StatusCodeLike | null | undefined, problem: string | undefined): string | undefined {
  const code = status?.value ?? 0;
  const parts: string[] = [];
  // The library appends the names of the info bits behind a "#".
  if (code >>> 16 !== 0 && status) parts.push(status.name.split("#", 1)[0]!);
  if (hasOverflow(code)) parts.push("Overflow");
  if (problem !== undefined) parts.push(problem);
  return parts.length === 0 ? undefined : parts.join(" ");
}
