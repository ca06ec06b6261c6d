import { isUtf8 } from "node:buffer";
import type { BadReason } from "./profile.ts";

/** A number literal that a double would change: an integer beyond 2^53, or one that overflows. */
export class ExactNumber {
  /** As it stood in the message. */
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export interface Refusal {
  readonly reason: BadReason;
  readonly detail: string;
}

/** The text of a message after its size, encoding and depth were checked: what may be given to `JSON.parse`. */
export function readText(bytes: Uint8Array, bytesMax: number, depthMax: number): string | Refusal {
  if (bytes.length > bytesMax) {
    return { reason: "too-large", detail: `${bytes.length} bytes; the profile reads at most ${bytesMax}` };
  }
  const scan = scanDepth(bytes);
  if (scan.depth > depthMax) {
    return { reason: "too-deep", detail: `nested ${scan.depth} levels deep; the profile reads at most ${depthMax}` };
  }
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (scan.ascii) return buffer.toString("latin1");
  return isUtf8(bytes) ? buffer.toString("utf8") : { reason: "not-text", detail: "is not UTF-8" };
}

const quote = 0x22;
const backslash = 0x5c;

/** One pass: how deep brackets nest outside of strings, and whether all bytes are ASCII. */
function scanDepth(bytes: Uint8Array): { readonly depth: number; readonly ascii: boolean } {
  const length = bytes.length;
  let depth = 0;
  let deepest = 0;
  let seen = 0;
  for (let at = 0; at < length; at++) {
    const byte = bytes[at]!;
    seen |= byte;
    if (byte === quote) {
      for (at++; at < length; at++) {
        const inner = bytes[at]!;
        seen |= inner;
        if (inner === backslash) at++;
        else if (inner === quote) break;
      }
    } else if ((byte | 0x20) === 0x7b) {
      // { and [ differ in one bit, as do } and ].
      if (++depth > deepest) deepest = depth;
    } else if ((byte | 0x20) === 0x7d) depth--;
  }
  return { depth: deepest, ascii: seen < 0x80 };
}

/** Parses a text whose depth was checked. Undefined where it is not JSON. */
export function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

const keepExact: Reviver = (_key, value, { source }) =>
  typeof value === "number" && !isCarried(value) && source !== undefined && !isFiniteFraction(value, source)
    ? new ExactNumber(source)
    : value;

/** Parses again what parsed before, keeping the text of numbers that a double would change. Several times slower. */
export function parseExactly(text: string): unknown {
  return JSON.parse(text, keepExact as (key: string, value: unknown) => unknown);
}

/** True for numbers that are what the sender wrote, as far as a double can tell. */
export function isCarried(value: number): boolean {
  return value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER;
}

/** `1.5e20` was meant as a floating-point number and is one. */
function isFiniteFraction(value: number, source: string): boolean {
  return Number.isFinite(value) && /[.eE]/.test(source);
}
