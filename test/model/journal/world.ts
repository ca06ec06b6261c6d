import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import type { Group } from "../../../edge/journal/group.ts";
import { unpackStored } from "../../../edge/journal/merged-block.ts";
import { Store, type StoreOptions } from "../../../edge/journal/store.ts";
import { ManualClock } from "../../../src/clock.ts";
import { TidegateError } from "../../../src/errors.ts";
import { Ranges } from "../../../src/wire/ranges.ts";
import type { LedgerRecord, ManifestRecord } from "../../../src/wire/records.ts";
import { isNumbered, lanes, streams, type Lane, type Stream } from "../../../src/wire/streams.ts";
import { GroupMaker, storeOptions, type TestRecord } from "../../support/records.ts";
import { mergeAll } from "../../support/stored.ts";

/** What is expected of the journal: plain sets, no files. */
export interface Model {
  /** epoch/stream/device → values; the value of number n stands at n - 1. */
  readonly numbered: Map<string, string[]>;
  readonly history: Set<string>;
  /** Identities that Kafka has. */
  readonly kafka: Set<string>;
  /** Delivered, and the cursor is in memory only. */
  readonly pending: Set<string>;
  /** Delivered, and a crash may have taken the cursor: allowed to come again. */
  readonly again: Set<string>;
  /** Identities that the ledger named, as far as it was read. */
  readonly ledgered: Set<string>;
  readonly manifests: ManifestRecord[];
  readonly epochs: string[];
  /** The source cursor that committed last. */
  cursor: number;
  /** A database was set aside since: what Kafka has or the ledger names may come back with it. */
  salvaged: boolean;
  /** History that databases before this one counted as gone. */
  expiredBefore: number;
}

export function newModel(): Model {
  return {
    numbered: new Map(),
    history: new Set(),
    kafka: new Set(),
    pending: new Set(),
    again: new Set(),
    ledgered: new Set(),
    manifests: [],
    epochs: [],
    cursor: 0,
    salvaged: false,
    expiredBefore: 0,
  };
}

const smallSlabBytes = 65_536;

/** The real journal on real files, and everything that can happen to it. */
export class World {
  readonly folder: string;
  readonly clock = new ManualClock();
  store: Store;
  #options: StoreOptions;
  #maker = new GroupMaker(4, smallSlabBytes);

  constructor(folder: string) {
    this.folder = folder;
    this.#options = storeOptions(folder, { replayWindowHours: 1, historyDays: 1 });
    this.store = Store.open(this.#options, this.clock);
  }

  group(records: readonly TestRecord[], extra: Partial<Group>): Group {
    return this.#maker.group(records, extra);
  }

  reopen(overrides: Partial<StoreOptions> = {}): void {
    this.#options = { ...this.#options, ...overrides };
    this.store = Store.open(this.#options, this.clock);
    this.#maker = new GroupMaker(4, smallSlabBytes);
  }

  reclaimAll(): void {
    for (let steps = 0; this.store.reclaim().more; steps++) assert(steps < 1_000, "reclaiming ends");
  }

  merge(): void {
    mergeAll(this.store);
  }

  salvageAll(): void {
    for (let steps = 0; this.store.salvage().more; steps++) assert(steps < 1_000, "the salvage ends");
  }

  /** With the journal closed: one wrong byte at the end of a block. */
  spoil(lane: Lane, id: number): void {
    using db = new DatabaseSync(join(this.folder, "journal.db"));
    db.exec(`UPDATE blocks_${lane} SET data = data || x'00' WHERE id = ${id}`);
  }

  /** With the journal closed: a header that SQLite refuses. */
  destroyHeader(): void {
    const file = openSync(join(this.folder, "journal.db"), "r+");
    writeSync(file, Buffer.alloc(100, 0x5a), 0, 100, 0);
    closeSync(file);
  }
}

export interface Seen {
  readonly blocks: readonly Block[];
  /** Blocks that Kafka does not have. */
  readonly unsent: readonly Block[];
}

/** Reads everything as the forwarder would; damaged blocks are set aside and ledgered on the way. */
export function look(store: Store): Seen {
  let blocks: Block[];
  let ledgered: number;
  do {
    ledgered = store.usage().head.total.ledgered;
    blocks = lanes.flatMap((lane) => readLane(store, lane));
    // Damage that was found in one lane is named in another, which may have been read before.
  } while (store.usage().head.total.ledgered > ledgered);
  const settled = new Map(lanes.map((lane) => [lane, new Ranges(store.settledRanges(lane))]));
  return { blocks, unsent: blocks.filter(({ lane, id }) => lane !== "history" && !settled.get(lane)!.has(id)) };
}

function readLane(store: Store, lane: Lane): Block[] {
  const blocks: Block[] = [];
  for (let after = 0; ;) {
    const packed = store.next(lane, after);
    if (packed === undefined) return blocks;
    try {
      blocks.push(...unpackStored(packed.id, packed.data, packed.crc));
      after = packed.id;
    } catch (error) {
      if (!(error instanceof TidegateError && error.code === "JOURNAL_CORRUPT")) throw error;
      store.setCorruptAside(lane, packed.id);
    }
  }
}

export function identitiesOf(block: Block): Map<string, string> {
  const identities = new Map<string, string>();
  for (const { entry, seq, value } of recordsOf(block)) {
    if (isNumbered(entry.stream)) {
      identities.set(`${block.epoch}/${entry.stream}/${entry.device}/${seq}`, value.toString());
    }
  }
  return identities;
}

/** What Kafka learns from a block, beside its identities. */
export function learn(model: Model, block: Block): void {
  for (const { entry, value } of recordsOf(block)) {
    if (entry.stream !== "ledger") continue;
    const own = JSON.parse(value.toString()) as LedgerRecord | ManifestRecord;
    if (own.kind === "manifest") model.manifests.push(own);
    else if (own.first !== undefined) {
      for (let seq = own.first; seq <= own.last!; seq++) {
        model.ledgered.add(`${own.epoch}/${own.stream}/${own.device}/${seq}`);
      }
    }
  }
}

export function expectAppended(model: Model, epoch: string, records: readonly TestRecord[]): void {
  for (const { stream, device, value } of records) {
    if (stream === "history") model.history.add(value);
    else {
      const at = `${epoch}/${stream}/${device}`;
      const values = model.numbered.get(at);
      if (values === undefined) model.numbered.set(at, [value]);
      else values.push(value);
    }
  }
}

export function laneOf(stream: Stream): Lane {
  return streams[stream].lane;
}
