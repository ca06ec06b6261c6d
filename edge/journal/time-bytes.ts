import { formatWireTime, wireTimeLength } from "../../src/observation/time.ts";

/*
 * Wire times as bytes. Each record has two of them, and merged blocks read and write them all: without a text in
 * between, since neighbours share the second.
 */

/** `2026-11-21T09:28:12.` */
const prefixLength = 20;
const secondAt = 17;
const slots = 16;
const notATime = Number.NaN;
const zero = 0x30;
const letterZ = 0x5a;

/** Recent seconds, and their prefixes one behind the other; by second of the minute, modulo their number. */
const seconds = new Float64Array(slots).fill(notATime);
const prefixes = Buffer.alloc(slots * prefixLength);

/** The wire time at `at` in microseconds; NaN for anything that `formatWireTime` would not write exactly so. */
export function readTime(bytes: Buffer, at: number, end: number): number {
  if (at + wireTimeLength > end || bytes[at + 26] !== letterZ) return notATime;
  const second = secondOf(bytes, at);
  let fraction = 0;
  for (let i = at + prefixLength; i < at + 26; i++) {
    const digit = bytes[i]! - zero;
    if (digit < 0 || digit > 9) return notATime;
    fraction = fraction * 10 + digit;
  }
  return second * 1_000_000 + fraction;
}

function secondOf(bytes: Buffer, at: number): number {
  const slot = slotOf((bytes[at + secondAt]! - zero) * 10 + bytes[at + secondAt + 1]! - zero);
  if (hasPrefix(bytes, at, slot)) return seconds[slot]!;
  const second = Date.parse(`${bytes.toString("latin1", at, at + prefixLength - 1)}Z`) / 1000;
  // Beyond, microseconds are no longer exact.
  if (!Number.isSafeInteger((second + 1) * 1_000_000)) return notATime;
  return hasPrefix(bytes, at, keep(second)) ? second : notATime;
}

function hasPrefix(bytes: Buffer, at: number, slot: number): boolean {
  const from = slot * prefixLength;
  for (let i = 0; i < prefixLength; i++) if (bytes[at + i] !== prefixes[from + i]) return false;
  return true;
}

/** Writes microseconds since 1970; returns the offset behind them. */
export function writeTime(bytes: Buffer, at: number, micros: number): number {
  const second = Math.floor(micros / 1_000_000);
  let slot = slotOf(second % 60);
  if (seconds[slot] !== second) slot = keep(second);
  const from = slot * prefixLength;
  for (let i = 0; i < prefixLength; i++) bytes[at + i] = prefixes[from + i]!;
  let rest = micros - second * 1_000_000;
  for (let i = at + 25; i >= at + prefixLength; i--) {
    const higher = Math.floor(rest / 10);
    bytes[i] = zero + rest - higher * 10;
    rest = higher;
  }
  bytes[at + 26] = letterZ;
  return at + wireTimeLength;
}

/** Returns its slot. */
function keep(second: number): number {
  const slot = slotOf(second % 60);
  seconds[slot] = second;
  prefixes.write(formatWireTime(second * 1_000_000), slot * prefixLength, prefixLength, "latin1");
  return slot;
}

function slotOf(secondOfMinute: number): number {
  return secondOfMinute & (slots - 1);
}
