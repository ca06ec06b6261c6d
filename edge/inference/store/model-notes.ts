import { randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { oneOf, wireTime } from "../../../src/wire/fields.ts";
import { auditModelSchema, auditors, modelAuditActions } from "../../../src/wire/records.ts";
import { readJson } from "../package/json.ts";
import { namesIn, makeFolder, syncFolder, writeDurable } from "./files.ts";

/*
 * <data folder>/models/.notes/
 *   <time>-<random>.json   what was done to the models, by whom; one file each
 *   <time>-<random>.open   the same of what has begun
 *
 * The commands change the store whether or not the agent runs, and only the agent writes into the journal. So whoever
 * changes the store leaves a note, and the agent takes it into the audit. A note is on disk before the change is: a
 * command that is killed in between leaves an open note, which is told as interrupted.
 */
const folderName = ".notes";
/** Refusals beyond this are not noted: whoever repeats a mistake must not fill the disk. */
const refusalsMax = 1_000;
/** A change takes less than this; a note that is open for longer belongs to nobody any more. */
const interruptedMs = 60_000;
const notePattern = /^((\d{16})-[0-9a-f]{16})\.(json|open)$/;

const noteSchema = Type.Object(
  {
    time: wireTime,
    by: Type.Object(
      { role: oneOf(...auditors), from: Type.String({ maxLength: 200 }) },
      { additionalProperties: false },
    ),
    action: oneOf(...modelAuditActions),
    model: auditModelSchema,
    result: oneOf("done", "refused"),
    detail: Type.String({ maxLength: 2_000 }),
  },
  { additionalProperties: false },
);
export type ModelNote = Readonly<Static<typeof noteSchema>>;

/** A note as the agent finds it. */
export interface FoundNote {
  readonly id: string;
  readonly note: ModelNote;
  /** Whoever left it was killed: the change may have been made or not. */
  readonly isInterrupted: boolean;
}

export class ModelNotes {
  readonly #folder: string;

  constructor(dataFolder: string) {
    this.#folder = join(dataFolder, "models", folderName);
  }

  /** Notes that a change begins; to be closed when it is made, or taken back where it was not. */
  begin(note: ModelNote, nowMicros: number): { close(): void; takeBack(): void } {
    const base = this.#write(note, nowMicros, "open");
    return {
      close: () => {
        renameSync(`${base}.open`, `${base}.json`);
        syncFolder(this.#folder);
      },
      takeBack: () => rmSync(`${base}.open`, { force: true }),
    };
  }

  refused(note: ModelNote, nowMicros: number): void {
    if (namesIn(this.#folder).length < refusalsMax) this.#write(note, nowMicros, "json");
  }

  #write(note: ModelNote, nowMicros: number, kind: "json" | "open"): string {
    makeFolder(this.#folder);
    const base = join(this.#folder, `${String(nowMicros).padStart(16, "0")}-${randomBytes(8).toString("hex")}`);
    writeDurable(`${base}.new`, Buffer.from(JSON.stringify(note)));
    renameSync(`${base}.new`, `${base}.${kind}`);
    syncFolder(this.#folder);
    return base;
  }

  /** The folder belongs to whoever makes it: the agent must be able to remove notes that others have left. */
  prepare(): void {
    makeFolder(this.#folder);
  }

  /** The oldest first, at most `max`. What cannot be read as a note is left where it is. */
  find(nowMicros: number, max: number): FoundNote[] {
    const found: FoundNote[] = [];
    for (const file of namesIn(this.#folder).toSorted()) {
      const [, id, micros, kind] = notePattern.exec(file) ?? [];
      const isInterrupted = kind === "open";
      if (id === undefined || (isInterrupted && nowMicros - Number(micros) < interruptedMs * 1000)) continue;
      const note = this.#read(file);
      if (note !== undefined) found.push({ id, note, isInterrupted });
      if (found.length === max) break;
    }
    return found;
  }

  #read(file: string): ModelNote | undefined {
    try {
      return readJson(noteSchema, readFileSync(join(this.#folder, file)), file);
    } catch {
      // Nothing that was written whole ends here; the audit goes on with the next one.
      return undefined;
    }
  }

  /** False where this user may not: the note is then remembered as taken. */
  remove(id: string): boolean {
    try {
      for (const kind of ["json", "open"]) rmSync(join(this.#folder, `${id}.${kind}`), { force: true });
      return true;
    } catch {
      return false;
    }
  }
}
