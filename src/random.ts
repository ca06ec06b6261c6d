/*
 * Seeded numbers for training, the simulated plant and tests: the same seed gives the same series on every machine.
 */

/** Numbers in [0, 1): SplitMix32. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 4294967296;
  };
}

/** Roughly normal, mean 0, deviation 1, never beyond ±6: twelve uniform numbers. */
export function gaussian(random: () => number): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return sum;
}

/** Moves `count` members drawn at random to the front (Fisher and Yates, as far as is needed). */
export function drawToFront(random: () => number, members: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (members.length - i));
    const drawn = members[j]!;
    members[j] = members[i]!;
    members[i] = drawn;
  }
}
