import { quantileOf } from "../learn/quantile.ts";
import { seededRandom } from "../../../src/random.ts";
import type { StateReader, StateWriter } from "../state.ts";

/** An even number: the closed sum of χ² wants an odd number of degrees. */
export const bins = 8;
/** Of the reference, drawn at random from all of its samples. */
const drawn = 128;
/** The recent samples are counted in parts, so that the oldest can be left out. */
const parts = 24;

/**
 * Population stability index: Σ (p - q) ln(p / q) over bins that the reference fills evenly. 0 is the same
 * distribution; by convention 0.1 is worth a look and 0.25 another distribution (Siddiqi 2006).
 */
export class Psi {
  readonly #referenceSamples: number;
  readonly #partSamples: number;
  readonly #reference = new Float64Array(drawn);
  readonly #edges = new Float64Array(bins - 1);
  /** Of the reference, by bin: of a metric with few different values many fall on an edge. */
  readonly #counts = new Uint16Array(bins);
  readonly #recent = new Uint16Array(parts * bins);
  #seen = 0;
  #recentSeen = 0;

  /** The first `samples` are the reference; the newest as many are compared with it. */
  constructor(samples: number) {
    this.#referenceSamples = samples;
    this.#partSamples = samples / parts;
  }

  /** Part of the reference that is known. */
  get known(): number {
    return this.#seen / this.#referenceSamples;
  }

  add(sample: number): void {
    if (this.#seen < this.#referenceSamples) this.#learn(sample);
    else this.#count(sample);
  }

  /** Each sample of the reference has the same chance to be kept (reservoir sampling, Vitter 1985). */
  #learn(sample: number): void {
    const place = this.#seen < drawn ? this.#seen : Math.floor(seededRandom(this.#seen)() * (this.#seen + 1));
    if (place < drawn) this.#reference[place] = sample;
    if (++this.#seen < this.#referenceSamples) return;
    for (let i = 0; i < bins - 1; i++) this.#edges[i] = quantileOf(this.#reference, (i + 1) / bins);
    for (const kept of this.#reference) this.#counts[this.#binOf(kept)]!++;
  }

  #count(sample: number): void {
    const part = Math.floor(this.#recentSeen / this.#partSamples) % parts;
    if (this.#recentSeen % this.#partSamples === 0) this.#recent.fill(0, part * bins, (part + 1) * bins);
    this.#recent[part * bins + this.#binOf(sample)]!++;
    // Two rounds are enough to know the place and that all parts are filled.
    if (++this.#recentSeen === 2 * this.#referenceSamples) this.#recentSeen = this.#referenceSamples;
  }

  #binOf(sample: number): number {
    return binOf(this.#edges, sample);
  }

  /** The index, or NaN until the newest samples are as many as the reference. */
  index(): number {
    if (this.#recentSeen < this.#referenceSamples) return Number.NaN;
    for (let bin = 0; bin < bins; bin++) {
      let recent = 0;
      for (let part = 0; part < parts; part++) recent += this.#recent[part * bins + bin]!;
      recentByBin[bin] = recent;
    }
    return stabilityIndex(recentByBin, this.#counts);
  }

  /**
   * Probability of such an index by chance, where `independent` samples were seen on either side.
   */
  test(index: number, independent: number): number {
    return chanceOf(index, independent, Math.min(independent, drawn));
  }

  save(to: StateWriter): void {
    to.numbers(this.#reference);
    to.numbers(this.#edges);
    to.counts(this.#counts);
    to.counts(this.#recent);
    to.number(this.#seen);
    to.number(this.#recentSeen);
  }

  load(from: StateReader): void {
    from.numbers(this.#reference);
    from.numbers(this.#edges);
    from.counts(this.#counts);
    from.counts(this.#recent);
    this.#seen = from.number();
    this.#recentSeen = from.number();
  }
}

/** Of `edges`, each the upper end of its bin but for the last one, which has none. */
export function binOf(edges: ArrayLike<number>, sample: number): number {
  let bin = 0;
  while (bin < edges.length && sample > edges[bin]!) bin++;
  return bin;
}

const recentByBin = new Float64Array(bins);

/** How far counts by bin are from those of a reference; as many bins. */
export function stabilityIndex(recent: ArrayLike<number>, reference: ArrayLike<number>): number {
  const total = sumOf(recent);
  const referenceTotal = sumOf(reference);
  let index = 0;
  for (let bin = 0; bin < recent.length; bin++) {
    // Half a sample in each bin, so that an empty one is a large number and not infinity.
    const p = (recent[bin]! + 0.5) / (total + recent.length / 2);
    const q = (reference[bin]! + 0.5) / (referenceTotal + recent.length / 2);
    index += (p - q) * Math.log(p / q);
  }
  return index;
}

/**
 * Probability of such an index by chance, where so many independent samples were seen on either side: the index times
 * n m / (n + m) is χ² with one degree less than there are bins (Yurdakul 2018).
 */
export function chanceOf(index: number, recent: number, reference: number): number {
  return chiSquareAbove((index * recent * reference) / (recent + reference), bins - 1);
}

function sumOf(counts: ArrayLike<number>): number {
  let total = 0;
  for (let bin = 0; bin < counts.length; bin++) total += counts[bin]!;
  return total;
}

/** Upper tail of χ² with an odd number of degrees: the closed sum of Abramowitz and Stegun 26.4.4. */
export function chiSquareAbove(x: number, degrees: number): number {
  const root = Math.sqrt(x);
  let term = root;
  let sum = degrees > 1 ? term : 0;
  for (let k = 3; k <= degrees - 2; k += 2) sum += term *= x / k;
  return Math.min(1, 2 * gaussianAbove(root) + Math.sqrt(2 / Math.PI) * Math.exp(-x / 2) * sum);
}

/** Upper tail of the normal distribution: Birnbaum's bound, at most 5 % too large above 1.5. */
function gaussianAbove(z: number): number {
  return (Math.sqrt(2 / Math.PI) * Math.exp((-z * z) / 2)) / (z + Math.sqrt(z * z + 8 / Math.PI));
}
