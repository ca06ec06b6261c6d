import { databaseName, mapErrors } from "./database.ts";
import { Salvage, type SalvageProgress } from "./salvage.ts";
import { removeSetAside, setAsideFiles } from "./set-aside.ts";
import type { StateTable } from "./state-table.ts";

const prefix = "salvage:";

/** Which set-aside databases there are, how far the salvage of each is, and the one that is being read. */
export class Salvaging {
  readonly #folder: string;
  readonly #partitions: number;
  readonly #state: StateTable;
  #current: Salvage | undefined;

  constructor(folder: string, partitions: number, state: StateTable) {
    this.#folder = folder;
    this.#partitions = partitions;
    this.#state = state;
  }

  /** The salvage to go on with; undefined where nothing is left to do. */
  next(): Salvage | undefined {
    this.#current ??= this.#begin();
    return this.#current;
  }

  #begin(): Salvage | undefined {
    for (const file of this.#files()) {
      const progress = this.#progressOf(file);
      if (progress?.phase !== "done") return new Salvage(this.#folder, progress ?? file, this.#partitions);
    }
    return undefined;
  }

  /** Inside the transaction of a step. */
  note({ progress }: Salvage): void {
    this.#state.set(`${prefix}${progress.file}`, JSON.stringify(progress));
  }

  /** The transaction of a step has ended well. */
  keep(): void {
    if (this.#current?.isDone !== true) return;
    this.#current.close();
    this.#current = undefined;
    this.#tidy();
  }

  /** The transaction failed: memory is built again from what is stored. */
  undo(): void {
    this.#current?.close();
    this.#current = undefined;
  }

  /** Whatever can come back from files that were set aside has come back. */
  get isDone(): boolean {
    return this.#files().every((file) => this.#progressOf(file)?.phase === "done");
  }

  /** Of every file that is still there, oldest first. */
  status(): SalvageProgress[] {
    return this.#files().flatMap((file) => this.#progressOf(file) ?? []);
  }

  /** Deletes what is done with: files of which everything came back or is named, and of the others all but the newest. */
  #tidy(): void {
    const done = this.status().filter(({ phase }) => phase === "done");
    const kept = done.filter(({ unreadable }) => unreadable > 0).at(-1);
    for (const progress of done) if (progress !== kept) removeSetAside(this.#folder, progress.file);
  }

  #progressOf(file: string): SalvageProgress | undefined {
    const text = this.#state.get(`${prefix}${file}`);
    return text === undefined ? undefined : (JSON.parse(String(text)) as SalvageProgress);
  }

  /** Throws JOURNAL_IO where the folder cannot be read now, for example without file descriptors. */
  #files(): string[] {
    return mapErrors(() => setAsideFiles(this.#folder, databaseName), this.#folder);
  }
}
