import { createHash } from "node:crypto";
import type { Point } from "../../../src/profile/body.ts";
import type { Item, MonitorResult } from "./items.ts";

/** What is left of a connection that was lost: the server may still have its subscription. */
export interface Left {
  readonly id: number;
  /** The number that the next notification has. */
  readonly expected: number;
  readonly serverStart: Point["value"];
  readonly publishingMs: number;
  readonly keepAliveMs: number;
  readonly monitored: MonitorResult;
  /** Connections in a row that tried to take the subscription over, nothing being heard since. */
  readonly attempts: number;
}

/** What an earlier process stored with the last values that it took: so that a crash is no worse than a lost connection. */
export interface Remembered {
  readonly left: Left | undefined;
  /** Wall time of the last sign of life: where a hole begins. */
  readonly heardMicros: number;
}

/** A server that refuses more items than this is asked for all of them again. */
const unmonitoredMax = 20;

/**
 * The cursor of the source, stored in the transaction of the values before `expected`. The items are named by a
 * fingerprint, since their handles are places in the configured list.
 */
export function encodeLeft(left: Left, heardMicros: number, items: readonly Item[]): string {
  const { id, expected, serverStart, publishingMs, keepAliveMs, monitored } = left;
  const { unmonitored, samplingMs, queueSize } = monitored;
  if (unmonitored.length > unmonitoredMax || typeof serverStart !== "string") {
    return JSON.stringify({ heardMicros });
  }
  const missing = unmonitored.map(({ item, reason }) => [item.handle, reason]);
  const subscription = { id, expected, serverStart, publishingMs, keepAliveMs, samplingMs, queueSize, missing };
  return JSON.stringify({ heardMicros, items: fingerprint(items), subscription });
}

/** Reads what `encodeLeft` wrote; another version's text, or one for other items, says only when the server was heard. */
export function decodeLeft(text: string | undefined, items: readonly Item[]): Remembered | undefined {
  if (text === undefined) return undefined;
  const stored = JSON.parse(text) as Stored;
  const { heardMicros, subscription } = stored;
  if (subscription === undefined || stored.items !== fingerprint(items)) return { left: undefined, heardMicros };
  const { missing, samplingMs, queueSize, ...rest } = subscription;
  const unmonitored = missing.map(([handle, reason]) => ({ item: items[handle]!, reason }));
  const monitored = { monitored: items.length - unmonitored.length, unmonitored, samplingMs, queueSize };
  return { left: { ...rest, monitored, attempts: 0 }, heardMicros };
}

interface Stored {
  readonly heardMicros: number;
  readonly items?: string;
  readonly subscription?: Pick<Left, "id" | "expected" | "publishingMs" | "keepAliveMs"> & {
    readonly serverStart: string;
    readonly samplingMs: number | undefined;
    readonly queueSize: number | undefined;
    readonly missing: readonly (readonly [handle: number, reason: string])[];
  };
}

const fingerprints = new WeakMap<readonly Item[], string>();

function fingerprint(items: readonly Item[]): string {
  let print = fingerprints.get(items);
  if (print === undefined) {
    const text = JSON.stringify(items.map(({ device, name, address }) => [device, name, address]));
    print = createHash("sha256").update(text).digest("base64url").slice(0, 16);
    fingerprints.set(items, print);
  }
  return print;
}
