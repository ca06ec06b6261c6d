import assert from "node:assert/strict";
import type { Lane } from "../../src/wire/streams.ts";
import { entriesMax, recordHeaderBytes, recordsMax, writeRecordHeader } from "../journal/block.ts";
import {
  entryCount,
  entryDevice,
  entryFields,
  entryMaxTime,
  entryMinTime,
  entryStream,
  type LaneGroup,
} from "../journal/group.ts";
import type { Slab, SlabPool } from "./slabs.ts";

/** The place of one stream of one device in the open group: found without a look-up per record. */
export interface Slot {
  readonly lane: Lane;
  readonly streamCode: number;
  readonly deviceIndex: number;
  /** The group that `entry` belongs to. */
  group: number;
  entry: number;
}

export interface SealedLane {
  readonly group: LaneGroup;
  readonly slab: Slab;
}

/**
 * Writes the records of one lane into slabs, group after group. Groups follow each other within a slab; one that
 * does not fit behind its predecessors moves to the start of a fresh slab, so that a group always lies in one piece.
 */
export class LaneWriter {
  readonly #lane: Lane;
  readonly #pool: SlabPool;
  #slab: Slab | undefined;
  #start = 0;
  #at = 0;
  #group = 1;
  #entries: Float64Array = new Float64Array(entryFields * 64);
  #entryCount = 0;
  #records = 0;
  /** Position of the lane's last record in the order of arrival over all lanes. */
  #position = -1;

  constructor(lane: Lane, pool: SlabPool) {
    this.#lane = lane;
    this.#pool = pool;
  }

  get bytes(): number {
    return this.#at - this.#start;
  }

  /** Makes sure that `records` records of at most `bytes` UTF-8 bytes in all fit. False: the group must be sealed first. */
  reserve(bytes: number, records: number): boolean {
    if (this.#records + records > recordsMax || this.#entryCount + records > entriesMax) return false;
    const needed = bytes + records * recordHeaderBytes;
    if (this.#slab !== undefined && this.#at + needed <= this.#pool.slabBytes) return true;
    const held = this.bytes;
    if (held + needed > this.#pool.slabBytes) return false;
    const fresh = this.#pool.take();
    if (fresh === undefined) return false;
    if (this.#slab !== undefined) {
      fresh.buffer.set(this.#slab.buffer.subarray(this.#start, this.#at));
      this.#slab.release();
    }
    this.#slab = fresh;
    this.#start = 0;
    this.#at = held;
    return true;
  }

  /** Writes one record; `reserve` must have said yes. `position` counts the records of all lanes of this group. */
  write(slot: Slot, text: string, timeAt: number, timeMicros: number, position: number): void {
    const slab = this.#slab;
    assert(slab !== undefined, "reserve before write");
    const length = slab.buffer.write(text, this.#at + recordHeaderBytes, "utf8");
    const entry = slot.group === this.#group ? this.#countIn(slot.entry, timeMicros) : this.#addEntry(slot, timeMicros);
    const skip = position - this.#position - 1;
    this.#at = writeRecordHeader(slab.view, this.#at, entry, skip, timeAt, length);
    this.#position = position;
    this.#records++;
  }

  #countIn(entry: number, timeMicros: number): number {
    const at = entry * entryFields;
    const entries = this.#entries;
    entries[at + entryCount] = entries[at + entryCount]! + 1;
    if (timeMicros < entries[at + entryMinTime]!) entries[at + entryMinTime] = timeMicros;
    if (timeMicros > entries[at + entryMaxTime]!) entries[at + entryMaxTime] = timeMicros;
    return entry;
  }

  #addEntry(slot: Slot, timeMicros: number): number {
    const entry = this.#entryCount++;
    const at = entry * entryFields;
    if (at + entryFields > this.#entries.length) {
      const larger = new Float64Array(this.#entries.length * 2);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    this.#entries[at + entryStream] = slot.streamCode;
    this.#entries[at + entryDevice] = slot.deviceIndex;
    this.#entries[at + entryCount] = 1;
    this.#entries[at + entryMinTime] = timeMicros;
    this.#entries[at + entryMaxTime] = timeMicros;
    slot.group = this.#group;
    slot.entry = entry;
    return entry;
  }

  /** Ends the group. The slab is held once more, for the caller to release. */
  seal(): SealedLane | undefined {
    this.#position = -1;
    if (this.#records === 0) return undefined;
    const slab = this.#slab!;
    slab.hold();
    const group: LaneGroup = {
      lane: this.#lane,
      slab: slab.shared,
      start: this.#start,
      length: this.bytes,
      entries: this.#entries.slice(0, this.#entryCount * entryFields),
    };
    this.#start = this.#at;
    this.#group++;
    this.#entryCount = 0;
    this.#records = 0;
    return { group, slab };
  }
}
