import { Ranges } from "../../../src/wire/ranges.ts";
import type { LedgerRecord, ManifestRecord } from "../../../src/wire/records.ts";
import { isNumbered, lanes, type Lane, type Stream } from "../../../src/wire/streams.ts";
import { isForeignLog, losesCommits } from "../log-check.ts";
import { recordsOf, type Block, type Entry } from "../block.ts";
import type { StoredDirectory } from "../stored-directory.ts";
import { OfflineJournal, type CheckedBlock } from "./reader.ts";

/** One thing that is wrong, in words, with what it means for the data. */
export interface Finding {
  /**
   * `loss`: records are gone that Kafka does not have. `damage`: something is broken, and no record is lost by it.
   * `count`: a figure or a cursor does not fit what is stored.
   */
  readonly kind: "loss" | "damage" | "count";
  readonly what: string;
  readonly meaning: string;
}

export interface Verification {
  readonly blocks: number;
  readonly records: number;
  readonly damagedBlocks: number;
  /** Records inside damaged blocks that Kafka does not have. */
  readonly recordsLost: number;
  /** At most `findingsMax`; `findingsLeftOut` says how many more there are. */
  readonly findings: readonly Finding[];
  readonly findingsLeftOut: number;
}

const findingsMax = 200;

/**
 * Reads everything and checks: the pages of the file, the checksum of each block and directory, that the two agree,
 * that numbers are dense or their holes explained (by the ledger, or by blocks that were forwarded and deleted),
 * cursors and counters. Memory follows the number of devices and epochs, not of records.
 */
export function verify(journal: OfflineJournal): Verification {
  const findings = new Findings();
  for (const text of journal.pageFaults()) {
    findings.add("damage", `SQLite: ${text}`, "Pages of the file are broken; what it hides of the data follows below.");
  }
  const numbers = new NumberCheck();
  const existing = new Ranges();
  const tallies = lanes.map((lane) => checkLane(journal, lane, numbers, existing, findings));
  checkUnreadable(journal, findings);
  numbers.report(journal, existing, findings);
  checkCounters(journal, tallies, existing, findings);
  checkQuarantine(journal, findings);
  checkRows(journal, findings);
  checkLog(journal, findings);
  journal.requireUntouched();
  return {
    blocks: sum(tallies, (tally) => tally.blocks),
    records: sum(tallies, (tally) => tally.records),
    damagedBlocks: sum(tallies, (tally) => tally.damagedBlocks),
    recordsLost: findings.recordsLost,
    findings: findings.list,
    findingsLeftOut: findings.leftOut,
  };
}

interface LaneTally {
  readonly lane: Lane;
  blocks: number;
  bytes: number;
  records: number;
  unsentRecords: number;
  damagedBlocks: number;
}

function checkLane(
  journal: OfflineJournal,
  lane: Lane,
  numbers: NumberCheck,
  existing: Ranges,
  findings: Findings,
): LaneTally {
  const tally: LaneTally = { lane, blocks: 0, bytes: 0, records: 0, unsentRecords: 0, damagedBlocks: 0 };
  const settled = journal.settled(lane);
  for (const stored of journal.blocks(lane)) {
    const unsent = OfflineJournal.unsentRecords(stored, settled);
    tally.blocks++;
    tally.bytes += stored.bytes;
    tally.records += stored.count;
    tally.unsentRecords += unsent;
    existing.add(stored.id);
    for (const id of stored.directory?.parts.ids ?? []) existing.add(id);
    checkBlock(stored, unsent, tally, findings);
    for (const block of stored.blocks ?? []) {
      numbers.add(lane, block.id, block);
      if (lane === "critical") numbers.readLedger(block);
    }
    if (stored.blocks === undefined && stored.directory !== undefined) numbers.add(lane, stored.id, stored.directory);
  }
  for (const id of journal.orphanDirectories(lane)) {
    findings.add(
      "loss",
      `${lane}: the directory of block ${id} is there, the block is not`,
      "Its records cannot be read. The manifests say which numbers they had, so the cloud sees the hole.",
    );
  }
  return tally;
}

function checkBlock(stored: CheckedBlock, unsent: number, tally: LaneTally, findings: Findings): void {
  const { lane, id, count, blocks, within, directory } = stored;
  const where = `${lane}: block ${id}`;
  if (blocks === undefined || within === undefined) {
    tally.damagedBlocks++;
    const holds = directory === undefined ? `${count} records; which, nobody can say` : contentOf(directory);
    findings.addBlock(`${where} fails its checksum (${holds})`, lane, unsent);
    return;
  }
  if (stored.directoryDamaged) {
    findings.add(
      "damage",
      `${where}: its directory fails its checksum or is missing`,
      "No record is lost: the block has a copy of its directory.",
    );
  } else if (!sameDirectory(directory!, within)) {
    findings.add(
      "damage",
      `${where}: its directory is not the one inside the block`,
      "Both are whole, so one of them belongs to another block: the file was put together from two states.",
    );
  }
  const records = sum(blocks, countRecords);
  if (records !== count) {
    findings.add("damage", `${where} holds ${records} records and is counted as ${count}`, "The count is wrong.");
  }
}

/** What the entries claim, and what the records say, must be the same; NaN where it is not. */
function countRecords(block: Block): number {
  const perEntry = new Map<Entry, number>();
  let total = 0;
  for (const { entry } of recordsOf(block)) {
    perEntry.set(entry, (perEntry.get(entry) ?? 0) + 1);
    total++;
  }
  return block.entries.every((entry) => perEntry.get(entry) === entry.count) ? total : Number.NaN;
}

function sameDirectory(a: StoredDirectory, b: StoredDirectory): boolean {
  const text = ({ lane, epoch, parts, entries }: StoredDirectory): string =>
    JSON.stringify([lane, epoch, parts, entries]);
  return text(a) === text(b);
}

const namedMax = 3;

function contentOf({ entries }: StoredDirectory): string {
  const named = entries.slice(0, namedMax).map((entry) => `${entry.stream} of ${entry.device}${numbersOf(entry)}`);
  const rest = entries.length - named.length;
  return named.join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

function numbersOf({ firstSeq, count }: Entry): string {
  return firstSeq === 0 ? `, ${count} records` : ` ${span(firstSeq, firstSeq + count - 1)}`;
}

function span(first: number, last: number): string {
  return first === last ? `${first}` : `${first}–${last}`;
}

function checkUnreadable(journal: OfflineJournal, findings: Findings): void {
  for (const { table, after, before } of journal.unreadable) {
    const rows = before === undefined ? `all rows after ${after}` : `rows ${span(after + 1, before - 1)}`;
    findings.add(
      "loss",
      `${table}: ${rows} cannot be read, since pages of the file are destroyed`,
      "What they held is lost unless Kafka has it. Rows of the rest of the table are not affected.",
    );
  }
}

interface Gap {
  readonly key: string;
  readonly lane: Lane;
  readonly first: number;
  readonly last: number;
  /** The gap lies between these blocks, both excluded. */
  readonly afterBlock: number;
  readonly beforeBlock: number;
}

const gapsMax = 10_000;

/** Whether the numbers of each epoch, stream and device are dense, and what explains them where they are not. */
class NumberCheck {
  readonly #seen: Map<string, { lane: Lane; next: number; block: number }> = new Map();
  readonly #gaps: Gap[] = [];
  readonly #twice: string[] = [];
  readonly #ledgered: Map<string, Ranges> = new Map();
  readonly #manifests: Map<string, number> = new Map();

  /** Blocks of a lane come in the order of their ids. */
  add(lane: Lane, block: number, { epoch, entries }: Pick<StoredDirectory, "epoch" | "entries">): void {
    for (const { stream, device, firstSeq, count } of entries) {
      if (!isNumbered(stream)) continue;
      const key = keyOf(epoch, stream, device);
      const seen = this.#seen.get(key) ?? { lane, next: 1, block: 0 };
      this.#seen.set(key, seen);
      if (firstSeq > seen.next) {
        this.#addGap({
          key,
          lane,
          first: seen.next,
          last: firstSeq - 1,
          afterBlock: seen.block,
          beforeBlock: block,
        });
      } else if (firstSeq < seen.next)
        this.#twice.push(`${key} ${span(firstSeq, firstSeq + count - 1)}, block ${block}`);
      seen.next = Math.max(seen.next, firstSeq + count);
      seen.block = block;
    }
  }

  #addGap(gap: Gap): void {
    if (this.#gaps.length < gapsMax) this.#gaps.push(gap);
  }

  readLedger(block: Block): void {
    for (const { entry, value } of recordsOf(block)) {
      if (entry.stream !== "ledger") continue;
      const record = JSON.parse(value.toString("utf8")) as LedgerRecord | ManifestRecord;
      if (record.kind === "manifest") this.#addManifest(record);
      else if (record.first !== undefined && record.last !== undefined) {
        const key = keyOf(record.epoch, record.stream as Stream, record.device);
        const ranges = this.#ledgered.get(key) ?? new Ranges();
        ranges.add(record.first, record.last);
        this.#ledgered.set(key, ranges);
      }
    }
  }

  #addManifest({ epoch, highest }: ManifestRecord): void {
    for (const [stream, devices] of Object.entries(highest)) {
      for (const [device, last] of Object.entries(devices)) {
        const key = keyOf(epoch, stream as Stream, device);
        this.#manifests.set(key, Math.max(last, this.#manifests.get(key) ?? 0));
      }
    }
  }

  report(journal: OfflineJournal, existing: Ranges, findings: Findings): void {
    for (const text of this.#twice.slice(0, findingsMax)) {
      findings.add(
        "damage",
        `numbers were given twice: ${text}`,
        "The cloud counts a number once, so one of the two records would be dropped. Keep this file and report it.",
      );
    }
    const forwarded = Object.fromEntries(lanes.map((lane) => [lane, gone(journal, lane, existing)]));
    for (const gap of [...this.#gaps, ...this.#tails(existing)]) {
      const isGone = forwarded[gap.lane]!.overlapping(gap.afterBlock + 1, gap.beforeBlock - 1).length > 0;
      if (isGone) continue;
      const missing = (this.#ledgered.get(gap.key) ?? new Ranges()).missing(gap.first, gap.last);
      for (const [first, last] of missing) {
        findings.addHole(`${gap.key}: ${span(first, last)} are missing, and nothing explains them`, last - first + 1);
      }
    }
  }

  /** Numbers that a manifest names and that stand in no block. */
  #tails(existing: Ranges): Gap[] {
    const end = (existing.toJSON().at(-1) ?? 0) + 1;
    return [...this.#manifests].flatMap(([key, last]) => {
      const seen = this.#seen.get(key);
      if (seen === undefined || seen.next > last) return [];
      const { lane, next, block } = seen;
      return [{ key, lane, first: next, last, afterBlock: block, beforeBlock: end }];
    });
  }
}

/** Block ids that Kafka has, and that no lane stores any more. */
function gone(journal: OfflineJournal, lane: Lane, existing: Ranges): Ranges {
  const ids = new Ranges();
  for (const [first, last] of journal.settled(lane).pairs()) {
    for (const [from, to] of existing.missing(first, last)) ids.add(from, to);
  }
  return ids;
}

function keyOf(epoch: string, stream: Stream, device: string): string {
  return `${stream} of ${device} in epoch ${epoch}`;
}

/** The figures that the journal keeps beside its blocks must be those of the blocks. */
function checkCounters(
  journal: OfflineJournal,
  tallies: readonly LaneTally[],
  existing: Ranges,
  findings: Findings,
): void {
  const head = journal.head();
  const newest = existing.toJSON().at(-1) ?? 0;
  if (head === undefined) {
    if (newest > 0) {
      findings.add("count", "the row with the journal's counters is missing", "The next start would count from zero.");
    }
    return;
  }
  if (newest >= head.nextBlock) {
    findings.add(
      "count",
      `block ${newest} is stored, and the next block would be ${head.nextBlock}`,
      "Block ids would be used twice: the file was put together from two states.",
    );
  }
  for (const { lane, blocks, records, unsentRecords, bytes } of tallies) {
    const counted = head.lanes[lane];
    const pairs = [
      ["blocks", blocks, counted.blocks],
      ["records", records, counted.records],
      ["bytes", bytes, counted.bytes],
      ["unsent records", unsentRecords, lane === "history" ? 0 : counted.unsentRecords],
    ] as const;
    for (const [name, found, said] of pairs) {
      if (found === said) continue;
      findings.add(
        "count",
        `${lane}: ${found} ${name} are stored, and ${said} are counted`,
        "No record is lost by that. Metrics, forecast and quota are off by the difference.",
      );
    }
    checkCursor(journal, lane, head.nextBlock, findings);
  }
}

function checkCursor(journal: OfflineJournal, lane: Lane, nextBlock: number, findings: Findings): void {
  const bounds = journal.settled(lane).toJSON();
  const isOrdered = bounds.every(
    (bound, i) => Number.isSafeInteger(bound) && (i % 2 === 0 ? true : bound >= bounds[i - 1]!),
  );
  if (!isOrdered || bounds.length % 2 !== 0) {
    findings.add(
      "count",
      `${lane}: the forwarder's cursor is no list of ranges`,
      "Records may be sent again, or not at all.",
    );
  } else if ((bounds.at(-1) ?? 0) >= nextBlock) {
    findings.add(
      "count",
      `${lane}: the forwarder's cursor stands at ${bounds.at(-1)}, beyond the newest block ${nextBlock - 1}`,
      "New records up to that block would never be sent: the cursor belongs to another state of the journal.",
    );
  }
}

function checkQuarantine(journal: OfflineJournal, findings: Findings): void {
  let count = 0;
  for (const { id, keptBytes } of journal.quarantine()) {
    count++;
    const bytes = journal.quarantinedBytes(id);
    if (bytes?.length === keptBytes) continue;
    findings.add(
      "damage",
      `quarantine: message ${id} has ${bytes?.length ?? "no readable"} bytes of ${keptBytes}`,
      "It cannot be tried again as it was received.",
    );
  }
  const said = journal.head()?.quarantine.count ?? 0;
  if (count !== said) {
    findings.add(
      "count",
      `quarantine: ${count} messages are stored, and ${said} are counted`,
      "Its limits are off by that.",
    );
  }
}

const fresh = "An agent that finds it sets this file aside, goes on with a fresh one and brings back what is readable.";

/** Every state row is read for its checksum; what the others found stands there too. */
function checkRows(journal: OfflineJournal, findings: Findings): void {
  for (const { key } of journal.stateKeys()) journal.state(key);
  journal.epochs();
  for (const row of journal.damagedRows) {
    findings.add(
      "damage",
      `the ${row} fails its checksum`,
      `${fresh} Records may be sent again; the cloud counts them once.`,
    );
  }
  const highest = journal.damagedHighest();
  if (highest > 0) {
    findings.add(
      "damage",
      `${highest} highest numbers of epochs fail their checksum`,
      "No record is lost. Asked for numbers that it no longer has, the agent cannot say that they are gone for good.",
    );
  }
}

function checkLog({ path }: OfflineJournal, findings: Findings): void {
  if (losesCommits(path)) {
    findings.add("loss", "the write-ahead log is broken, and whole commits stand behind the break", fresh);
  }
  if (isForeignLog(path)) {
    findings.add(
      "damage",
      "the write-ahead log is not that of this database, or an older one",
      "The two were copied or restored one by one: what is read of both together cannot be trusted. Copy both again.",
    );
  }
}

class Findings {
  readonly list: Finding[] = [];
  leftOut = 0;
  recordsLost = 0;

  add(kind: Finding["kind"], what: string, meaning: string): void {
    if (this.list.length < findingsMax) this.list.push({ kind, what, meaning });
    else this.leftOut++;
  }

  addBlock(what: string, lane: Lane, unsent: number): void {
    this.recordsLost += unsent;
    const next = "An agent that reads it sets the block aside; its neighbours are not affected.";
    if (unsent > 0)
      this.add("loss", what, `${unsent} records that Kafka does not have are lost. ${next} The ledger will name them.`);
    else if (lane === "history")
      this.add("damage", what, `Local history only: Kafka was never meant to have it. ${next}`);
    else this.add("damage", what, `Kafka has these records already; here they cannot be read again. ${next}`);
  }

  addHole(what: string, records: number): void {
    this.recordsLost += records;
    this.add(
      "loss",
      what,
      "They were stored once. The manifests say that they existed, so the cloud reports the device as incomplete there.",
    );
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
