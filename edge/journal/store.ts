import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { Clock } from "../../src/clock.ts";
import { TidegateError } from "../../src/errors.ts";
import { formatWireTime } from "../../src/observation/time.ts";
import { makeEpoch, type Epoch } from "../../src/wire/epoch.ts";
import { partitionOf } from "../../src/wire/partition.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import type { LedgerRecord, LossReason } from "../../src/wire/records.ts";
import { isNumbered, lanes, streamOfCode, type Lane, type Stream } from "../../src/wire/streams.ts";
import {
  noTime,
  packBlock,
  readDirectory,
  recordHeaderBytes,
  unpackBlock,
  writeRecordHeader,
  type Directory,
  type Entry,
} from "./block.ts";
import { Connection, type Row, type SqlValue } from "./connection.ts";
import { ensureBallast, releaseBallast } from "./database.ts";
import {
  entryCount,
  entryDevice,
  entryFields,
  entryMaxTime,
  entryMinTime,
  entryStream,
  type Committed,
  type CommittedBlock,
  type Group,
  type LaneGroup,
  type NewDevice,
  type QuarantineItem,
} from "./group.ts";
import { emptyHead, unsentRecords, type Head } from "./head.ts";
import { ManifestTracker } from "./manifest.ts";
import { Numbers } from "./numbers.ts";
import type { PackedBlock, QuarantineRow, Usage } from "./protocol.ts";
import { QuarantineTable } from "./quarantine-table.ts";
import type { JournalOptions } from "./options.ts";

export interface StoreOptions extends JournalOptions {
  readonly folder: string;
  readonly gateway: string;
  /** Of the device-keyed topics; frozen with the first record. */
  readonly partitions: number;
}

/** A record that the journal itself writes: ledger entries and manifests. */
interface OwnRecord {
  readonly stream: Stream;
  readonly device: string;
  readonly partition: number;
  readonly value: string;
}

const redeliveriesKept = 500_000;
/** Blocks that one reclaim transaction deletes: bounds how long a commit can wait behind it. */
const reclaimBlocksMax = 64;
const replayShareOfQuota = 0.2;
const quarantineCountMax = 100_000;
const dayMicros = 86_400e6;

/**
 * The journal on disk: the only owner of the SQLite connection, synchronous, driven by the journal worker.
 * Everything that must be true together is written in one transaction: records, their numbers, cursors,
 * redelivery ids, quarantine and ledger. See README.md for the argument.
 */
export class Store {
  readonly epoch: Epoch;
  /** Name of the unreadable database that was moved away at start. */
  readonly setAside: string | undefined;

  readonly #options: StoreOptions;
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #quarantine: QuarantineTable;
  #head: Head;
  /** Blocks that the forwarder is done with, per lane. */
  readonly #settled: Record<Lane, Ranges>;
  readonly #dirtyCursors: Set<Lane> = new Set();
  readonly #last: Record<Lane, number>;
  readonly #devices: NewDevice[] = [];
  readonly #numbers = new Numbers();
  readonly #manifest: ManifestTracker;
  /** Block ids that were sent and are not settled: what is dropped of them may have been delivered. */
  readonly #sent: Record<Lane, Ranges>;
  /** Settlements that no transaction has written yet. */
  #unwritten: Record<Lane, Ranges> = perLane(() => new Ranges());
  /** The quota is reached and nothing may be dropped. */
  #full = false;
  /** Ids in the redelivery table. */
  #redeliveries: number;
  /** Of the open transaction: records that the journal adds by itself, and directory entries for the next manifest. */
  #own: OwnRecord[] = [];
  #stored: Entry[] = [];

  /** Throws DATA_FOLDER_IN_USE, JOURNAL_FORMAT_NEWER, SQLITE_TOO_OLD, JOURNAL_IO, JOURNAL_FULL and CONFIG_INVALID. */
  static open(options: StoreOptions, clock: Clock): Store {
    const connection = new Connection(options.folder, clock.nowMicros());
    try {
      return new Store(options, clock, connection);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  private constructor(options: StoreOptions, clock: Clock, connection: Connection) {
    this.#options = options;
    this.#clock = clock;
    this.#connection = connection;
    this.#quarantine = new QuarantineTable(connection);
    this.setAside = connection.setAside;
    this.#head = this.#readHead();
    this.#settled = perLane((lane) => this.#readSettled(lane));
    this.#last = perLane((lane) => this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM blocks_${lane}`));
    // What an earlier process sent is not known any more, so all of it counts.
    this.#sent = perLane((lane) => (this.#last[lane] > 0 ? Ranges.of([1, this.#last[lane]]) : new Ranges()));
    const counter = this.#connection.number("SELECT coalesce(max(counter), 0) AS n FROM epochs") + 1;
    this.epoch = makeEpoch(counter, randomBytes(8));
    this.#manifest = new ManifestTracker(this.epoch.text, options.partitions);
    this.#transaction(() => {
      this.#freezePartitions();
      this.#startEpoch();
      this.#finishEarlierEpochs();
      this.#commitOwn();
      this.#writeHead();
    });
    this.#redeliveries = this.#connection.number("SELECT coalesce(sum(count), 0) AS n FROM redelivery");
    ensureBallast(options.folder, options.ballastBytes);
  }

  /**
   * Stores a group in one transaction and numbers its records. `full` stores nothing. Throws JOURNAL_IO where the disk
   * failed: the store has then reopened itself, and the group was not stored.
   */
  commit(group: Group): Committed {
    if (this.#full && group.lanes.some(({ lane }) => lane === "telemetry")) {
      return { kind: "full", message: "the quota is reached and journal.telemetryWhenFull is stop" };
    }
    const attempted = this.#head.nextBlock;
    const devices = this.#devices.length;
    this.#devices.push(...group.newDevices);
    try {
      if (!this.#connection.isOpen) this.#reopen();
      return this.#transaction(() => this.#commit(group));
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
      const landed = error.code === "JOURNAL_IO" ? this.#reopenAfter(attempted, group) : undefined;
      if (landed !== undefined) return landed;
      this.#devices.length = devices;
      if (error.code !== "JOURNAL_FULL") throw error;
      releaseBallast(this.#options.folder);
      return { kind: "full", message: error.message };
    }
  }

  #commit(group: Group): Committed {
    const commit = this.#head.nextBlock;
    this.#setApart(group.quarantine);
    const blocks = group.lanes.map((lane, from) => this.#storeLane(lane, from, commit));
    blocks.push(...this.#commitOwn());
    if (blocks.length === 0) this.#head.nextBlock++;
    for (const [key, value] of group.state) this.#writeState(key, value);
    if (group.redelivery !== undefined) this.#keepRedelivery(commit, group.redelivery);
    this.#writeCursors();
    this.#writeHead();
    return { kind: "stored", commit, blocks };
  }

  #storeLane(group: LaneGroup, from: number, commit: number): CommittedBlock {
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
        firstSeq: this.#numbers.take(stream, device.device, count),
        count,
        minTimeMicros: group.entries[at + entryMinTime]!,
        maxTimeMicros: group.entries[at + entryMaxTime]!,
      });
    }
    const records = new Uint8Array(group.slab, group.start, group.length);
    return this.#storeBlock(records, { lane: group.lane, epoch: this.epoch.text, commit, entries }, from);
  }

  #storeBlock(records: Uint8Array, directory: Directory, from: number | undefined): CommittedBlock {
    const { lane, entries } = directory;
    const id = this.#head.nextBlock++;
    const packed = packBlock(records, directory);
    const count = entries.reduce((sum, entry) => sum + entry.count, 0);
    const mono = Math.round(this.#clock.monotonicMs());
    this.#connection.run(
      `INSERT INTO blocks_${lane} (id, epoch, count, stored, mono, crc, data) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      id,
      this.epoch.counter,
      count,
      this.#clock.nowMicros(),
      mono,
      packed.blockCrc,
      packed.block,
    );
    this.#connection.run(
      `INSERT INTO directories_${lane} (id, crc, data) VALUES (?, ?, ?)`,
      id,
      packed.directoryCrc,
      packed.directory,
    );
    this.#stored.push(...entries);
    const bytes = packed.block.length + packed.directory.length;
    const counts = this.#head.lanes[lane];
    counts.blocks++;
    counts.bytes += bytes;
    counts.records += count;
    this.#head.total.stored += count;
    if (lane !== "history") {
      counts.unsentRecords += count;
      counts.unsentBytes += bytes;
    }
    const previous = this.#last[lane];
    this.#last[lane] = id;
    // Memory of its own: it goes to other threads, and a view would take more along.
    return { lane, id, previous, directory: new Uint8Array(packed.directory), from };
  }

  /** Stores the journal's own records of this transaction as one block of the critical lane. */
  #commitOwn(): CommittedBlock[] {
    const own = this.#own;
    if (own.length === 0) return [];
    this.#own = [];
    const now = this.#clock.nowMicros();
    const entries = new Map<string, Entry>();
    const indexes = new Map<string, number>();
    const bytes = own.reduce((sum, record) => sum + recordHeaderBytes + Buffer.byteLength(record.value), 0);
    const slab = Buffer.alloc(bytes);
    const view = new DataView(slab.buffer, slab.byteOffset, slab.byteLength);
    let at = 0;
    for (const record of own) {
      const key = `${record.stream}/${record.device}`;
      const entry = entries.get(key);
      if (entry === undefined) {
        indexes.set(key, entries.size);
        entries.set(key, { ...record, firstSeq: 0, count: 1, minTimeMicros: now, maxTimeMicros: now });
      } else entry.count++;
      const length = slab.write(record.value, at + recordHeaderBytes, "utf8");
      at = writeRecordHeader(view, at, indexes.get(key)!, 0, noTime, length);
    }
    for (const entry of entries.values()) entry.firstSeq = this.#numbers.take(entry.stream, entry.device, entry.count);
    const commit = this.#head.nextBlock;
    const directory: Directory = { lane: "critical", epoch: this.epoch.text, commit, entries: [...entries.values()] };
    return [this.#storeBlock(slab, directory, undefined)];
  }

  // ---- reading -----------------------------------------------------------------------------------------------

  /** The first block of the lane above `after`, as it lies on disk. */
  next(lane: Lane, after: number): PackedBlock | undefined {
    const row = this.#connection.get(
      `SELECT id, crc, data FROM blocks_${lane} WHERE id > ? ORDER BY id LIMIT 1`,
      after,
    );
    if (row === undefined) return undefined;
    return { id: Number(row.id), lane, crc: Number(row.crc), data: blobOf(row.data) };
  }

  /** The first commit above `commit` that is still stored, with its blocks of all lanes; undefined where there is none yet. */
  nextCommit(commit: number): { commit: number; blocks: PackedBlock[] } | undefined {
    for (let from = commit + 1; ;) {
      const heads = lanes.map((lane) => ({ lane, id: this.#firstFrom(lane, from) })).filter(({ id }) => id > 0);
      const first = heads.toSorted((a, b) => a.id - b.id)[0];
      if (first === undefined) return undefined;
      const found = this.#commitOf(first.lane, first.id);
      // Later blocks of the commit that the reader has share its number; a damaged directory says nothing.
      if (found === undefined || found <= commit) from = first.id + 1;
      else return { commit: found, blocks: heads.flatMap(({ lane, id }) => this.#blocksOfCommit(lane, id, found)) };
    }
  }

  #firstFrom(lane: Lane, id: number): number {
    return this.#connection.number(`SELECT coalesce(min(id), 0) AS n FROM blocks_${lane} WHERE id >= ?`, id);
  }

  #commitOf(lane: Lane, id: number): number | undefined {
    const row = this.#connection.get(`SELECT crc, data FROM directories_${lane} WHERE id = ?`, id);
    if (row === undefined) return undefined;
    try {
      return readDirectory(id, row.data as Uint8Array, Number(row.crc)).commit;
    } catch (error) {
      if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return undefined;
      throw error;
    }
  }

  #blocksOfCommit(lane: Lane, from: number, commit: number): PackedBlock[] {
    const blocks: PackedBlock[] = [];
    for (let id = from; this.#commitOf(lane, id) === commit; id++) {
      const row = this.#connection.get(`SELECT crc, data FROM blocks_${lane} WHERE id = ?`, id);
      if (row !== undefined) blocks.push({ id, lane, crc: Number(row.crc), data: blobOf(row.data) });
    }
    return blocks;
  }

  settledRanges(lane: Lane): number[] {
    return this.#settled[lane].toJSON();
  }

  /** Records of blocks in [first, last] are on their way; not persisted, since after a start every stored block counts. */
  sending(lane: Lane, first: number, last: number): void {
    this.#sent[lane].add(first, last);
  }

  /** Every record of the lane's blocks in [first, last] is in Kafka or was refused. Durable with the next commit or `flush`. */
  settle(lane: Lane, first: number, last: number): void {
    this.#unwritten[lane].add(first, last);
    this.#sent[lane].remove(first, last);
    // Closed after a disk fault: it counts when the journal has been reopened.
    if (this.#connection.isOpen) this.#settle(lane, first, last);
  }

  #settle(lane: Lane, first: number, last: number): void {
    for (const [from, to] of this.#settled[lane].missing(first, last)) {
      const row = this.#connection.get(
        `SELECT coalesce(sum(count), 0) AS records, coalesce(sum(length(data)), 0) AS bytes FROM blocks_${lane} WHERE id BETWEEN ? AND ?`,
        from,
        to,
      );
      const directories = this.#connection.number(
        `SELECT coalesce(sum(length(data)), 0) AS n FROM directories_${lane} WHERE id BETWEEN ? AND ?`,
        from,
        to,
      );
      const counts = this.#head.lanes[lane];
      counts.unsentRecords -= Number(row!.records);
      counts.unsentBytes -= Number(row!.bytes) + directories;
      this.#head.total.published += Number(row!.records);
    }
    this.#settled[lane].add(first, last);
    this.#dirtyCursors.add(lane);
  }

  /** Writes what `settle` changed, where no commit did it in the meantime. */
  flush(): void {
    if (this.#dirtyCursors.size === 0) return;
    this.#transaction(() => {
      this.#writeCursors();
      this.#writeHead();
    });
  }

  /** A reader found that a block fails its checksum: set it aside and name its records in the ledger. */
  setCorruptAside(lane: Lane, id: number): readonly CommittedBlock[] {
    const row = this.#connection.get(`SELECT count, crc, data FROM blocks_${lane} WHERE id = ?`, id);
    if (row === undefined) return [];
    try {
      unpackBlock(id, blobOf(row.data), Number(row.crc));
      return [];
    } catch (error) {
      if (!(error instanceof TidegateError)) throw error;
    }
    return this.#transaction(() => {
      this.#connection.run(
        "INSERT OR REPLACE INTO set_aside (id, lane, crc, data) VALUES (?, ?, ?, ?)",
        id,
        lane,
        row.crc!,
        row.data!,
      );
      this.#drop(lane, id, "corrupt");
      const blocks = this.#commitOwn();
      this.#writeCursors();
      this.#writeHead();
      return blocks;
    });
  }

  state(key: string): Uint8Array | string | undefined {
    const row = this.#connection.get("SELECT value FROM state WHERE key = ?", key);
    return row === undefined ? undefined : (row.value as Uint8Array | string);
  }

  /** State rows whose key starts with `prefix`, without the prefix. */
  statesBelow(prefix: string): [string, string][] {
    const rows = this.#connection.all(
      "SELECT key, value FROM state WHERE key >= ? AND key < ?",
      prefix,
      `${prefix}\u{10ffff}`,
    );
    return rows.map((row) => [String(row.key).slice(prefix.length), String(row.value)]);
  }

  redeliveries(): Uint8Array[] {
    return this.#connection.all("SELECT data FROM redelivery ORDER BY id").map((row) => row.data as Uint8Array);
  }

  // ---- quarantine --------------------------------------------------------------------------------------------

  #setApart(items: readonly QuarantineItem[]): void {
    const counts = this.#head.quarantine;
    for (const item of items) {
      this.#quarantine.add(item);
      counts.count++;
      counts.bytes += item.bytes.length;
    }
    this.#head.total.quarantined += items.length;
    while (counts.bytes > this.#options.quarantineBytesMax || counts.count > quarantineCountMax) {
      this.#evictQuarantined();
    }
  }

  #evictQuarantined(): void {
    const { timeMicros, bytes } = this.#quarantine.evictOldest();
    this.#head.quarantine.count--;
    this.#head.quarantine.bytes -= bytes;
    const time = formatWireTime(timeMicros);
    this.#ledger({
      kind: "loss",
      epoch: this.epoch.text,
      stream: "quarantine",
      device: `${this.#options.gateway}/quarantine`,
      count: 1,
      from: time,
      to: time,
      reason: "quarantine-evicted",
    });
  }

  /** Records that Kafka refused for ever: kept in the quarantine and named in the ledger. */
  refuse(
    refused: readonly { readonly item: QuarantineItem; readonly loss: LedgerRecord }[],
  ): readonly CommittedBlock[] {
    return this.#transaction(() => {
      this.#setApart(refused.map(({ item }) => item));
      for (const { loss } of refused) this.#ledger(loss);
      const blocks = this.#commitOwn();
      this.#writeCursors();
      this.#writeHead();
      return blocks;
    });
  }

  quarantined(limit: number): QuarantineRow[] {
    return this.#quarantine.list(limit);
  }

  quarantinedBytes(id: number): Uint8Array | undefined {
    return this.#quarantine.bytes(id);
  }

  // ---- ledger and manifests ----------------------------------------------------------------------------------

  #ledger(loss: LedgerRecord): void {
    this.#head.total.ledgered += loss.count;
    const partition = partitionOf(loss.device, this.#options.partitions);
    this.#own.push({ stream: "ledger", device: loss.device, partition, value: JSON.stringify(loss) });
  }

  /** Publishes the numbers that changed since the last manifest, and that no others did. Called every `manifestSeconds`. */
  writeManifest(final = false): readonly CommittedBlock[] {
    const blocks = this.#transaction(() => {
      this.#addManifest(this.#manifest, final);
      const upTo = this.#head.nextBlock;
      const written = this.#commitOwn();
      this.#connection.run(
        "UPDATE epochs SET manifest = ?, final = ? WHERE counter = ?",
        upTo,
        final ? 1 : 0,
        this.epoch.counter,
      );
      this.#writeCursors();
      this.#writeHead();
      return written;
    });
    this.#manifest.clear();
    return blocks;
  }

  #addManifest(tracker: ManifestTracker, final: boolean): void {
    for (const record of tracker.records(this.#clock.nowMicros(), final)) {
      const device = `${this.#options.gateway}/p${record.partition}`;
      this.#own.push({ stream: "ledger", device, partition: record.partition, value: JSON.stringify(record) });
    }
  }

  /** An epoch that ended without a word gets its last manifest now, from the directories behind the one before. */
  #finishEarlierEpochs(): void {
    const open = this.#connection.all(
      "SELECT counter, text, manifest FROM epochs WHERE final = 0 AND counter <> ?",
      this.epoch.counter,
    );
    for (const epoch of open) {
      const tracker = new ManifestTracker(String(epoch.text), this.#options.partitions);
      for (const lane of lanes) {
        if (lane === "history") continue;
        const rows = this.#connection.each(
          `SELECT id, crc, data FROM directories_${lane} WHERE id >= ?`,
          Number(epoch.manifest),
        );
        for (const row of rows)
          this.#noteDirectory(tracker, String(epoch.text), Number(row.id), row.data as Uint8Array, Number(row.crc));
      }
      this.#addManifest(tracker, true);
      this.#connection.run("UPDATE epochs SET final = 1 WHERE counter = ?", epoch.counter!);
    }
  }

  #noteDirectory(tracker: ManifestTracker, epoch: string, id: number, data: Uint8Array, crc: number): void {
    let directory: Directory;
    try {
      directory = readDirectory(id, data, crc);
    } catch (error) {
      // The block itself still has its directory; a reader finds out and ledgers what is lost.
      if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return;
      throw error;
    }
    if (directory.epoch !== epoch) return;
    for (const entry of directory.entries) tracker.note(entry);
  }

  #startEpoch(): void {
    this.#connection.run(
      "INSERT INTO epochs (counter, text, boot, started) VALUES (?, ?, ?, ?)",
      this.epoch.counter,
      this.epoch.text,
      bootId(),
      this.#clock.nowMicros(),
    );
  }

  /** A device must stay on its partition, or its order is lost; a change waits until everything is sent. */
  #freezePartitions(): void {
    const row = this.#connection.get("SELECT value FROM meta WHERE key = 'partitions'");
    const frozen = row === undefined ? undefined : Number(row.value);
    const wanted = this.#options.partitions;
    if (frozen === wanted) return;
    const unsent = unsentRecords(this.#head);
    if (frozen !== undefined && unsent > 0) {
      throw new TidegateError(
        "CONFIG_INVALID",
        `kafka.partitions is ${wanted}, but ${unsent} unsent records are laid out for ${frozen}`,
        {
          hint: `Set kafka.partitions back to ${frozen}, let the buffer drain, then change it.`,
        },
      );
    }
    this.#connection.run("INSERT OR REPLACE INTO meta (key, value) VALUES ('partitions', ?)", String(wanted));
  }

  // ---- space -------------------------------------------------------------------------------------------------

  usage(): Usage {
    return {
      bytes: this.#bytesUsed(),
      quotaBytes: this.#options.quotaBytes,
      head: this.#head,
      oldestUnsentMicros: this.#oldestUnsent(),
    };
  }

  #bytesUsed(): number {
    return this.#connection.bytesUsed() + this.#options.ballastBytes;
  }

  #oldestUnsent(): number | undefined {
    let oldest: number | undefined;
    for (const lane of lanes) {
      if (this.#head.lanes[lane].unsentRecords === 0) continue;
      const id = this.#firstUnsettled(lane);
      const row = this.#connection.get(`SELECT stored FROM blocks_${lane} WHERE id >= ? ORDER BY id LIMIT 1`, id);
      if (row !== undefined) oldest = Math.min(oldest ?? Infinity, Number(row.stored));
    }
    return oldest;
  }

  #firstUnsettled(lane: Lane): number {
    return this.#settled[lane].missing(1, this.#head.nextBlock)[0]?.[0] ?? this.#head.nextBlock;
  }

  /**
   * Frees space in bounded steps: history and the replay window by age, then what the quota asks for in the order
   * forwarded → history → policy. Returns the ledger blocks it wrote; call again while `more`.
   */
  reclaim(): { blocks: readonly CommittedBlock[]; more: boolean } {
    const now = this.#clock.nowMicros();
    const { historyDays, replayWindowHours, quotaBytes, telemetryWhenFull } = this.#options;
    const over = this.#bytesUsed() > quotaBytes;
    const victims =
      this.#oldest("history", over ? now : now - historyDays * dayMicros, false) ??
      this.#forwarded(over ? now : now - replayWindowHours * 3600e6);
    const doomed = victims ?? (over ? this.#unsentVictims(telemetryWhenFull, now) : undefined);
    this.#full = over && doomed === undefined;
    return doomed === undefined ? { blocks: [], more: false } : { blocks: this.#dropAll(doomed), more: true };
  }

  #unsentVictims(policy: StoreOptions["telemetryWhenFull"], now: number): Victims | undefined {
    const telemetry = policy === "dropOldest" ? this.#oldest("telemetry", now, true) : undefined;
    return telemetry ?? this.#oldest("insight", now, true);
  }

  #oldest(lane: Lane, before: number, unsentOnly: boolean): Victims | undefined {
    const from = unsentOnly ? this.#firstUnsettled(lane) : 0;
    const rows = this.#connection.all(
      `SELECT id FROM blocks_${lane} WHERE id >= ? AND stored <= ? ORDER BY id LIMIT ?`,
      from,
      before,
      reclaimBlocksMax,
    );
    return rows.length === 0 ? undefined : { lane, ids: rows.map((row) => Number(row.id)) };
  }

  /** Blocks that Kafka has, oldest first: beyond the replay window by age, or by its share of the quota. */
  #forwarded(before: number): Victims | undefined {
    for (const lane of ["telemetry", "insight", "critical"] as const) {
      const counts = this.#head.lanes[lane];
      const window =
        counts.bytes - counts.unsentBytes > this.#options.quotaBytes * replayShareOfQuota
          ? this.#clock.nowMicros()
          : before;
      const rows = this.#connection.all(
        `SELECT id FROM blocks_${lane} WHERE stored <= ? ORDER BY id LIMIT ?`,
        window,
        reclaimBlocksMax,
      );
      const ids = rows.map((row) => Number(row.id)).filter((id) => this.#settled[lane].has(id));
      if (ids.length > 0) return { lane, ids };
    }
    return undefined;
  }

  #dropAll({ lane, ids }: Victims): readonly CommittedBlock[] {
    return this.#transaction(() => {
      for (const id of ids) this.#drop(lane, id, this.#sent[lane].has(id) ? "maybe-delivered" : "quota");
      const blocks = this.#commitOwn();
      this.#writeCursors();
      this.#writeHead();
      return blocks;
    });
  }

  /** Deletes a block; what Kafka does not have is named in the ledger, from the directory. */
  #drop(lane: Lane, id: number, reason: LossReason): void {
    const block = this.#connection.get(`SELECT count, length(data) AS size FROM blocks_${lane} WHERE id = ?`, id);
    const directory = this.#connection.get(`SELECT crc, data FROM directories_${lane} WHERE id = ?`, id);
    if (block === undefined) return;
    const counts = this.#head.lanes[lane];
    const bytes = Number(block.size) + (directory === undefined ? 0 : (directory.data as Uint8Array).length);
    counts.blocks--;
    counts.bytes -= bytes;
    counts.records -= Number(block.count);
    if (lane === "history") this.#head.total.expired += Number(block.count);
    else if (!this.#settled[lane].has(id)) {
      this.#ledgerBlock(lane, id, directory, reason);
      counts.unsentRecords -= Number(block.count);
      counts.unsentBytes -= bytes;
      this.#settled[lane].add(id);
      this.#dirtyCursors.add(lane);
    }
    this.#connection.run(`DELETE FROM blocks_${lane} WHERE id = ?`, id);
    this.#connection.run(`DELETE FROM directories_${lane} WHERE id = ?`, id);
  }

  #ledgerBlock(lane: Lane, id: number, row: Row | undefined, reason: LossReason): void {
    const directory = this.#directoryOf(lane, id, row);
    for (const entry of directory?.entries ?? []) {
      if (!isNumbered(entry.stream)) continue;
      this.#ledger({
        kind: "loss",
        epoch: directory!.epoch,
        stream: entry.stream,
        device: entry.device,
        first: entry.firstSeq,
        last: entry.firstSeq + entry.count - 1,
        count: entry.count,
        from: formatWireTime(entry.minTimeMicros),
        to: formatWireTime(entry.maxTimeMicros),
        reason,
      });
    }
  }

  /** The separate directory row, or where that is damaged the copy inside the block. */
  #directoryOf(lane: Lane, id: number, row: Row | undefined): Directory | undefined {
    try {
      if (row !== undefined) return readDirectory(id, row.data as Uint8Array, Number(row.crc));
    } catch (error) {
      if (!(error instanceof TidegateError && error.code === "JOURNAL_CORRUPT")) throw error;
    }
    const block = this.#connection.get(`SELECT crc, data FROM blocks_${lane} WHERE id = ?`, id);
    try {
      return block === undefined ? undefined : unpackBlock(id, blobOf(block.data), Number(block.crc));
    } catch (error) {
      // Both copies are gone: the manifest still says which numbers exist, so the cloud sees the hole.
      if (error instanceof TidegateError && error.code === "JOURNAL_CORRUPT") return undefined;
      throw error;
    }
  }

  // ---- failures ----------------------------------------------------------------------------------------------

  /** Throws while the disk refuses. */
  #reopen(): void {
    this.#connection.reopen(this.#clock.nowMicros());
    this.#reload();
  }

  /** The failed commit may have reached the disk all the same: then it counts as stored, or its records would get two numbers. */
  #reopenAfter(attempted: number, group: Group): Committed | undefined {
    this.#reopen();
    if (this.#head.nextBlock === attempted) return undefined;
    const blocks: CommittedBlock[] = [];
    for (const lane of lanes) {
      const rows = this.#connection.all(
        `SELECT id, crc, data FROM directories_${lane} WHERE id >= ? ORDER BY id`,
        attempted,
      );
      for (const row of rows) {
        const id = Number(row.id);
        const directory = row.data as Uint8Array;
        for (const entry of readDirectory(id, directory, Number(row.crc)).entries) {
          this.#numbers.take(entry.stream, entry.device, entry.count);
          this.#manifest.note(entry);
        }
        const from = group.lanes.findIndex((candidate, i) => candidate.lane === lane && attempted + i === id);
        blocks.push({ lane, id, previous: this.#previousOf(lane, id), directory, from: from < 0 ? undefined : from });
      }
    }
    this.#numbers.keep();
    return { kind: "stored", commit: attempted, blocks };
  }

  #previousOf(lane: Lane, id: number): number {
    return this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM blocks_${lane} WHERE id < ?`, id);
  }

  /** Memory goes back to what the last transaction left on disk, and what was settled since. */
  #reload(): void {
    this.#head = this.#readHead();
    for (const lane of lanes) {
      this.#settled[lane] = this.#readSettled(lane);
      this.#last[lane] = this.#connection.number(`SELECT coalesce(max(id), 0) AS n FROM blocks_${lane}`);
    }
    this.#dirtyCursors.clear();
    for (const lane of lanes) {
      for (const [first, last] of this.#unwritten[lane].pairs()) this.#settle(lane, first, last);
    }
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

  // ---- small things ------------------------------------------------------------------------------------------

  #keepRedelivery(id: number, { count, data }: { count: number; data: Uint8Array }): void {
    this.#connection.run("INSERT INTO redelivery (id, count, data) VALUES (?, ?, ?)", id, count, data);
    this.#redeliveries += count;
    while (this.#redeliveries > redeliveriesKept) {
      const oldest = this.#connection.get("SELECT id, count FROM redelivery ORDER BY id LIMIT 1")!;
      if (Number(oldest.id) === id) return;
      this.#connection.run("DELETE FROM redelivery WHERE id = ?", oldest.id!);
      this.#redeliveries -= Number(oldest.count);
    }
  }

  #writeHead(): void {
    this.#writeState("head", JSON.stringify(this.#head));
  }

  #writeCursors(): void {
    for (const lane of this.#dirtyCursors) this.#writeState(forwardKey(lane), JSON.stringify(this.#settled[lane]));
    this.#dirtyCursors.clear();
  }

  #writeState(key: string, value: string | Uint8Array): void {
    this.#connection.run("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", key, value);
  }

  #readHead(): Head {
    const value = this.state("head");
    return value === undefined ? emptyHead() : (JSON.parse(String(value)) as Head);
  }

  #readSettled(lane: Lane): Ranges {
    const value = this.state(forwardKey(lane));
    return new Ranges(value === undefined ? [] : (JSON.parse(String(value)) as number[]));
  }

  #goBack(): void {
    try {
      this.#reload();
    } catch {
      // The disk cannot even be read: the next commit opens it again, and memory is rebuilt then.
      this.#connection.close();
    }
  }

  /** A transaction, with what is kept in memory beside it: either both go on or both go back. */
  #transaction<T>(work: () => T): T {
    try {
      const result = this.#connection.transaction(work);
      for (const entry of this.#stored) this.#manifest.note(entry);
      this.#numbers.keep();
      if (this.#dirtyCursors.size === 0) this.#unwritten = perLane(() => new Ranges());
      return result;
    } catch (error) {
      this.#numbers.undo();
      this.#goBack();
      throw error;
    } finally {
      this.#own = [];
      this.#stored = [];
    }
  }
}

interface Victims {
  readonly lane: Lane;
  readonly ids: readonly number[];
}

/** A damaged page can turn a BLOB into something else, which then fails its checksum. */
function blobOf(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function forwardKey(lane: Lane): string {
  return `forward:${lane}`;
}

function perLane<T>(make: (lane: Lane) => T): Record<Lane, T> {
  return {
    critical: make("critical"),
    insight: make("insight"),
    telemetry: make("telemetry"),
    history: make("history"),
  };
}

/** Changes with every boot of the machine: monotonic times of blocks compare only within one boot. */
function bootId(): string {
  const path = "/proc/sys/kernel/random/boot_id";
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "unknown";
}
