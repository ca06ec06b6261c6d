/**
 * A bounded map that forgets what was not used lately. Two generations: what is asked for moves to the young one;
 * when that is full the old one is dropped. Holds at most twice `sizeMax`; an entry in use in the current batch stays.
 */
export class Cache<V> {
  readonly #sizeMax: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const old = this.#old.get(key);
    if (old !== undefined) this.#young.set(key, old);
    return old;
  }

  set(key: string, value: V): void {
    this.#young.set(key, value);
  }

  /** Called between batches, when nothing is in use. */
  trim(): void {
    if (this.#young.size <= this.#sizeMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  clear(): void {
    this.#young.clear();
    this.#old.clear();
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }
}
