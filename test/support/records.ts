import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { noTime } from "../../edge/journal/block.ts";
import type { Group } from "../../edge/journal/group.ts";
import type { StoreOptions } from "../../edge/journal/store.ts";
import { Devices } from "../../edge/pipeline/devices.ts";
import { LaneWriter, type SealedLane } from "../../edge/pipeline/lane-writer.ts";
import { SlabPool } from "../../edge/pipeline/slabs.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { lanes, streams, type Stream } from "../../src/wire/streams.ts";
import { fastFolder } from "./fast-folder.ts";

/** A folder that goes with the test. */
/** In memory where there is room: what a test of stores proves does not hang on the disk. */
export function temporaryFolder(t: TestContext, name = "tidegate-test-"): string {
  const folder = mkdtempSync(join(fastFolder, name));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function storeOptions(folder: string, overrides: Partial<StoreOptions> = {}): StoreOptions {
  return {
    folder,
    gateway: "gw-test",
    partitions: 4,
    quotaBytes: 1_000_000_000,
    preset: "standard",
    telemetrySharePercent: 100,
    insightSharePercent: 20,
    historySharePercent: 50,
    criticalReservePercent: 5,
    telemetryMaxAgeHours: 0,
    insightMaxAgeHours: 0,
    telemetryWhenFull: "dropOldest",
    commitLingerMs: 0,
    commitSpacingMs: 0,
    groupBytesMax: 2_097_152,
    replayWindowHours: 24,
    historyDays: 7,
    quarantineBytesMax: 67_108_864,
    ballastBytes: 0,
    manifestSeconds: 10,
    ...overrides,
  };
}

export interface TestRecord {
  readonly stream: Stream;
  readonly device: string;
  readonly value: string;
  readonly timeMicros?: number;
  /** Where in the value its time starts; default: it has none. */
  readonly timeAt?: number;
}

/** Builds groups as the pipeline does; one per store, since it remembers which devices the store knows. */
export class GroupMaker {
  readonly #devices: Devices;
  readonly #writers;
  #sealed: SealedLane[] = [];

  constructor(partitions = 4, slabBytes = 1_048_576) {
    this.#devices = new Devices(partitions);
    const pool = new SlabPool(slabBytes, 64);
    this.#writers = Object.fromEntries(lanes.map((lane) => [lane, new LaneWriter(lane, pool)]));
  }

  group(records: readonly TestRecord[], extra: Partial<Group> = {}): Group {
    records.forEach(({ stream, device, value, timeMicros = 1.7e15, timeAt = noTime }, position) => {
      const writer = this.#writers[streams[stream].lane]!;
      writer.reserve(Buffer.byteLength(value), 1);
      writer.write(this.#devices.slot(stream, device), value, timeAt, timeMicros, position);
    });
    const sealed = lanes.flatMap((lane) => this.#writers[lane]!.seal() ?? []);
    this.#sealed.push(...sealed);
    const group: Group = {
      lanes: sealed.map(({ group: lane }) => lane),
      newDevices: this.#devices.takeUnannounced(),
      state: [],
      redelivery: undefined,
      quarantine: [],
      retried: [],
      ...extra,
    };
    return group;
  }

  /** The groups so far are not needed any more: for those who make more than fit into memory. */
  forget(): void {
    for (const { slab } of this.#sealed.splice(0)) slab.release();
  }
}

/** `count` observations of `device`, numbered from `from` in their text. */
export function observations(device: string, count: number, from = 1): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    stream: "observations" as const,
    device,
    value: `{"device":"${device}","time":"${formatWireTime(1.7e15 + i)}","values":{"n":${from + i}}}`,
    timeMicros: 1.7e15 + i,
  }));
}
