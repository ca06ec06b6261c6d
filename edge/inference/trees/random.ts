/** Seeded numbers for training: SplitMix32, the same on every machine. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to before `limit`, a whole number. */
  below(limit: number): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return Math.floor((((z ^ (z >>> 16)) >>> 0) / 4294967296) * limit);
  }

  /** Moves `count` members drawn at random to the front (Fisher and Yates, as far as is needed). */
  drawToFront(members: Int32Array, count: number): void {
    for (let i = 0; i < count; i++) {
      const j = i + this.below(members.length - i);
      const drawn = members[j]!;
      members[j] = members[i]!;
      members[i] = drawn;
    }
  }
}
