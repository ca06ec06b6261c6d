import type { Body, Point } from "../../src/profile/body.ts";

/** What the quarantine keeps of a message: its bytes, or its typed values as JSON that loses nothing. */
export interface KeptBody {
  readonly form: "bytes" | "points";
  readonly bytes: Uint8Array;
}

export function keepBody(body: Body): KeptBody {
  if (body.kind === "bytes") return { form: "bytes", bytes: body.bytes };
  return { form: "points", bytes: Buffer.from(JSON.stringify(body.points.map(writePoint))) };
}

/** Undefined where the bytes are not what `keepBody` wrote. */
export function restoreBody({ form, bytes }: KeptBody): Body | undefined {
  if (form === "bytes") return { kind: "bytes", bytes };
  try {
    const points = JSON.parse(Buffer.from(bytes).toString("utf8")) as WrittenPoint[];
    return { kind: "points", points: points.map(readPoint) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

type WrittenPoint = Omit<Point, "value"> & { readonly value?: Written };
type Written = number | string | boolean | { readonly integer: string } | { readonly double: string };

/** JSON has no 64-bit integers, no NaN, no infinity and no -0: these are written as their text. */
function writePoint({ value, ...rest }: Point): WrittenPoint {
  if (value === undefined) return rest;
  if (typeof value === "bigint") return { ...rest, value: { integer: String(value) } };
  if (typeof value !== "number" || (Number.isFinite(value) && !Object.is(value, -0))) return { ...rest, value };
  return { ...rest, value: { double: Object.is(value, -0) ? "-0" : String(value) } };
}

function readPoint({ item, value, quality, timeMicros, status }: WrittenPoint): Point {
  return { item, value: readValue(value), quality, timeMicros, status };
}

function readValue(value: Written | undefined): Point["value"] {
  if (typeof value !== "object") return value;
  return "integer" in value ? BigInt(value.integer) : Number(value.double);
}
