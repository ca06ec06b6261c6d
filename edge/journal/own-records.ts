import { auditKey, auditRecord, type AuditEntry } from "../../src/wire/audit.ts";
import type { CommandResult } from "../../src/wire/commands.ts";
import { partitionOf } from "../../src/wire/partition.ts";
import type { LedgerRecord, ManifestRecord } from "../../src/wire/records.ts";
import { commandResultKey, type Stream } from "../../src/wire/streams.ts";
import { noTime, recordHeaderBytes, writeRecordHeader, type Entry } from "./block.ts";

interface OwnRecord {
  readonly stream: Stream;
  readonly device: string;
  readonly partition: number;
  readonly value: string;
}

/** Records of one block of the critical lane, before their numbers are taken. */
export interface OwnBlock {
  readonly records: Uint8Array;
  readonly entries: readonly Entry[];
}

/** What the journal itself says in the open transaction: ledger entries, manifests, and what was done to the quarantine. */
export class OwnRecords {
  readonly #gateway: string;
  readonly #partitions: number;
  #records: OwnRecord[] = [];

  constructor(gateway: string, partitions: number) {
    this.#gateway = gateway;
    this.#partitions = partitions;
  }

  addLoss(loss: LedgerRecord): void {
    const partition = partitionOf(loss.device, this.#partitions);
    this.#records.push({ stream: "ledger", device: loss.device, partition, value: JSON.stringify(loss) });
  }

  addManifest(manifest: ManifestRecord): void {
    const { partition } = manifest;
    const device = `${this.#gateway}/p${partition}`;
    this.#records.push({ stream: "ledger", device, partition, value: JSON.stringify(manifest) });
  }

  addAudit(timeMicros: number, entry: AuditEntry): void {
    const device = auditKey(this.#gateway);
    const partition = partitionOf(device, this.#partitions);
    const value = JSON.stringify(auditRecord(this.#gateway, timeMicros, entry));
    this.#records.push({ stream: "audit", device, partition, value });
  }

  addResult(result: CommandResult): void {
    const device = commandResultKey(this.#gateway);
    const partition = partitionOf(device, this.#partitions);
    this.#records.push({ stream: "commandResults", device, partition, value: JSON.stringify(result) });
  }

  /** The transaction has ended. */
  clear(): void {
    this.#records = [];
  }

  /** Everything that was added, as one block; undefined where there is nothing. */
  take(nowMicros: number): OwnBlock | undefined {
    const own = this.#records;
    if (own.length === 0) return undefined;
    this.#records = [];
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
        entries.set(key, { ...record, firstSeq: 0, count: 1, minTimeMicros: nowMicros, maxTimeMicros: nowMicros });
      } else entry.count++;
      const length = slab.write(record.value, at + recordHeaderBytes, "utf8");
      at = writeRecordHeader(view, at, indexes.get(key)!, 0, noTime, length);
    }
    return { records: slab, entries: [...entries.values()] };
  }
}
