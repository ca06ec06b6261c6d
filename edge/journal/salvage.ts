import { join } from "node:path";
import { formatWireTime } from "../../src/observation/time.ts";
import { epochOf } from "../../src/wire/epoch.ts";
import { Ranges } from "../../src/wire/ranges.ts";
import type { LedgerRecord, ManifestRecord } from "../../src/wire/records.ts";
import { isNumbered, lanes, type Lane, type Stream } from "../../src/wire/streams.ts";
import type { Block, Entry } from "./block.ts";
import { sound } from "./block-tables.ts";
import { DatabaseFile, type Cell, type FoundRow } from "./database-file.ts";
import type { QuarantineItem } from "./group.ts";
import { ManifestTracker } from "./manifest.ts";
import { unpackStored } from "./merged-block.ts";
import { perLane } from "./per-lane.ts";
import { rowChecksum } from "./row-checksum.ts";
import { readDirectory, type StoredDirectory } from "./stored-directory.ts";

/** Where the salvage is. Kept in the journal, so that it goes on after a restart. */
export interface SalvageProgress {
  /** The set-aside database, without its folder. */
  readonly file: string;
  /** Its size when the salvage began. */
  readonly pages: number;
  readonly phase: "cursors" | "blocks" | "directories" | "done";
  /** Pages of this phase that are done. */
  readonly page: number;
  /** Records that came back. */
  readonly records: number;
  /** Records that are named in the ledger. */
  readonly ledgered: number;
  /** Rows that could neither be read nor named. Where there is one, the file is kept. */
  readonly unreadable: number;
}

/** What the journal does with what the salvage finds, in the transaction of the step. */
export interface SalvageSink {
  storeBlock(block: Block): void;
  ledger(loss: LedgerRecord): void;
  manifest(manifest: ManifestRecord): void;
  quarantine(item: QuarantineItem): void;
}

/** Bounds of one step, which stands between two commits. */
const pagesPerStep = 64;
const bytesPerStep = 1_048_576;
/** Blocks of one commit have ids next to each other; a settled block whose neighbours are not is doubted. */
const commitBlocksMax = lanes.length;

/**
 * Brings the readable blocks of a set-aside database back under their old identity, page by page and without SQLite.
 * Only what a checksum confirms is believed: blocks, directories, and which blocks were settled. Three passes: cursors
 * (what Kafka has need not come back), blocks, and directories: what these name and no block held is ledgered.
 *
 * Memory: the numbers that were found, as ranges per epoch, stream and device. They are not stored: after a restart the
 * passes up to the stored progress run again without storing anything, which gives them back.
 *
 * What it cannot bring back: source and reader cursors and redelivery ids (messages come again rather than get lost).
 */
export class Salvage {
  readonly #partitions: number;
  readonly #database: DatabaseFile;
  readonly #settled: Record<Lane, Ranges> = perLane(() => new Ranges());
  /** Numbers that came back, and ids of blocks without numbers. */
  readonly #found = new Map<string, Ranges>();
  readonly #manifests = new Map<string, ManifestTracker>();
  #progress: SalvageProgress;
  /** What was done before a restart: read again, not stored again. */
  readonly #resumeAt: SalvageProgress;

  /** Throws JOURNAL_IO. */
  constructor(folder: string, progress: SalvageProgress | string, partitions: number) {
    this.#partitions = partitions;
    const file = typeof progress === "string" ? progress : progress.file;
    this.#database = new DatabaseFile(join(folder, file));
    const { pages } = this.#database;
    const start = { file, pages, phase: "cursors", page: 0, records: 0, ledgered: 0, unreadable: 0 } as const;
    this.#progress = start;
    this.#resumeAt = typeof progress === "string" ? start : progress;
  }

  get progress(): SalvageProgress {
    return isBefore(this.#progress, this.#resumeAt) ? this.#resumeAt : this.#progress;
  }

  get isDone(): boolean {
    return this.#progress.phase === "done";
  }

  /** Inside a transaction: reads a few pages. What it changed in memory is only right when the transaction ends well. */
  step(sink: SalvageSink, nowMicros: number): void {
    const quiet = isBefore(this.#progress, this.#resumeAt);
    const target = quiet ? silent : sink;
    let bytes = 0;
    for (let pages = 0; pages < pagesPerStep && bytes < bytesPerStep && !this.#phaseEnded(); pages++) {
      const at = this.#progress.page + 1;
      const { rows, unreadable } = this.#database.read(at);
      if (this.#progress.phase === "blocks") this.#add({ unreadable });
      for (const row of rows) bytes += this.#take(row, target);
      this.#progress = { ...this.#progress, page: at };
      if (quiet && !isBefore(this.#progress, this.#resumeAt)) break;
    }
    if (this.#phaseEnded()) this.#nextPhase(target, nowMicros);
    if (quiet && !isBefore(this.#progress, this.#resumeAt)) this.#progress = this.#resumeAt;
  }

  close(): void {
    this.#database.close();
  }

  #phaseEnded(): boolean {
    return this.#progress.phase !== "done" && this.#progress.page >= this.#progress.pages;
  }

  #nextPhase(sink: SalvageSink, nowMicros: number): void {
    const { phase } = this.#progress;
    if (phase === "directories") this.#tellManifests(sink, nowMicros);
    const next = ({ cursors: "blocks", blocks: "directories", directories: "done", done: "done" } as const)[phase];
    this.#progress = { ...this.#progress, phase: next, page: 0 };
  }

  /** Returns the bytes that it stored. */
  #take({ id, cells, isOld }: FoundRow, sink: SalvageSink): number {
    const { phase } = this.#progress;
    if (phase === "cursors") this.#takeSettled(cells);
    else if (phase === "blocks" && id !== undefined && isBlockRow(cells))
      return this.#takeBlock({ id, isOld }, cells[5], cells[6], sink);
    else if (phase === "blocks" && id !== undefined && isQuarantineRow(cells))
      return this.#takeQuarantined(id, cells, sink);
    else if (phase === "directories" && id !== undefined && isDirectoryRow(cells)) {
      this.#takeDirectory(id, cells[1], cells[2], sink);
    }
    return 0;
  }

  /** Old versions of the row may be found beside the newest: ranges only grow. */
  #takeSettled(cells: readonly Cell[]): void {
    const [key, value, crc] = cells;
    if (cells.length !== 3 || typeof key !== "string" || typeof value !== "string") return;
    const lane = lanes.find((candidate) => key === `forward:${candidate}`);
    if (lane === undefined || rowChecksum(key, value) !== crc) return;
    for (const [first, last] of new Ranges(JSON.parse(value) as number[]).pairs()) this.#settled[lane].add(first, last);
  }

  #takeBlock({ id, isOld }: { id: number; isOld: boolean }, crc: number, data: Uint8Array, sink: SalvageSink): number {
    const blocks = sound(() => unpackStored(id, data, crc));
    // Its directory names it, or its numbers are a hole that the cloud sees.
    if (blocks === undefined) {
      if (!isOld) this.#add({ unreadable: 1 });
      return 0;
    }
    let bytes = 0;
    for (const block of blocks) {
      this.#noteHighest(block.epoch, block.entries);
      if (this.#isSettled(block.lane, block.id, block.commit)) this.#noteFound(block);
      else if (this.#noteFound(block)) {
        sink.storeBlock(block);
        this.#add({ records: block.entries.reduce((sum, { count }) => sum + count, 0) });
        bytes += block.records.length;
      }
    }
    return bytes;
  }

  #isSettled(lane: Lane, id: number, commit: number): boolean {
    const isNear = id >= commit && id - commit <= commitBlocksMax;
    return isNear && this.#settled[lane].has(id) && this.#settled[lane].has(commit);
  }

  /** False where all of it was found before: a deleted page may hold an old copy. */
  #noteFound({ id, lane, epoch, entries }: Block): boolean {
    const numbered = entries.filter(({ stream }) => isNumbered(stream));
    if (numbered.length === 0) return this.#rangesOf(epoch, lane, "").add(id) > 0;
    let fresh = 0;
    for (const { stream, device, firstSeq, count } of numbered) {
      fresh += this.#rangesOf(epoch, stream, device).add(firstSeq, firstSeq + count - 1);
    }
    return fresh > 0;
  }

  #takeDirectory(id: number, crc: number, data: Uint8Array, sink: SalvageSink): void {
    const directory = sound(() => readDirectory(id, data, crc));
    // Rows of other tables have this shape too, so a wrong checksum proves nothing.
    if (directory === undefined || directory.lane === "history") return;
    this.#noteHighest(directory.epoch, directory.entries);
    const { ids, commits } = directory.parts;
    if (ids.every((part, at) => this.#isSettled(directory.lane, part, commits[at]!))) return;
    for (const entry of directory.entries) this.#ledgerMissing(directory, entry, sink);
  }

  #ledgerMissing({ epoch }: StoredDirectory, entry: Entry, sink: SalvageSink): void {
    const { stream, device, firstSeq, count } = entry;
    if (!isNumbered(stream)) return;
    const found = this.#rangesOf(epoch, stream, device);
    for (const [first, last] of found.missing(firstSeq, firstSeq + count - 1)) {
      const [from, to] = [formatWireTime(entry.minTimeMicros), formatWireTime(entry.maxTimeMicros)];
      const lost = last - first + 1;
      sink.ledger({ kind: "loss", epoch, stream, device, first, last, count: lost, from, to, reason: "corrupt" });
      this.#add({ ledgered: lost });
      found.add(first, last);
    }
  }

  #takeQuarantined(id: number, cells: QuarantineCells, sink: SalvageSink): number {
    if (this.#rangesOf("", "quarantine", "").add(id) === 0) return 0;
    const [, timeMicros, source, address, device, profile, form, reason, detail, size, , , , bytes] = cells;
    const item = { timeMicros, source, address, device, profile, form, reason, detail, size, bytes };
    // Words of ours in a row without a checksum: what they say is shown to a person, nothing follows from it.
    sink.quarantine(item as QuarantineItem);
    return bytes.length;
  }

  /** The epochs of the file got their last word from nobody else; it is final only where nothing may be missing behind it. */
  #tellManifests(sink: SalvageSink, nowMicros: number): void {
    for (const tracker of this.#manifests.values()) {
      for (const manifest of tracker.records(nowMicros, this.#progress.unreadable === 0)) sink.manifest(manifest);
    }
  }

  #noteHighest(epoch: string, entries: readonly Entry[]): void {
    let tracker = this.#manifests.get(epoch);
    if (tracker === undefined) {
      tracker = new ManifestTracker(epoch, this.#partitions);
      this.#manifests.set(epoch, tracker);
    }
    for (const entry of entries) tracker.note(entry);
  }

  #rangesOf(epoch: string, stream: Stream | Lane | "quarantine", device: string): Ranges {
    const key = `${epoch}/${stream}/${device}`;
    let ranges = this.#found.get(key);
    if (ranges === undefined) {
      ranges = new Ranges();
      this.#found.set(key, ranges);
    }
    return ranges;
  }

  #add(more: { records?: number; ledgered?: number; unreadable?: number }): void {
    const { records, ledgered, unreadable } = this.#progress;
    this.#progress = {
      ...this.#progress,
      records: records + (more.records ?? 0),
      ledgered: ledgered + (more.ledgered ?? 0),
      unreadable: unreadable + (more.unreadable ?? 0),
    };
  }
}

/**
 * The highest start counter that the front of a set-aside database tells of, so that a fresh one goes on counting.
 * The table of epochs is made with the database and small: it stands there.
 */
export function highestCounter(folder: string, file: string): number {
  const database = new DatabaseFile(join(folder, file));
  try {
    let highest = 0;
    for (let page = 1; page <= Math.min(database.pages, pagesPerStep); page++) {
      for (const { id, cells } of database.read(page).rows) {
        const epoch = typeof cells[1] === "string" ? epochOf(cells[1]) : undefined;
        if (cells.length >= 6 && epoch?.counter === id) highest = Math.max(highest, epoch!.counter);
      }
    }
    return highest;
  } finally {
    database.close();
  }
}

const silent: SalvageSink = {
  storeBlock: () => undefined,
  ledger: () => undefined,
  manifest: () => undefined,
  quarantine: () => undefined,
};

const phases = ["cursors", "blocks", "directories", "done"] as const;

function isBefore(a: SalvageProgress, b: SalvageProgress): boolean {
  const [of, than] = [phases.indexOf(a.phase), phases.indexOf(b.phase)];
  return of < than || (of === than && a.page < b.page);
}

type BlockCells = readonly [null, number, number, number, number, crc: number, data: Uint8Array];
type DirectoryCells = readonly [null, crc: number, data: Uint8Array];
/** In the order of the table's columns, see database.ts. */
type QuarantineCells = readonly [
  id: null,
  time: number,
  source: string,
  address: string,
  device: string,
  profile: string,
  form: string,
  reason: string,
  detail: string,
  size: number,
  kept: number,
  tries: number,
  tried: number,
  data: Uint8Array,
];

function isBlockRow(cells: readonly Cell[]): cells is BlockCells {
  return hasShape(cells, ["object", "number", "number", "number", "number", "number", "bytes"]);
}

function isDirectoryRow(cells: readonly Cell[]): cells is DirectoryCells {
  return hasShape(cells, ["object", "number", "bytes"]);
}

function isQuarantineRow(cells: readonly Cell[]): cells is QuarantineCells {
  const texts = Array.from({ length: 7 }, () => "string");
  const shape = ["object", "number", ...texts, "number", "number", "number", "number", "bytes"];
  return hasShape(cells, shape) && cells[10] === (cells[13] as Uint8Array).length;
}

function hasShape(cells: readonly Cell[], shape: readonly string[]): boolean {
  return (
    cells.length === shape.length &&
    cells.every((cell, at) => (cell instanceof Uint8Array ? "bytes" : typeof cell) === shape[at])
  );
}
