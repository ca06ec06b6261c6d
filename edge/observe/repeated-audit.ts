import type { AuditEntry } from "../../src/wire/audit.ts";

/** What one person does again and again without changing anything is one record a minute: audit records are never dropped. */
const pauseMs = 60_000;
const peopleMax = 1_000;

interface Repeated {
  readonly timer: NodeJS.Timeout;
  /** The last one that was not written yet. */
  last: AuditEntry | undefined;
  count: number;
}

/** Writes the first entry of a person and action at once, and those of the next minute as one with their number. */
export class RepeatedAudit implements Disposable {
  readonly #write: (entry: AuditEntry) => void;
  readonly #repeated: Map<string, Repeated> = new Map();

  constructor(write: (entry: AuditEntry) => void) {
    this.#write = write;
  }

  add(entry: AuditEntry): void {
    const { by, action } = entry;
    // Beyond the bound strangers share one record; nobody has that many addresses.
    const key = this.#repeated.size < peopleMax ? `${action} ${by.role} ${by.from}` : action;
    const repeated = this.#repeated.get(key);
    if (repeated === undefined) {
      const timer = setTimeout(() => this.#end(key), pauseMs);
      timer.unref();
      this.#repeated.set(key, { timer, last: undefined, count: 0 });
      this.#write(entry);
      return;
    }
    repeated.last = entry;
    repeated.count++;
  }

  #end(key: string): void {
    const { timer, last, count } = this.#repeated.get(key)!;
    clearTimeout(timer);
    this.#repeated.delete(key);
    if (last !== undefined) this.#write({ ...last, count });
  }

  /** Writes what waits for its minute to end. */
  [Symbol.dispose](): void {
    for (const key of this.#repeated.keys()) this.#end(key);
  }
}
