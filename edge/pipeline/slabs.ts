import assert from "node:assert/strict";

/**
 * Shared memory that records are written into once and then read by the journal worker and the forward worker.
 * A slab is counted, not copied: it returns to its pool when nobody holds it.
 */
export class Slab {
  readonly shared: SharedArrayBuffer;
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly #pool: SlabPool;
  #holders = 0;

  constructor(pool: SlabPool, bytes: number) {
    this.#pool = pool;
    this.shared = new SharedArrayBuffer(bytes);
    this.buffer = Buffer.from(this.shared);
    this.view = new DataView(this.shared);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    assert(this.#holders > 0, "a slab is released once per hold");
    if (--this.#holders === 0) this.#pool.put(this);
  }
}

/** So many times a slab is taken before those that were free all the while are let go: some seconds under load. */
const takesPerLook = 16;

/** At most `count` slabs of one size; made when first needed, and given up when a burst is over. */
export class SlabPool {
  readonly slabBytes: number;
  readonly #count: number;
  readonly #free: Slab[] = [];
  #made = 0;
  #takes = 0;
  /** The fewest that were free since the last look. */
  #leastFree = 0;

  constructor(slabBytes: number, count: number) {
    this.slabBytes = slabBytes;
    this.#count = count;
  }

  /** An empty slab, held once; undefined where all are in use. */
  take(): Slab | undefined {
    let slab = this.#free.pop();
    if (slab === undefined && this.#made < this.#count) {
      slab = new Slab(this, this.slabBytes);
      this.#made++;
    }
    slab?.hold();
    this.#leastFree = Math.min(this.#leastFree, this.#free.length);
    if (++this.#takes % takesPerLook === 0) this.#giveUpUnused();
    return slab;
  }

  #giveUpUnused(): void {
    this.#free.splice(0, this.#leastFree);
    this.#made -= this.#leastFree;
    this.#leastFree = this.#free.length;
  }

  put(slab: Slab): void {
    this.#free.push(slab);
  }

  /** Slabs that could be taken now. */
  get available(): number {
    return this.#count - this.#made + this.#free.length;
  }
}
