import { formatWireTime } from "../../../src/observation/time.ts";
import type { LedgerRecord } from "../../../src/wire/records.ts";
import { isNumbered, lanes, type Lane, type Stream } from "../../../src/wire/streams.ts";
import { recordsOf, type Entry } from "../block.ts";
import { OfflineJournal, type StoredBlock } from "./reader.ts";

/** What a journal holds, for a person and, as it is, for a program. Times are wire times. */
export interface Inspection {
  readonly file: { readonly path: string; readonly bytes: number; readonly logBytes: number | undefined };
  readonly formatVersion: number;
  /** From the records in which the gateway speaks of itself; undefined where none is stored any more. */
  readonly gateway: string | undefined;
  readonly partitions: number | undefined;
  readonly bytesUsed: number;
  readonly epochs: readonly { readonly epoch: string; readonly started: string; readonly ended: boolean }[];
  readonly lanes: readonly LaneContent[];
  readonly devices: readonly DeviceContent[];
  readonly ledger: LedgerContent;
  readonly quarantine: QuarantineContent;
  readonly cursors: readonly { readonly key: string; readonly value: string }[];
  /** Blocks that failed their checksum earlier and were ledgered then. */
  readonly setAsideBlocks: number;
  /** Blocks of which not even the directory could be read: `verify` says more. */
  readonly unreadableBlocks: number;
  /** Rows that destroyed pages hide. */
  readonly unreadableRows: number;
}

export interface LaneContent {
  readonly lane: Lane;
  readonly blocks: number;
  readonly bytes: number;
  readonly records: number;
  readonly unsentRecords: number;
  readonly unsentBytes: number;
  /** When its first and its last block were stored; undefined where it is empty. */
  readonly oldest: string | undefined;
  readonly newest: string | undefined;
  readonly oldestUnsent: string | undefined;
}

export interface DeviceContent {
  readonly device: string;
  readonly streams: readonly StreamContent[];
}

export interface StreamContent {
  readonly stream: Stream;
  readonly epoch: string;
  readonly records: number;
  readonly unsentRecords: number;
  /** Lowest and highest number that is stored; undefined in streams that are not numbered. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  /** Of the records' own times. */
  readonly from: string;
  readonly to: string;
}

export interface LedgerContent {
  /** Of the ledger entries that are still stored: what was lost, by reason. */
  readonly reasons: readonly {
    readonly reason: string;
    readonly records: number;
    readonly entries: number;
    readonly devices: number;
    readonly from: string;
    readonly to: string;
  }[];
  /** The newest entries, newest first. */
  readonly newest: readonly LedgerRecord[];
}

export interface QuarantineContent {
  readonly messages: number;
  readonly bytes: number;
  readonly reasons: readonly { readonly reason: string; readonly messages: number }[];
  readonly oldest: string | undefined;
  readonly newest: string | undefined;
}

const ledgerNewestMax = 20;

/** Reads every directory, and the blocks that hold ledger entries. Memory follows the number of devices, not of records. */
export function inspect(journal: OfflineJournal): Inspection {
  const devices = new Map<string, Map<string, StreamTally>>();
  const ledger = new LedgerTally();
  const facts = { gateway: undefined as string | undefined, unreadableBlocks: 0 };
  const content = lanes.map((lane) => {
    const tally = new LaneTally(lane, journal);
    for (const block of journal.directories(lane)) {
      const unsentShare = tally.add(block) / block.count;
      if (block.directory === undefined) facts.unreadableBlocks++;
      for (const entry of block.directory?.entries ?? []) {
        facts.gateway = gatewayOf(entry) ?? facts.gateway;
        addToDevice(devices, entry, block.directory!.epoch, unsentShare);
      }
      if (block.directory?.entries.some(({ stream }) => stream === "ledger") === true) ledger.add(journal, block);
    }
    return tally.content();
  });
  // Up to format 3 in `meta`.
  const partitions = journal.state("partitions") ?? journal.meta("partitions");
  const result: Inspection = {
    file: { path: journal.path, bytes: journal.fileBytes, logBytes: journal.logBytes },
    formatVersion: journal.formatVersion,
    gateway: facts.gateway,
    partitions: partitions === undefined ? undefined : Number(partitions),
    bytesUsed: journal.bytesUsed,
    epochs: journal.epochs().map(({ text, startedMicros, ended }) => ({
      epoch: text,
      started: formatWireTime(startedMicros),
      ended,
    })),
    lanes: content,
    devices: [...devices]
      .toSorted(([a], [b]) => compareText(a, b))
      .map(([device, tallies]) => ({ device, streams: [...tallies.values()].map((tally) => tally.content()) })),
    ledger: ledger.content(),
    quarantine: quarantineContent(journal),
    cursors: cursorsOf(journal),
    setAsideBlocks: journal.setAsideCount(),
    unreadableBlocks: facts.unreadableBlocks,
    unreadableRows: journal.unreadable.length,
  };
  journal.requireUntouched();
  return result;
}

/** The gateway's own device names are its id, or begin with it. */
function gatewayOf({ stream, device }: Entry): string | undefined {
  if (stream === "gatewayStatus") return device;
  return stream === "ledger" ? /^(.+)\/p\d+$/.exec(device)?.[1] : undefined;
}

/** `tidegate` writes what its readers have reached into the state table; snapshots and counters are not cursors. */
function cursorsOf(journal: OfflineJournal): Inspection["cursors"] {
  return journal
    .stateKeys()
    .filter(({ key }) => key.startsWith("forward:") || key.startsWith("source:") || key.endsWith(":cursor"))
    .map(({ key, text, bytes }) => ({ key, value: bytes > text.length ? `${text}…` : text }));
}

class LaneTally {
  readonly #lane: Lane;
  readonly #settled;
  #blocks = 0;
  #bytes = 0;
  #records = 0;
  #unsentRecords = 0;
  #unsentBytes = 0;
  #oldest: number | undefined;
  #newest: number | undefined;
  #oldestUnsent: number | undefined;

  constructor(lane: Lane, journal: OfflineJournal) {
    this.#lane = lane;
    this.#settled = journal.settled(lane);
  }

  /** Returns how many of its records Kafka does not have and should. */
  add(block: StoredBlock): number {
    const { count, bytes, storedMicros } = block;
    this.#blocks++;
    this.#bytes += bytes;
    this.#records += count;
    this.#oldest ??= storedMicros;
    this.#newest = storedMicros;
    const unsent = OfflineJournal.unsentRecords(block, this.#settled);
    this.#unsentRecords += unsent;
    this.#unsentBytes += Math.floor((bytes * unsent) / count);
    if (unsent > 0) this.#oldestUnsent ??= storedMicros;
    return unsent;
  }

  content(): LaneContent {
    return {
      lane: this.#lane,
      blocks: this.#blocks,
      bytes: this.#bytes,
      records: this.#records,
      unsentRecords: this.#unsentRecords,
      unsentBytes: this.#unsentBytes,
      oldest: timeOf(this.#oldest),
      newest: timeOf(this.#newest),
      oldestUnsent: timeOf(this.#oldestUnsent),
    };
  }
}

class StreamTally {
  readonly #stream: Stream;
  readonly #epoch: string;
  #records = 0;
  #unsent = 0;
  #first = Infinity;
  #last = 0;
  #fromMicros = Infinity;
  #toMicros = -Infinity;

  constructor(stream: Stream, epoch: string) {
    this.#stream = stream;
    this.#epoch = epoch;
  }

  /** Of a merged block that is sent in part, a device's share is taken for that of the block. */
  add({ count, firstSeq, minTimeMicros, maxTimeMicros }: Entry, unsentShare: number): void {
    this.#records += count;
    this.#unsent += Math.round(count * unsentShare);
    this.#first = Math.min(this.#first, firstSeq);
    this.#last = Math.max(this.#last, firstSeq + count - 1);
    this.#fromMicros = Math.min(this.#fromMicros, minTimeMicros);
    this.#toMicros = Math.max(this.#toMicros, maxTimeMicros);
  }

  content(): StreamContent {
    const numbered = isNumbered(this.#stream);
    return {
      stream: this.#stream,
      epoch: this.#epoch,
      records: this.#records,
      unsentRecords: this.#unsent,
      first: numbered ? this.#first : undefined,
      last: numbered ? this.#last : undefined,
      from: formatWireTime(this.#fromMicros),
      to: formatWireTime(this.#toMicros),
    };
  }
}

function addToDevice(
  devices: Map<string, Map<string, StreamTally>>,
  entry: Entry,
  epoch: string,
  unsentShare: number,
): void {
  let tallies = devices.get(entry.device);
  if (tallies === undefined) devices.set(entry.device, (tallies = new Map<string, StreamTally>()));
  const key = `${entry.stream} ${epoch}`;
  let tally = tallies.get(key);
  if (tally === undefined) tallies.set(key, (tally = new StreamTally(entry.stream, epoch)));
  tally.add(entry, unsentShare);
}

class LedgerTally {
  readonly #reasons: Map<string, { records: number; entries: number; devices: Set<string>; from: string; to: string }> =
    new Map();
  #newest: LedgerRecord[] = [];

  add(journal: OfflineJournal, { lane, id }: StoredBlock): void {
    for (const { entry, value } of (journal.blocksWithin(lane, id) ?? []).flatMap((block) => [...recordsOf(block)])) {
      if (entry.stream !== "ledger") continue;
      const record = JSON.parse(value.toString("utf8")) as LedgerRecord | { kind: "manifest" };
      if (record.kind === "loss") this.#addLoss(record);
    }
  }

  #addLoss(loss: LedgerRecord): void {
    const { reason, count, device, from, to } = loss;
    const tally = this.#reasons.get(reason) ?? { records: 0, entries: 0, devices: new Set<string>(), from, to };
    this.#reasons.set(reason, tally);
    tally.records += count;
    tally.entries++;
    tally.devices.add(device);
    if (from < tally.from) tally.from = from;
    if (to > tally.to) tally.to = to;
    this.#newest.push(loss);
    if (this.#newest.length > 2 * ledgerNewestMax) this.#newest = this.#newest.slice(-ledgerNewestMax);
  }

  content(): LedgerContent {
    return {
      reasons: [...this.#reasons].map(([reason, { devices, ...tally }]) => ({
        reason,
        ...tally,
        devices: devices.size,
      })),
      newest: this.#newest.slice(-ledgerNewestMax).toReversed(),
    };
  }
}

function quarantineContent(journal: OfflineJournal): QuarantineContent {
  const reasons = new Map<string, number>();
  let messages = 0;
  let bytes = 0;
  let oldest: number | undefined;
  let newest: number | undefined;
  for (const row of journal.quarantine()) {
    messages++;
    bytes += row.keptBytes;
    reasons.set(row.reason, (reasons.get(row.reason) ?? 0) + 1);
    oldest = Math.min(oldest ?? Infinity, row.timeMicros);
    newest = Math.max(newest ?? -Infinity, row.timeMicros);
  }
  const byCount = [...reasons].toSorted((a, b) => b[1] - a[1]);
  return {
    messages,
    bytes,
    reasons: byCount.map(([reason, count]) => ({ reason, messages: count })),
    oldest: timeOf(oldest),
    newest: timeOf(newest),
  };
}

function timeOf(micros: number | undefined): string | undefined {
  return micros === undefined ? undefined : formatWireTime(micros);
}

/** `press-2` before `press-10`. */
const compareText = new Intl.Collator("en", { numeric: true }).compare;
