import type { ClockState } from "../clock.ts";
import { formatWireTime, parseWireTime } from "./time.ts";

/** What a device reports for one metric. Numbers are finite; what JSON cannot carry exactly is in `exact`. */
export type Value = number | string | boolean;

/** Only what is not good is named. */
export type Quality = "uncertain" | "bad";

/** One device, one time, many values. The Kafka value is this, as one line of JSON. */
export interface Observation {
  /** Immutable id, unique in the fleet; the Kafka key. */
  readonly device: string;
  /** ISA-95 path enterprise/site/area/line[/cell]; may change when a machine is moved. */
  readonly path: string;
  /** Source time in microseconds since 1970; the received time where the device gave none. */
  readonly timeMicros: number;
  readonly receivedMicros: number;
  readonly clock: ClockState;
  /** `device`: the time comes from the source; `gateway`: it is the received time. */
  readonly timeSource: "device" | "gateway";
  /** The source time is further from the received time than the profile allows: stored, but kept out of windows. */
  readonly implausibleTime: boolean;
  readonly values: Readonly<Record<string, Value>>;
  readonly quality: Readonly<Record<string, Quality>> | undefined;
  /** Decimal text of numbers that a JSON number cannot carry: integers beyond 2^53, NaN, Infinity, -Infinity. */
  readonly exact: Readonly<Record<string, string>> | undefined;
}

/** The part of an encoded observation that is the same for every record of a device at a path. */
export function observationPrefix(device: string, path: string): string {
  return `{"device":${JSON.stringify(device)},"path":${JSON.stringify(path)},"time":"`;
}

/** One line of JSON. `prefix` is `observationPrefix(o.device, o.path)`, computed once per device. */
export function encodeObservation(o: Observation, prefix: string): string {
  let text = `${prefix}${formatWireTime(o.timeMicros)}","received":"${formatWireTime(o.receivedMicros)}","clock":"${o.clock}"`;
  if (o.timeSource === "gateway") text += ',"timeSource":"gateway"';
  if (o.implausibleTime) text += ',"timeQuality":"implausible"';
  text += `,"values":${JSON.stringify(o.values)}`;
  if (o.quality !== undefined) text += `,"quality":${JSON.stringify(o.quality)}`;
  if (o.exact !== undefined) text += `,"exact":${JSON.stringify(o.exact)}`;
  return `${text}}`;
}

interface WireObservation {
  device: string;
  path: string;
  time: string;
  received: string;
  clock: ClockState;
  timeSource?: "gateway";
  timeQuality?: "implausible";
  values: Record<string, Value>;
  quality?: Record<string, Quality>;
  exact?: Record<string, string>;
}

/**
 * Reads what `encodeObservation` wrote. Returns undefined for anything that is not an observation: the caller
 * decides what a foreign record on the topic means.
 */
export function decodeObservation(text: string): Observation | undefined {
  let wire: WireObservation;
  try {
    wire = JSON.parse(text) as WireObservation;
  } catch {
    return undefined;
  }
  if (typeof wire !== "object" || wire === null || typeof wire.device !== "string") return undefined;
  if (typeof wire.path !== "string" || typeof wire.values !== "object" || wire.values === null) return undefined;
  const timeMicros = parseWireTime(String(wire.time));
  const receivedMicros = parseWireTime(String(wire.received));
  if (timeMicros === undefined || receivedMicros === undefined) return undefined;
  return {
    device: wire.device,
    path: wire.path,
    timeMicros,
    receivedMicros,
    clock: wire.clock === "unset" ? "unset" : "synced",
    timeSource: wire.timeSource ?? "device",
    implausibleTime: wire.timeQuality === "implausible",
    values: wire.values,
    quality: wire.quality,
    exact: wire.exact,
  };
}
