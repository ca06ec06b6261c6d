import type { StoreOptions } from "../../../edge/journal/store.ts";
import type { Stream } from "../../../src/wire/streams.ts";
import { storeOptions, type TestRecord } from "../../support/records.ts";
import { randomOf } from "../../support/seed.ts";

/*
 * What the recorded program appends. Every record follows from its number, so that the oracle needs no copy:
 * it knows a record's bytes from the number that stands in them.
 */
const devices = ["press-1", "press-2", "pump-é", "robot-4"];
const classes: readonly Stream[] = ["observations", "observations", "observations", "history", "alerts", "sessions"];
const groupsPerSession = 1_000_000;
const recordsPerGroup = 16;

export interface LoadedRecord extends TestRecord {
  readonly number: number;
}

/** The records of a group; group `n` of session `s` has the number s × 1,000,000 + n. */
export function groupOf(session: number, n: number): LoadedRecord[] {
  const group = session * groupsPerSession + n;
  const count = randomOf(group).between(1, recordsPerGroup - 1);
  return Array.from({ length: count }, (_, i) => recordOf(group * recordsPerGroup + i));
}

export function recordOf(number: number): LoadedRecord {
  const random = randomOf(number);
  const bytes = Buffer.alloc(random.pick([12, 90, 400, 1_500]));
  for (let at = 0; at < bytes.length; at++) bytes[at] = random.between(0, 255);
  const value = JSON.stringify({ number, noise: bytes.toString("base64") });
  const timeMicros = 1.7e15 + number;
  return { number, stream: random.pick(classes), device: random.pick(devices), value, timeMicros };
}

/** The number of the record with these bytes; undefined where the program never wrote them. */
export function numberOf(value: string): number | undefined {
  const number = Number(/^\{"number":(\d+)/.exec(value)?.[1] ?? Number.NaN);
  return Number.isSafeInteger(number) && recordOf(number).value === value ? number : undefined;
}

/** Everything is small, so that a few hundred commits fill the log, the quota and the replay window many times. */
export function loadOptions(folder: string, small: boolean): StoreOptions {
  return storeOptions(folder, {
    manifestSeconds: 1,
    replayWindowHours: small ? 0 : 24,
    quotaBytes: small ? 700_000 : 100_000_000,
  });
}
