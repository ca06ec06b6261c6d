import { auditRecord, type AuditEntry } from "../../../src/wire/audit.ts";
import { parseWireTime } from "../../../src/observation/time.ts";
import type { AuditRecord } from "../../../src/wire/records.ts";
import type { FoundNote, ModelNotes } from "./model-notes.ts";

export interface ModelAuditParts {
  readonly gateway: string;
  readonly notes: Pick<ModelNotes, "find" | "remove">;
  readonly nowMicros: () => number;
  /** Both into the open group of the journal, or none: false where it has no room. */
  readonly append: (record: AuditRecord, taken: string) => boolean;
  readonly whenStored: (settle: (outcome: "stored" | "abandoned") => void) => void;
}

/** Notes that are taken at one look. */
const lookMax = 100;

/**
 * Takes what was noted of the models into the audit, each note once: its record and the fact that it was taken become
 * durable in one transaction, and the note is removed only after that.
 */
export class ModelAudit {
  readonly #parts: ModelAuditParts;
  /** In the journal, or on the way there; their notes are not removed yet. */
  readonly #taken: Set<string>;
  readonly #stored: Set<string>;

  /** `stored`: what `append` was given last by an earlier process. */
  constructor(parts: ModelAuditParts, stored: string | undefined) {
    this.#parts = parts;
    this.#taken = new Set(stored === undefined ? [] : (JSON.parse(stored) as string[]));
    this.#stored = new Set(this.#taken);
  }

  /** To be called about once a second. */
  look(): void {
    const { notes, nowMicros } = this.#parts;
    // Those that are taken and may not be removed stand before the others.
    const found = notes.find(nowMicros(), lookMax + this.#taken.size);
    for (const id of this.#taken) if (!found.some((note) => note.id === id)) this.#forget(id);
    for (const note of found) {
      if (this.#stored.has(note.id)) {
        if (notes.remove(note.id)) this.#forget(note.id);
      } else if (!this.#taken.has(note.id) && !this.#take(note)) return;
    }
  }

  #forget(id: string): void {
    this.#taken.delete(id);
    this.#stored.delete(id);
  }

  #take({ id, note, isInterrupted }: FoundNote): boolean {
    const { gateway, append, whenStored } = this.#parts;
    const { time, ...said } = note;
    const { name, version } = note.model;
    const entry: AuditEntry = {
      ...said,
      target: version === undefined ? name : `${name} ${version}`,
      count: 1,
      result: isInterrupted ? "interrupted" : note.result,
    };
    const record = auditRecord(gateway, parseWireTime(time) ?? 0, entry);
    if (!append(record, JSON.stringify([...this.#taken, id]))) return false;
    this.#taken.add(id);
    whenStored((outcome) => {
      if (outcome === "stored") this.#stored.add(id);
      else this.#taken.delete(id);
    });
    return true;
  }
}
