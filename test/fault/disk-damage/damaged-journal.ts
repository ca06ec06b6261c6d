import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sound } from "../../../edge/journal/block-tables.ts";
import { recordsOf, type Block } from "../../../edge/journal/block.ts";
import { unpackStored } from "../../../edge/journal/merged-block.ts";
import { Store } from "../../../edge/journal/store.ts";
import { systemClock } from "../../../src/clock.ts";
import { Ranges } from "../../../src/wire/ranges.ts";
import type { LedgerRecord, ManifestRecord } from "../../../src/wire/records.ts";
import { isNumbered, lanes } from "../../../src/wire/streams.ts";
import { GroupMaker, storeOptions } from "../../support/records.ts";
import { blocksOf } from "../../support/stored.ts";
import { groupOf, numberOf } from "../power-cut/load.ts";

/** Identity → value of the records that Kafka would get; `h<number>` for history, which has no identity. */
export type Records = Map<string, string>;

/** A journal as it lies on disk, and what it promises to deliver. */
export interface MadeJournal {
  readonly folder: string;
  readonly all: Records;
  readonly unsent: Records;
  /** The write-ahead log as it was when the second epoch was half done. */
  readonly olderLog: Buffer;
}

/**
 * Two epochs of many small commits in all lanes, a third of the blocks settled. `crashed`: the second ends without a
 * word and leaves its write-ahead log; otherwise everything is in the database.
 */
export function makeJournal(folder: string, { groups = 30, crashed = false } = {}): MadeJournal {
  const working = join(folder, "made");
  let olderLog = Buffer.alloc(0);
  const sent = new Set<string>();
  const all: Records = new Map();
  for (let session = 0; session < 2; session++) {
    const store = Store.open(storeOptions(working), systemClock);
    const maker = new GroupMaker(4, 65_536 * 4);
    for (let n = 0; n < groups; n++) {
      if (n === groups / 2) olderLog = readFileSync(join(working, "journal.db-wal"));
      store.commit(maker.group(groupOf(session, n)));
    }
    for (const block of lanes.flatMap((lane) => blocksOf(store, lane))) {
      for (const [identity, value] of recordsIn(block)) all.set(identity, value);
      if (block.lane === "history" || block.id % 3 !== 0) continue;
      store.settle(block.lane, block.id, block.id);
      for (const identity of recordsIn(block).keys()) sent.add(identity);
    }
    store.writeManifest();
    if (crashed && session === 1) cpSync(working, join(folder, "crashed"), { recursive: true });
    store.abandon();
  }
  const unsent = new Map([...all].filter(([identity]) => !sent.has(identity)));
  return { folder: join(folder, crashed ? "crashed" : "made"), all, unsent, olderLog };
}

function recordsIn(block: Block): Records {
  const records: Records = new Map();
  for (const { entry, seq, value } of recordsOf(block)) {
    const text = value.toString();
    if (isNumbered(entry.stream)) records.set(`${block.epoch}/${entry.stream}/${entry.device}/${seq}`, text);
    else if (block.lane === "history") records.set(`h${numberOf(text)}`, text);
  }
  return records;
}

/** Puts a copy of the journal into `to`, damaged by `damage`. */
export function damagedCopy(made: MadeJournal, to: string, damage: (path: string) => void): string {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  for (const suffix of ["", "-wal"]) {
    const from = join(made.folder, `journal.db${suffix}`);
    if (existsSync(from)) writeFileSync(join(to, `journal.db${suffix}`), readFileSync(from));
  }
  damage(join(to, "journal.db"));
  return to;
}

export interface Recovered {
  readonly delivered: Records;
  readonly history: ReadonlySet<string>;
  readonly ledgered: ReadonlySet<string>;
  readonly manifests: readonly ManifestRecord[];
  readonly setAside: string | undefined;
  readonly salvage: ReturnType<Store["usage"]>["salvage"];
}

/** Opens the journal, forwards everything, lets the salvage end, and forwards the rest. */
export function recover(folder: string): Recovered {
  const store = Store.open(storeOptions(folder), systemClock);
  try {
    const found = { delivered: new Map(), history: new Set<string>(), ledgered: new Set<string>(), manifests: [] };
    forwardAll(store, found);
    for (let more = true; more;) more = store.salvage().more;
    forwardAll(store, found);
    store.commit(new GroupMaker(4, 65_536).group(groupOf(900, 0)));
    return { ...found, setAside: store.setAside, salvage: store.usage().salvage };
  } finally {
    store.abandon();
  }
}

interface Found {
  readonly delivered: Records;
  readonly history: Set<string>;
  readonly ledgered: Set<string>;
  readonly manifests: ManifestRecord[];
}

function forwardAll(store: Store, found: Found): void {
  for (const lane of lanes) {
    for (let after = 0; ;) {
      const packed = store.next(lane, after);
      if (packed === undefined) break;
      assert(packed.id > after, "reading goes on");
      const blocks = sound(() => unpackStored(packed.id, packed.data, packed.crc));
      if (blocks === undefined) {
        store.setCorruptAside(lane, packed.id);
        assert.notEqual(store.next(lane, after)?.id, packed.id, "the next one has taken its place");
      } else {
        const settled = new Ranges(store.settledRanges(lane));
        for (const block of blocks) if (!settled.has(block.id)) take(block, found);
        if (lane !== "history") store.settle(lane, after + 1, packed.id);
        after = packed.id;
      }
    }
  }
  store.flush();
}

function take(block: Block, found: Found): void {
  for (const [identity, value] of recordsIn(block)) {
    if (block.lane === "history") {
      found.history.add(identity);
      continue;
    }
    const before = found.delivered.get(identity);
    if (before !== undefined && before !== value) throw new Error(`${identity} has two values`);
    found.delivered.set(identity, value);
  }
  for (const { entry, value } of recordsOf(block)) {
    if (entry.stream !== "ledger") continue;
    const own = JSON.parse(value.toString()) as LedgerRecord | ManifestRecord;
    if (own.kind === "manifest") found.manifests.push(own);
    else
      for (let seq = own.first!; seq <= own.last!; seq++)
        found.ledgered.add(`${own.epoch}/${own.stream}/${own.device}/${seq}`);
  }
}

/** What the promise says and the recovered journal does not keep; history is local and counted apart. */
export function brokenPromises(made: MadeJournal, recovered: Recovered): string[] {
  const problems: string[] = [];
  for (const [identity, value] of made.unsent) {
    if (identity.startsWith("h")) continue;
    const delivered = recovered.delivered.get(identity);
    if (delivered === undefined && !recovered.ledgered.has(identity)) problems.push(`lost in silence: ${identity}`);
    if (delivered !== undefined && delivered !== value) problems.push(`delivered with other bytes: ${identity}`);
    if (delivered !== undefined && recovered.ledgered.has(identity))
      problems.push(`delivered and ledgered: ${identity}`);
  }
  return problems;
}

/** What was delivered although it was never stored, or has another value than it had. */
export function inventions(made: MadeJournal, { delivered }: Recovered): string[] {
  return [...delivered].flatMap(([identity, value]) => {
    if (identity.includes("/ledger/") || made.all.get(identity) === value) return [];
    return [`never stored: ${identity}`];
  });
}

/** Unsent records that were neither delivered nor named. */
export function missing(made: MadeJournal, { delivered, ledgered }: Recovered): string[] {
  return [...made.unsent.keys()].filter((at) => !at.startsWith("h") && !delivered.has(at) && !ledgered.has(at));
}

/** Of `missing`, what stands before something of its device that was delivered: a hole instead of an end. */
export function holes(made: MadeJournal, recovered: Recovered): string[] {
  const highest = new Map<string, number>();
  for (const identity of recovered.delivered.keys()) {
    const { device, seq } = partsOf(identity);
    highest.set(device, Math.max(highest.get(device) ?? 0, seq));
  }
  return missing(made, recovered).filter((identity) => {
    const { device, seq } = partsOf(identity);
    return seq < (highest.get(device) ?? 0);
  });
}

function partsOf(identity: string): { device: string; seq: number } {
  const at = identity.lastIndexOf("/");
  return { device: identity.slice(0, at), seq: Number(identity.slice(at + 1)) };
}
