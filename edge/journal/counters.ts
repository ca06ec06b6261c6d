import { emptyHead, parseHead, type Head } from "./head.ts";
import type { StateTable } from "./state-table.ts";

const key = "head";

/** The journal's head in memory; written with every transaction. */
export class Counters {
  readonly #state: StateTable;
  #head: Head;

  constructor(state: StateTable) {
    this.#state = state;
    this.#head = this.#read();
  }

  get head(): Head {
    return this.#head;
  }

  write(): void {
    this.#state.set(key, JSON.stringify(this.#head));
  }

  get isStored(): boolean {
    return this.#state.get(key) !== undefined;
  }

  /** In a fresh database nothing is stored, but ids go on where they were: readers' cursors are made of them. */
  startAfresh(): void {
    const { nextBlock, total } = this.#head;
    this.#head = { ...emptyHead(), nextBlock, total };
  }

  /** Memory goes back to what the last transaction left on disk. */
  reload(): void {
    this.#head = this.#read();
  }

  #read(): Head {
    const value = this.#state.get(key);
    return value === undefined ? emptyHead() : parseHead(String(value));
  }
}
