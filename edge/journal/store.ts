import { randomBytes } from "node:crypto";
import type { Clock } from "../../src/clock.ts";
import { TidegateError } from "../../src/errors.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import type { ResendPart } from "../../src/wire/commands.ts";
import { makeEpoch, type Epoch } from "../../src/wire/epoch.ts";
import type { Actor, LedgerRecord, ManifestRecord } from "../../src/wire/records.ts";
import { lanes, type Lane } from "../../src/wire/streams.ts";
import type { CommandMemory, SearchStep, Served } from "../commands/journal-port.ts";
import { Appender } from "./appender.ts";
import { BlockTables } from "./block-tables.ts";
import { decodeDirectory, type Block } from "./block.ts";
import { Connection } from "./connection.ts";
import { Counters } from "./counters.ts";
import { Cursors } from "./cursors.ts";
import { damaged, isDamage } from "./database.ts";
import { DiskSpace } from "./disk-space.ts";
import { Dropper } from "./dropper.ts";
import { Epochs, frozenPartitions } from "./epochs.ts";
import type { Committed, CommittedBlock, Group, QuarantineItem } from "./group.ts";
import { unsentRecords } from "./head.ts";
import { HighestNumbers } from "./highest-numbers.ts";
import { Ledger } from "./ledger.ts";
import { LossTable } from "./loss-table.ts";
import { ManifestTracker } from "./manifest.ts";
import { mending } from "./mending.ts";
import { unpackStored } from "./merged-block.ts";
import { Merger, type Merge } from "./merger.ts";
import type { JournalLimits, JournalOptions } from "./options.ts";
import { OwnRecords } from "./own-records.ts";
import type {
  LossRow,
  PackedBlock,
  QuarantineFilter,
  QuarantinePage,
  QuarantineRow,
  Usage,
  WindowQuery,
  WindowStep,
} from "./protocol.ts";
import { QuarantineTable } from "./quarantine-table.ts";
import { Quarantine } from "./quarantine.ts";
import { RedeliveryTable } from "./redelivery-table.ts";
import { searchLane } from "./replay-window.ts";
import { searchWindow } from "./window-search.ts";
import { highestCounter } from "./salvage.ts";
import { Salvaging } from "./salvaging.ts";
import { Space } from "./space.ts";
import { StateTable } from "./state-table.ts";

export interface StoreOptions extends JournalOptions {
  readonly folder: string;
  readonly gateway: string;
  /** Of the device-keyed topics; frozen with the first record. */
  readonly partitions: number;
  /** Goes on with the frozen count whatever `partitions` says: to send what is laid out for it. */
  readonly keepPartitions?: boolean;
}

/** A disk that damages every database it is given is not given one after the other. */
const afreshPauseMs = 10_000;

/** Row of the state table: which commands were served. */
const commandsKey = "commands";

/**
 * The journal on disk: the only owner of the SQLite connection, synchronous, driven by the journal worker.
 * Everything that must be true together is written in one transaction: records, their numbers, cursors,
 * redelivery ids, quarantine and ledger. This file says which those are; the rooms beside it do the work.
 * See README.md for the argument.
 */
export class Store {
  readonly epoch: Epoch;

  readonly #options: StoreOptions;
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #state: StateTable;
  readonly #counters: Counters;
  readonly #blocks: BlockTables;
  readonly #cursors: Cursors;
  readonly #own: OwnRecords;
  readonly #losses: LossTable;
  readonly #ledger: Ledger;
  readonly #highest: HighestNumbers;
  readonly #epochs: Epochs;
  readonly #manifest: ManifestTracker;
  readonly #appender: Appender;
  readonly #redeliveries: RedeliveryTable;
  readonly #quarantined: QuarantineTable;
  readonly #quarantine: Quarantine;
  readonly #dropper: Dropper;
  readonly #space: Space;
  readonly #disk: DiskSpace;
  readonly #salvaging: Salvaging;
  #startedAfreshMs = -Infinity;
  readonly #merger: Merger;

  /** Of the device-keyed topics, as records are laid out. */
  readonly partitions: number;

  /** Throws DATA_FOLDER_IN_USE, JOURNAL_FORMAT_NEWER, SQLITE_TOO_OLD, JOURNAL_IO, JOURNAL_FULL and CONFIG_INVALID. */
  static open(options: StoreOptions, clock: Clock): Store {
    const connection = new Connection(options.folder, clock.nowMicros());
    try {
      return mending(Store.#start(options, clock, connection));
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  static #start(options: StoreOptions, clock: Clock, connection: Connection): Store {
    try {
      return new Store(options, clock, connection);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    connection.startAfresh(clock.nowMicros());
    return new Store(options, clock, connection);
  }

  private constructor(options: StoreOptions, clock: Clock, connection: Connection) {
    this.#options = options;
    this.#clock = clock;
    this.#connection = connection;
    this.#state = new StateTable(connection);
    const frozen = options.keepPartitions === true ? frozenPartitions(this.#state) : undefined;
    this.partitions = frozen ?? options.partitions;
    this.#counters = new Counters(this.#state);
    this.#blocks = new BlockTables(connection);
    this.#cursors = new Cursors(this.#state, this.#blocks, this.#counters);
    this.#own = new OwnRecords(options.gateway, this.partitions);
    this.#losses = new LossTable(connection);
    this.#ledger = new Ledger(this.#counters, this.#own, this.#losses);
    this.#highest = new HighestNumbers(connection);
    this.#epochs = new Epochs(connection, this.#state, clock, this.#blocks, this.#own, this.#highest, this.partitions);
    this.epoch = makeEpoch(this.#nextCounter(), randomBytes(8));
    this.#manifest = new ManifestTracker(this.epoch.text, this.partitions);
    this.#appender = new Appender(this.epoch, clock, this.#blocks, this.#counters, this.#own, this.#manifest);
    this.#redeliveries = new RedeliveryTable(connection);
    this.#quarantined = new QuarantineTable(connection);
    const own = { gateway: options.gateway, epoch: this.epoch.text };
    const { quarantineBytesMax, ballastBytes } = options;
    this.#quarantine = new Quarantine(
      this.#quarantined,
      this.#counters,
      this.#ledger,
      this.#own,
      own,
      quarantineBytesMax,
    );
    this.#dropper = new Dropper(this.#blocks, this.#cursors, this.#counters, this.#ledger);
    this.#space = new Space(connection, clock, this.#blocks, this.#cursors, this.#counters, ballastBytes, options);
    this.#disk = new DiskSpace(options.folder, ballastBytes);
    this.#merger = new Merger(this.#blocks, this.#cursors, this.#counters);
    this.#salvaging = new Salvaging(options.folder, this.partitions, this.#state);
    this.#requireWhole();
    this.#write(() => {
      this.#epochs.freezePartitions(unsentRecords(this.#counters.head));
      this.#epochs.begin(this.epoch);
      this.#epochs.finishEarlier(this.epoch);
      this.#highest.forgetOldest(options.quotaBytes);
    });
  }

  /** Name of the database that was set aside last, at start or since. */
  get setAside(): string | undefined {
    return this.#connection.setAside;
  }

  #nextCounter(): number {
    const { setAside } = this.#connection;
    const before = setAside === undefined ? 0 : highestCounter(this.#options.folder, setAside);
    return Math.max(this.#epochs.nextCounter(), before + 1);
  }

  /** The head is written with every transaction: blocks that it does not know of are a sign that it is not the newest. */
  #requireWhole(): void {
    const { nextBlock } = this.#counters.head;
    const isNew = this.#epochs.nextCounter() === 1;
    if (!isNew && !this.#counters.isStored) throw damaged("the head is missing");
    for (const lane of lanes) if (this.#blocks.last(lane) >= nextBlock) throw damaged(`${lane} is ahead of the head`);
  }

  // ---- appending ---------------------------------------------------------------------------------------------

  /**
   * Stores a group in one transaction and numbers its records. `full` stores nothing. Throws JOURNAL_IO where the disk
   * failed: the store has then reopened itself, and the group was not stored.
   */
  commit(group: Group): Committed {
    const refusal = this.#refusal(group);
    if (refusal !== undefined) return { kind: "full", message: refusal };
    const attempted = this.#counters.head.nextBlock;
    const forgetDevices = this.#appender.addDevices(group.newDevices);
    try {
      if (!this.#connection.isOpen) this.#reopen();
      const committed = this.#commit(group);
      this.#disk.accepted();
      return committed;
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
      const landed = error.code === "JOURNAL_IO" ? this.#reopenAfter(attempted, group) : undefined;
      if (landed !== undefined) return landed;
      forgetDevices();
      if (error.code !== "JOURNAL_FULL") throw error;
      this.#disk.refused();
      return { kind: "full", message: error.message };
    }
  }

  /** Why the group cannot be stored now; undefined where it is worth a try. */
  #refusal(group: Group): string | undefined {
    const full = group.lanes.find(({ lane }) => this.#space.isFull(lane));
    if (full !== undefined) return `the lane ${full.lane} has reached its quota, and nothing of it may be dropped`;
    const isWaiting = this.#disk.isFull && !this.#disk.hasRoom(this.#connection.freeBytes());
    return isWaiting ? "the disk of the data folder is full" : undefined;
  }

  #commit(group: Group): Committed {
    const { head } = this.#counters;
    const commit = head.nextBlock;
    const blocks: CommittedBlock[] = [];
    const own = this.#write(() => {
      this.#quarantine.settleRetries(group.retried);
      this.#quarantine.setApart(group.quarantine);
      group.lanes.forEach((lane, from) => blocks.push(this.#appender.storeLane(lane, from, commit)));
      for (const [key, value] of group.state) this.#state.set(key, value);
      if (group.redelivery !== undefined) this.#redeliveries.keep(commit, group.redelivery);
      // A commit without a block takes a number of its own all the same.
      if (blocks.length === 0) head.nextBlock++;
    });
    return { kind: "stored", commit, blocks: [...blocks, ...own] };
  }

  // ---- reading -----------------------------------------------------------------------------------------------

  /** The first block of the lane above `after`, as it lies on disk. */
  next(lane: Lane, after: number): PackedBlock | undefined {
    return this.#blocks.next(lane, after);
  }

  /** `next` for several lanes, as they are at one moment. */
  nextOf(wanted: readonly (readonly [lane: Lane, after: number])[]): PackedBlock[] {
    return wanted.flatMap(([lane, after]) => this.#blocks.next(lane, after) ?? []);
  }

  /** One block, where it is still there. */
  block(lane: Lane, id: number): PackedBlock | undefined {
    return this.#blocks.get(lane, id);
  }

  /** See `searchWindow`. */
  searchWindow(query: WindowQuery, at: number, outside: number): WindowStep {
    return searchWindow(this.#blocks, query, at, outside);
  }

  state(key: string): Uint8Array | string | undefined {
    return this.#state.get(key);
  }

  /** State rows whose key starts with `prefix`, without the prefix. */
  statesBelow(prefix: string): [string, string][] {
    return this.#state.below(prefix);
  }

  redeliveries(): Uint8Array[] {
    return this.#redeliveries.all();
  }

  quarantinePage(filter: QuarantineFilter, before: number, limit: number): QuarantinePage {
    return this.#quarantined.page(filter, before, limit);
  }

  quarantined(id: number): QuarantineRow | undefined {
    return this.#quarantined.row(id);
  }

  quarantinedBytes(id: number): Uint8Array | undefined {
    return this.#quarantined.bytes(id);
  }

  losses(limit: number): LossRow[] {
    return this.#losses.list(limit);
  }

  usage(): Usage {
    return { ...this.#space.usage(), salvage: this.#salvaging.status() };
  }

  /** Records since the journal was made. */
  /** See `HistoryStore`. Ids grow with the time of storing, so this is found by halving. */
  lastBefore(lane: Lane, micros: number): number {
    let before = 0;
    let end = this.#counters.head.nextBlock;
    while (before + 1 < end) {
      const middle = Math.floor((before + end) / 2);
      const first = this.#blocks.firstFrom(lane, middle);
      if (first !== undefined && first.id < end && first.storedMicros < micros) before = first.id;
      else end = middle;
    }
    return before;
  }

  get storedRecords(): number {
    return this.#counters.head.total.stored;
  }

  // ---- forwarding --------------------------------------------------------------------------------------------

  settledRanges(lane: Lane): number[] {
    return this.#cursors.settledRanges(lane);
  }

  /** The forwarder has the blocks in [first, last] and will send them; not persisted, since after a start every stored block counts. */
  sending(lane: Lane, first: number, last: number): void {
    this.#cursors.sending(lane, first, last);
  }

  /** Every record of the lane's blocks in [first, last] is in Kafka or was refused. Durable with the next commit or `flush`. */
  settle(lane: Lane, first: number, last: number): void {
    // Closed after a disk fault: it counts when the journal has been reopened.
    this.#cursors.settle(lane, first, last, this.#connection.isOpen);
  }

  /** Writes what `settle` changed, where no commit did it in the meantime. */
  flush(): void {
    if (this.#cursors.isDirty) this.#write(() => undefined);
  }

  /** Records that Kafka refused for ever: kept in the quarantine and named in the ledger. */
  refuse(
    refused: readonly { readonly item: QuarantineItem; readonly loss: LedgerRecord }[],
  ): readonly CommittedBlock[] {
    return this.#write(() => {
      this.#quarantine.setApart(refused.map(({ item }) => item));
      for (const { loss } of refused) this.#ledger.add(loss);
    });
  }

  /** Deletes what a person gave up, named in ledger and audit. Ids that are gone already are left out. */
  deleteQuarantined(ids: readonly number[], by: Actor): { deleted: number; blocks: readonly CommittedBlock[] } {
    let deleted = 0;
    const blocks = this.#write(() => {
      deleted = this.#quarantine.delete(ids, by, this.#clock.nowMicros());
    });
    return { deleted, blocks };
  }

  /** A reader found that a block fails its checksum: set it aside and name its records in the ledger. */
  setCorruptAside(lane: Lane, id: number): readonly CommittedBlock[] {
    const block = this.#blocks.get(lane, id);
    if (block === undefined) return [];
    try {
      unpackStored(id, block.data, block.crc);
      return [];
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
    }
    return this.#write(() => {
      this.#blocks.setAside(block);
      this.#dropper.drop(lane, id, "corrupt");
    });
  }

  // ---- commands ----------------------------------------------------------------------------------------------

  commandMemory(): CommandMemory {
    const text = this.#state.get(commandsKey);
    return text === undefined ? { position: undefined, served: [] } : (JSON.parse(String(text)) as CommandMemory);
  }

  /** See `CommandStore.bounds`. */
  numberBounds(parts: readonly ResendPart[]): number[] {
    // What is not found now may be found when the salvage is done.
    if (!this.#salvaging.isDone) return parts.map(() => 0);
    return parts.map(({ epoch, stream, device }) => {
      const isOwn = epoch === this.epoch.text;
      return isOwn ? this.#appender.numbers.last(stream, device) : this.#epochs.lastNumber(epoch, stream, device);
    });
  }

  /** See `CommandStore.search`. */
  search(lane: Lane, after: number, parts: readonly ResendPart[]): SearchStep {
    return searchLane(this.#blocks, lane, after, parts);
  }

  /** A command was served: what is gone for good, the result, and that it was served, or nothing of it. */
  finishCommand({ memory, result, gone }: Served): readonly CommittedBlock[] {
    const now = formatWireTime(this.#clock.nowMicros());
    return this.#write(() => {
      const losses = gone.flatMap((part) => this.#lossesOf(part, now));
      for (const loss of losses) this.#ledger.add(loss);
      const count = losses.reduce((sum, loss) => sum + loss.count, 0);
      this.#own.addResult({ kind: "resend", gateway: this.#options.gateway, time: now, gone: count, ...result });
      this.#state.set(commandsKey, JSON.stringify(memory));
    });
  }

  /** Their times went with them: they lie between the start of their epoch and now. */
  #lossesOf({ epoch, stream, device, ranges }: ResendPart, now: string): LedgerRecord[] {
    const from = formatWireTime(this.#epochs.startedMicros(epoch) ?? 0);
    return ranges.map(([first, last]) => {
      const count = last - first + 1;
      return { kind: "loss", epoch, stream, device, first, last, count, from, to: now, reason: "expired-sent" };
    });
  }

  // ---- chores ------------------------------------------------------------------------------------------------

  /** Publishes the numbers that changed since the last manifest, and that no others did. Called every `manifestSeconds`. */
  writeManifest(final = false): readonly CommittedBlock[] {
    return this.#writeTelling(() => undefined, final);
  }

  /** `#write` with a manifest. */
  #writeTelling(work: () => unknown, final: boolean): readonly CommittedBlock[] {
    const { numbers } = this.#appender;
    const blocks = this.#write(
      () => {
        this.#epochs.addManifest(this.#manifest, final);
        this.#epochs.noteManifest(this.epoch, this.#counters.head.nextBlock, final);
        work();
      },
      () => this.#highest.raise(this.epoch.counter, numbers.changed()),
    );
    this.#manifest.clear();
    numbers.told();
    return blocks;
  }

  /** Other limits from now on: what is beyond them goes in the next steps of `reclaim`. */
  limit(limits: JournalLimits): void {
    this.#space.limit(limits);
    this.#quarantine.bytesMax = limits.quarantineBytesMax;
  }

  /** Frees space in bounded steps: see `Space`. Returns the ledger blocks it wrote; call again while `more`. */
  reclaim(): { blocks: readonly CommittedBlock[]; more: boolean } {
    const victims = this.#space.nextVictims(this.#disk.isFull);
    if (victims === undefined) return { blocks: [], more: false };
    const { lane, ids, reason } = victims;
    // After a crash the numbers since the last manifest are read from the blocks: none may go before it was told.
    const untold = lane !== "history" && Math.max(...ids) >= this.#epochs.manifestUpTo(this.epoch);
    const drop = (): void => ids.forEach((id) => this.#dropper.drop(lane, id, reason));
    return { blocks: untold ? this.#writeTelling(drop, false) : this.#write(drop), more: true };
  }

  /** Gives pages that nothing uses back to the disk, in a small step, and puts the ballast back where it was needed. */
  shrink(): void {
    if (this.#disk.isFull) return;
    this.#disk.restoreBallast();
    this.#connection.shrink();
  }

  /** Looks for small blocks that can be merged; a bounded look. */
  findMerge(): Merge | "again" | "nothing" {
    return this.#merger.find();
  }

  /** Reads one more block of the merge; false where it has all. Returns what the journal wrote where one was damaged. */
  takeForMerge(merge: Merge): { more: boolean; blocks: readonly CommittedBlock[] } {
    const { lane, waiting } = merge;
    const id = waiting[0]?.id;
    try {
      return { more: this.#merger.take(merge), blocks: [] };
    } catch (error) {
      if (!(error instanceof TidegateError && error.code === "JOURNAL_CORRUPT")) throw error;
      return { more: true, blocks: this.setCorruptAside(lane, id!) };
    }
  }

  /** Ends a merge in one transaction. Readers find the same blocks before and after. */
  finishMerge(merge: Merge, compressed: Uint8Array): void {
    let done = false;
    try {
      this.#write(() => (done = this.#merger.replace(merge, compressed)));
    } finally {
      if (!done) this.#merger.giveUp(merge);
    }
  }

  /** Brings a few pages of a set-aside database back. Returns the blocks that it stored; call again while `more`. */
  salvage(): { blocks: readonly CommittedBlock[]; more: boolean } {
    const salvage = this.#salvaging.next();
    if (salvage === undefined) return { blocks: [], more: false };
    const blocks: CommittedBlock[] = [];
    const sink = {
      storeBlock: (block: Block) => {
        const stored = this.#appender.storeSalvaged(block);
        // What became of it before is not known.
        this.#cursors.sending(stored.lane, stored.id, stored.id);
        blocks.push(stored);
      },
      ledger: (loss: LedgerRecord) => this.#ledger.add(loss),
      manifest: (manifest: ManifestRecord) => this.#own.addManifest(manifest),
      quarantine: (item: QuarantineItem) => this.#quarantine.setApart([item]),
    };
    try {
      const own = this.#write(() => {
        salvage.step(sink, this.#clock.nowMicros());
        this.#salvaging.note(salvage);
      });
      this.#salvaging.keep();
      return { blocks: [...blocks, ...own], more: true };
    } catch (error) {
      this.#salvaging.undo();
      throw error;
    }
  }

  /** The database is damaged: it is set aside for the salvage, and this epoch goes on in a fresh one with its numbers. */
  startAfresh(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#startedAfreshMs < afreshPauseMs) throw damaged("again, so soon after the last time");
    this.#startedAfreshMs = nowMs;
    this.#salvaging.undo();
    this.#connection.startAfresh(this.#clock.nowMicros());
    this.#counters.startAfresh();
    this.#blocks.reload();
    this.#cursors.reload();
    this.#redeliveries.reload();
    this.#write(() => {
      this.#epochs.freezePartitions(0);
      this.#epochs.begin(this.epoch);
      this.#highest.raise(this.epoch.counter, this.#appender.numbers.all());
    });
  }

  /** Ends the epoch with its last manifest and closes. Everything was durable before. */
  close(): void {
    this.writeManifest(true);
    this.abandon();
  }

  /** Closes as a crash would: the next start finds the epoch open and ends it. */
  abandon(): void {
    this.#connection.close();
  }

  // ---- transactions ------------------------------------------------------------------------------------------

  /**
   * `work` in one transaction with what the journal adds by itself: its ledger entries, cursors and counters. `last`
   * comes when all numbers of the transaction are taken.
   */
  #write(work: () => unknown, last: () => void = () => undefined): readonly CommittedBlock[] {
    try {
      const own = this.#connection.transaction(() => {
        work();
        this.#ledger.write();
        this.#losses.write(this.#clock.nowMicros());
        const blocks = this.#appender.storeOwn();
        last();
        this.#cursors.write();
        this.#counters.write();
        return blocks;
      });
      this.#appender.keep();
      this.#cursors.keep();
      return own;
    } catch (error) {
      this.#appender.undo();
      this.#goBack();
      throw error;
    } finally {
      this.#own.clear();
      this.#ledger.clear();
      this.#losses.clear();
    }
  }

  #goBack(): void {
    try {
      this.#reload();
    } catch {
      // The disk cannot even be read: the next commit opens it again, and memory is rebuilt then.
      this.#connection.close();
    }
  }

  /** Memory goes back to what the last transaction left on disk, and what was settled since. */
  #reload(): void {
    this.#counters.reload();
    this.#blocks.reload();
    this.#cursors.reload();
    this.#redeliveries.reload();
  }

  /** Throws while the disk refuses. */
  #reopen(): void {
    this.#connection.reopen(this.#clock.nowMicros());
    this.#reload();
  }

  /** The failed commit may have reached the disk all the same: then it counts as stored, or its records would get two numbers. */
  #reopenAfter(attempted: number, group: Group): Committed | undefined {
    this.#reopen();
    if (this.#counters.head.nextBlock === attempted) return undefined;
    const blocks = lanes.flatMap((lane) =>
      this.#blocks.encodedFrom(lane, attempted).map(({ id, previous, encoded }): CommittedBlock => {
        this.#appender.takeOver(decodeDirectory(encoded).entries);
        const from = group.lanes.findIndex((candidate, i) => candidate.lane === lane && attempted + i === id);
        return { lane, id, previous, directory: encoded, from: from < 0 ? undefined : from };
      }),
    );
    return { kind: "stored", commit: attempted, blocks };
  }
}
