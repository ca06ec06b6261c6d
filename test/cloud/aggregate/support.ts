import { encodeObservation, observationPrefix, type Observation } from "../../../src/observation/observation.ts";
import { headerNames, sourceOf, typeOf } from "../../../src/wire/headers.ts";
import { partitionOf } from "../../../src/wire/partition.ts";
import { streams, topicName, type Stream } from "../../../src/wire/streams.ts";
import type { LogRecord } from "../../../cloud/ingest/log.ts";
import type { AggregateOptions } from "../../../cloud/aggregate/options.ts";

export const prefix = "tidegate";
export const partitions = 4;

/** 2026-11-21T09:00:00Z, the start of a window. */
export const t0 = Date.UTC(2026, 10, 21, 9) * 1000;
export const second = 1_000_000;
export const epochA = "1-00000000000000aa";
export const epochB = "2-00000000000000bb";

export const testOptions: AggregateOptions = {
  keepHours: 96,
  keepRollupDays: 35,
  holdSeconds: 300,
  devicesMax: 1000,
  metricsPerDeviceMax: 64,
  cachedWindowsMax: 1000,
};

export interface Ident {
  readonly gateway?: string;
  readonly epoch?: string;
  readonly seq: number;
}

export interface Keyed {
  readonly stream: Stream;
  readonly key: string;
  readonly value: Buffer | undefined;
  readonly headers: ReadonlyMap<string, Buffer>;
}

/** A record of a numbered stream as a gateway sends it. */
export function numbered(stream: Stream, device: string, ident: Ident, value: object | string): Keyed {
  const headers = new Map<string, Buffer>([
    [headerNames.source, Buffer.from(sourceOf(ident.gateway ?? "gw-1"))],
    [headerNames.type, Buffer.from(typeOf(stream))],
    [headerNames.epoch, Buffer.from(ident.epoch ?? epochA)],
    [headerNames.seq, Buffer.from(String(ident.seq))],
  ]);
  return {
    stream,
    key: device,
    value: Buffer.from(typeof value === "string" ? value : JSON.stringify(value)),
    headers,
  };
}

export type Reported = Partial<Omit<Observation, "device" | "timeMicros" | "values">>;

export function observation(
  device: string,
  ident: Ident,
  timeMicros: number,
  values: Observation["values"],
  more: Reported = {},
): Keyed {
  const o: Observation = {
    device,
    path: "acme/berlin/press-shop/line-1",
    timeMicros,
    receivedMicros: timeMicros + 1000,
    clock: "synced",
    timeSource: "device",
    implausibleTime: false,
    values,
    quality: undefined,
    exact: undefined,
    ...more,
  };
  return numbered("observations", device, ident, encodeObservation(o, observationPrefix(device, o.path)));
}

/** A log in memory that gives offsets; what the records mean is not its business. */
export class Offsets {
  readonly #ends = new Map<string, number>();

  place(record: Keyed, partition = partitionOf(record.key, partitions)): LogRecord {
    const topic = topicName(prefix, streams[record.stream].topic!);
    const name = `${topic}/${partition}`;
    const offset = this.#ends.get(name) ?? 0;
    this.#ends.set(name, offset + 1);
    return { topic, partition, offset, key: record.key, value: record.value, headers: record.headers };
  }
}
