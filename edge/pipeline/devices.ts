import { observationPrefix } from "../../src/observation/observation.ts";
import type { CompiledProfile, DeviceBinding } from "../../src/profile/profile.ts";
import { partitionOf } from "../../src/wire/partition.ts";
import { streams, type Stream } from "../../src/wire/streams.ts";
import type { NewDevice } from "../journal/group.ts";
import { Curator } from "./curate.ts";
import type { Slot } from "./lane-writer.ts";

/** Row of the journal's state table that keeps a device's profile, before its id. */
export const deviceStatePrefix = "device:";

/** Everything the hot path needs of a device, looked up once per address. */
export interface Device {
  readonly id: string;
  readonly path: string;
  readonly profile: CompiledProfile;
  readonly curator: Curator;
  readonly prefix: string;
  /** Where in an encoded observation the time starts. */
  readonly timeAt: number;
  readonly observations: Slot;
  readonly history: Slot;
  /** Changed by the pipeline: for the console. */
  lastSource: string;
  lastSeenMs: number;
}

/** The devices of this process, and the names under which the journal knows them. Their number is bounded by the router. */
export class Devices {
  readonly #partitions: number;
  #devices: Map<string, Device> = new Map();
  /** Those of the configuration before, while devices are bound anew. */
  #before: ReadonlyMap<string, Device> = new Map();
  readonly #slots: Map<string, Slot> = new Map();
  readonly #indexes: Map<string, number> = new Map();
  #unannounced: NewDevice[] = [];

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  get all(): ReadonlyMap<string, Device> {
    return this.#devices;
  }

  /** The device of a binding; `isNew` where its metadata has to be published. */
  bind(binding: DeviceBinding): { device: Device; isNew: boolean } {
    const known = this.#devices.get(binding.device);
    if (known !== undefined) return { device: known, isNew: false };
    const before = this.#before.get(binding.device);
    const isSame = before?.profile === binding.profile && before.path === binding.path;
    const device = isSame ? before : this.#make(binding, before);
    this.#devices.set(binding.device, device);
    return { device, isNew: !isSame };
  }

  /**
   * The configuration has changed: `bindAll` binds the devices that are known anew. Those that it does not bind are
   * forgotten; one whose profile and path are the same stays as it is, with what its curation remembers.
   */
  renew(bindAll: () => void): void {
    this.#before = this.#devices;
    this.#devices = new Map();
    bindAll();
    this.#before = new Map();
  }

  #make(binding: DeviceBinding, before: Device | undefined): Device {
    const prefix = observationPrefix(binding.device, binding.path);
    return {
      id: binding.device,
      path: binding.path,
      profile: binding.profile,
      curator: new Curator(binding.profile),
      prefix,
      timeAt: Buffer.byteLength(prefix),
      observations: this.slot("observations", binding.device),
      history: this.slot("history", binding.device),
      lastSource: before?.lastSource ?? "",
      lastSeenMs: before?.lastSeenMs ?? -Infinity,
    };
  }

  /** The place of a stream of a device in the open group. */
  slot(stream: Stream, device: string): Slot {
    const key = `${stream}/${device}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      const { code, lane } = streams[stream];
      slot = { lane, streamCode: code, deviceIndex: this.#indexOf(device), group: 0, entry: 0 };
      this.#slots.set(key, slot);
    }
    return slot;
  }

  #indexOf(device: string): number {
    let index = this.#indexes.get(device);
    if (index === undefined) {
      index = this.#indexes.size;
      this.#indexes.set(device, index);
      this.#unannounced.push({ device, partition: partitionOf(device, this.#partitions) });
    }
    return index;
  }

  /** Devices that the journal has not heard of yet; the next group carries them. */
  takeUnannounced(): NewDevice[] {
    const taken = this.#unannounced;
    this.#unannounced = [];
    return taken;
  }
}
