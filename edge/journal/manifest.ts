import { formatWireTime } from "../../src/observation/time.ts";
import type { ManifestRecord } from "../../src/wire/records.ts";
import { isNumbered, type Stream } from "../../src/wire/streams.ts";
import type { Entry } from "./block.ts";

/** The numbers of one epoch that changed since its last manifest. From these the cloud proves that nothing is missing. */
export class ManifestTracker {
  readonly #epoch: string;
  readonly #partitions: number;
  /** Per partition: stream → device → highest sequence. */
  readonly #changed: Map<number, Map<Stream, Map<string, number>>> = new Map();

  constructor(epoch: string, partitions: number) {
    this.#epoch = epoch;
    this.#partitions = partitions;
  }

  note(entry: Entry): void {
    // The ledger stream carries the manifests themselves; its own holes show in its own numbers.
    if (!isNumbered(entry.stream) || entry.stream === "ledger") return;
    const streams = getOrAdd(this.#changed, entry.partition, () => new Map<Stream, Map<string, number>>());
    const devices = getOrAdd(streams, entry.stream, () => new Map<string, number>());
    const last = entry.firstSeq + entry.count - 1;
    if (last > (devices.get(entry.device) ?? 0)) devices.set(entry.device, last);
  }

  /**
   * One record per partition, also where nothing changed: "complete up to" must go on for devices that are silent.
   * `final`: the epoch is over.
   */
  records(timeMicros: number, final: boolean): ManifestRecord[] {
    return Array.from({ length: this.#partitions }, (_, partition) => ({
      kind: "manifest",
      epoch: this.#epoch,
      partition,
      time: formatWireTime(timeMicros),
      final,
      highest: toObject(this.#changed.get(partition)),
    }));
  }

  /** What `records` returned is durable now. */
  clear(): void {
    this.#changed.clear();
  }
}

function toObject(streams: Map<Stream, Map<string, number>> | undefined): Record<string, Record<string, number>> {
  return Object.fromEntries([...(streams ?? [])].map(([stream, devices]) => [stream, Object.fromEntries(devices)]));
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
