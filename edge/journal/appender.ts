import assert from "node:assert/strict";
import type { Clock } from "../../src/clock.ts";
import { epochOf, type Epoch } from "../../src/wire/epoch.ts";
import { streamOfCode } from "../../src/wire/streams.ts";
import type { BlockTables } from "./block-tables.ts";
import { packBlock, type Block, type Directory, type Entry } from "./block.ts";
import type { Counters } from "./counters.ts";
import {
  entryCount,
  entryDevice,
  entryFields,
  entryMaxTime,
  entryMinTime,
  entryStream,
  type CommittedBlock,
  type LaneGroup,
  type NewDevice,
} from "./group.ts";
import type { ManifestTracker } from "./manifest.ts";
import { Numbers } from "./numbers.ts";
import type { OwnRecords } from "./own-records.ts";

/** Turns groups into numbered blocks of this epoch, inside the transaction that stores them. */
export class Appender {
  /** Of this epoch. */
  readonly numbers = new Numbers();

  readonly #epoch: Epoch;
  readonly #clock: Clock;
  readonly #blocks: BlockTables;
  readonly #counters: Counters;
  readonly #own: OwnRecords;
  readonly #manifest: ManifestTracker;
  readonly #devices: NewDevice[] = [];
  /** Of the open transaction, for the next manifest. */
  #stored: Entry[] = [];

  constructor(
    epoch: Epoch,
    clock: Clock,
    blocks: BlockTables,
    counters: Counters,
    own: OwnRecords,
    manifest: ManifestTracker,
  ) {
    this.#epoch = epoch;
    this.#clock = clock;
    this.#blocks = blocks;
    this.#counters = counters;
    this.#own = own;
    this.#manifest = manifest;
  }

  /** Devices that groups from now on name by their index. Returns the function that takes them back. */
  addDevices(devices: readonly NewDevice[]): () => void {
    const before = this.#devices.length;
    this.#devices.push(...devices);
    return () => {
      this.#devices.length = before;
    };
  }

  /** Stores one lane of a group; `from` is its index there. */
  storeLane(group: LaneGroup, from: number, commit: number): CommittedBlock {
    const entries: Entry[] = [];
    for (let at = 0; at < group.entries.length; at += entryFields) {
      const device = this.#devices[group.entries[at + entryDevice]!];
      const stream = streamOfCode(group.entries[at + entryStream]!);
      assert(device !== undefined && stream !== undefined, "the group names known devices and streams");
      const count = group.entries[at + entryCount]!;
      entries.push({
        stream,
        device: device.device,
        partition: device.partition,
        firstSeq: this.numbers.take(stream, device.device, count),
        count,
        minTimeMicros: group.entries[at + entryMinTime]!,
        maxTimeMicros: group.entries[at + entryMaxTime]!,
      });
    }
    const records = new Uint8Array(group.slab, group.start, group.length);
    return this.#storeBlock(records, { lane: group.lane, epoch: this.#epoch.text, commit, entries }, from);
  }

  /** Stores the journal's own records of this transaction as one block of the critical lane. */
  storeOwn(): CommittedBlock[] {
    const own = this.#own.take(this.#clock.nowMicros());
    if (own === undefined) return [];
    for (const entry of own.entries) entry.firstSeq = this.numbers.take(entry.stream, entry.device, entry.count);
    const { nextBlock: commit } = this.#counters.head;
    const directory: Directory = { lane: "critical", epoch: this.#epoch.text, commit, entries: own.entries };
    return [this.#storeBlock(own.records, directory, undefined)];
  }

  /** Stores a block of a set-aside database under its old epoch and numbers, as a commit of its own. */
  storeSalvaged({ records, lane, epoch, entries }: Block): CommittedBlock {
    const { nextBlock: commit } = this.#counters.head;
    return this.#storeBlock(records, { lane, epoch, commit, entries }, undefined);
  }

  #storeBlock(records: Uint8Array, directory: Directory, from: number | undefined): CommittedBlock {
    const { lane, entries, epoch } = directory;
    const { head } = this.#counters;
    const id = head.nextBlock++;
    const packed = packBlock(records, directory);
    const count = entries.reduce((sum, entry) => sum + entry.count, 0);
    const monoMs = Math.round(this.#clock.monotonicMs());
    const row = { id, epoch: epochOf(epoch)!.counter, count, storedMicros: this.#clock.nowMicros(), monoMs };
    const { previous, bytes } = this.#blocks.append(lane, row, packed);
    // Manifests of an epoch that is over are the business of whoever brings its blocks back.
    if (epoch === this.#epoch.text) this.#stored.push(...entries);
    const counts = head.lanes[lane];
    counts.blocks++;
    counts.bytes += bytes;
    counts.records += count;
    head.total.stored += count;
    if (lane !== "history") {
      counts.unsentRecords += count;
      counts.unsentBytes += bytes;
    }
    // Memory of its own: it goes to other threads, and a view would take more along.
    return { lane, id, previous, directory: new Uint8Array(packed.directory), from };
  }

  /** Blocks of a transaction that was thought to have failed are on disk: their numbers are taken after all. */
  takeOver(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.numbers.take(entry.stream, entry.device, entry.count);
      this.#manifest.note(entry);
    }
    this.numbers.keep();
  }

  /** The transaction has ended well. */
  keep(): void {
    for (const entry of this.#stored) this.#manifest.note(entry);
    this.numbers.keep();
    this.#stored = [];
  }

  /** The transaction was rolled back, and with it the numbers. */
  undo(): void {
    this.numbers.undo();
    this.#stored = [];
  }
}
