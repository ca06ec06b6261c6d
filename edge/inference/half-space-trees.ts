import { seededRandom } from "../../src/random.ts";
import type { Explained, ScoreQuality } from "./detector.ts";
import type { StateReader, StateWriter } from "./state.ts";

export interface HalfSpaceOptions {
  readonly trees: number;
  readonly depth: number;
  /** Rows whose density is the reference for as many rows after them. */
  readonly windowRows: number;
  readonly seed: number;
}

export const halfSpaceDefaults: HalfSpaceOptions = { trees: 25, depth: 8, windowRows: 250, seed: 1 };

/** A node with fewer rows than this part of the window is not looked into further. */
const sparsePart = 0.1;
/** With more than this part of the inputs missing nothing can be said. */
const missingPartMax = 0.5;

/**
 * Half-space trees (Tan, Ting and Liu 2011): random boxes count how many rows of the window before fell into them; a
 * row in boxes where hardly any did is odd. Needs no labels and no fit, follows slow change, and takes any shape of
 * normal. The score is the logarithm of how sparse it is there: 0 is the densest place, and it has no limit of its own
 * (see SelfLimited). All that is random comes from the seed.
 */
export class HalfSpaceTrees implements Explained<Float64Array> {
  readonly #options: HalfSpaceOptions;
  readonly #inputs: number;
  /** Per inner node, in the order of a heap: which input is cut, and where between 0 and 1. */
  readonly #cutInputs: Uint8Array;
  readonly #cuts: Float64Array;
  #reference: Uint16Array;
  #latest: Uint16Array;
  readonly #least: Float64Array;
  readonly #most: Float64Array;
  readonly #sums: Float64Array;
  readonly #row: Float64Array;
  #windows = 0;
  #rows = 0;
  #score = 0;
  #quality: ScoreQuality = "good";

  /** At most 256 inputs, a depth of 12 and windows of 65,535 rows. */
  constructor(inputs: number, options: HalfSpaceOptions = halfSpaceDefaults) {
    const { trees, depth, windowRows } = options;
    if (!(inputs >= 1 && inputs <= 256 && depth >= 1 && depth <= 12 && windowRows >= 2 && windowRows <= 65_535)) {
      throw new RangeError(`half-space trees of depth ${depth} for ${inputs} inputs and ${windowRows} rows`);
    }
    const nodes = trees * 2 ** (depth + 1);
    this.#options = options;
    this.#inputs = inputs;
    this.#cutInputs = new Uint8Array(nodes);
    this.#cuts = new Float64Array(nodes);
    this.#reference = new Uint16Array(nodes);
    this.#latest = new Uint16Array(nodes);
    this.#least = new Float64Array(inputs).fill(Infinity);
    this.#most = new Float64Array(inputs).fill(-Infinity);
    this.#sums = new Float64Array(inputs);
    this.#row = new Float64Array(inputs);
    this.#grow();
  }

  /** Of the paper: each tree sees each input in a random work range that holds 0 to 1, and halves it again and again. */
  #grow(): void {
    const { trees, depth, seed } = this.#options;
    const random = seededRandom(seed);
    for (let tree = 0; tree < trees; tree++) {
      const middles = Float64Array.from({ length: this.#inputs }, random);
      const reach = middles.map((middle) => 2 * Math.max(middle, 1 - middle));
      const low = middles.map((middle, i) => middle - reach[i]!);
      const high = middles.map((middle, i) => middle + reach[i]!);
      this.#split(tree << (depth + 1), 1, 0, low, high, random);
    }
  }

  #split(
    first: number,
    node: number,
    level: number,
    low: Float64Array,
    high: Float64Array,
    random: () => number,
  ): void {
    if (level === this.#options.depth) return;
    const input = Math.floor(random() * this.#inputs);
    const [from, to] = [low[input]!, high[input]!];
    const cut = (from + to) / 2;
    this.#cutInputs[first + node] = input;
    this.#cuts[first + node] = cut;
    high[input] = cut;
    this.#split(first, 2 * node, level + 1, low, high, random);
    high[input] = to;
    low[input] = cut;
    this.#split(first, 2 * node + 1, level + 1, low, high, random);
    low[input] = from;
  }

  /** The first window gives the range of each input, the second one the first reference. */
  get learning(): boolean {
    return this.#windows < 2;
  }

  get quality(): ScoreQuality {
    return this.#quality;
  }

  observe(input: Float64Array, _timeMicros: number, learn: boolean): number {
    this.#quality = this.#take(input);
    if (this.#quality === "bad") return 0;
    if (this.#windows === 0) {
      if (learn) this.#learnRange();
      return 0;
    }
    this.#score = this.#windows < 2 ? 0 : this.#sparsity();
    if (learn) this.#count();
    return this.#score;
  }

  /** A missing input is taken to be as usual. */
  #take(input: Float64Array): ScoreQuality {
    let missing = 0;
    for (let i = 0; i < this.#inputs; i++) {
      const value = input[i]!;
      const isMissing = !Number.isFinite(value);
      if (isMissing) missing++;
      if (this.#windows === 0) this.#row[i] = value;
      else this.#row[i] = isMissing ? this.#usual(i) : this.#scaled(value, i);
    }
    if (missing > missingPartMax * this.#inputs) return "bad";
    return missing > 0 ? "uncertain" : "good";
  }

  #scaled(value: number, input: number): number {
    const spread = this.#most[input]! - this.#least[input]!;
    return spread > 0
      ? (value - this.#least[input]!) / spread
      : value > this.#most[input]!
        ? 2
        : value < this.#least[input]!
          ? -1
          : 0.5;
  }

  #usual(input: number): number {
    return this.#scaled(this.#sums[input]! / this.#options.windowRows, input);
  }

  #learnRange(): void {
    // A row that is not complete says nothing about the range.
    if (this.#quality !== "good") return;
    for (let i = 0; i < this.#inputs; i++) {
      const value = this.#row[i]!;
      this.#least[i] = Math.min(this.#least[i]!, value);
      this.#most[i] = Math.max(this.#most[i]!, value);
      this.#sums[i]! += value;
    }
    this.#endRow();
  }

  #count(): void {
    const { trees, depth } = this.#options;
    for (let tree = 0; tree < trees; tree++) {
      const first = tree << (depth + 1);
      for (let level = 0, node = 1; level <= depth; level++) {
        this.#latest[first + node]!++;
        node = this.#next(first, node);
      }
    }
    this.#endRow();
  }

  #endRow(): void {
    if (++this.#rows < this.#options.windowRows) return;
    this.#rows = 0;
    if (this.#windows > 0) {
      [this.#reference, this.#latest] = [this.#latest, this.#reference];
      this.#latest.fill(0);
    }
    if (this.#windows < 2) this.#windows++;
  }

  #next(first: number, node: number): number {
    return 2 * node + (this.#row[this.#cutInputs[first + node]!]! >= this.#cuts[first + node]! ? 1 : 0);
  }

  #sparsity(): number {
    const { trees, depth, windowRows } = this.#options;
    const sparse = sparsePart * windowRows;
    let mass = 0;
    for (let tree = 0; tree < trees; tree++) {
      const first = tree << (depth + 1);
      let node = 1;
      let level = 0;
      while (level < depth && this.#reference[first + node]! > sparse) {
        node = this.#next(first, node);
        level++;
      }
      mass += this.#reference[first + node]! * 2 ** level;
    }
    return Math.log2((windowRows * 2 ** depth + 1) / (mass / trees + 1));
  }

  /** How much less odd the row would be if one input were as usual. */
  contributions(into: Float64Array): void {
    let total = 0;
    for (let i = 0; i < this.#inputs; i++) {
      const value = this.#row[i]!;
      this.#row[i] = this.#usual(i);
      const less = this.learning ? 0 : Math.max(this.#score - this.#sparsity(), 0);
      this.#row[i] = value;
      total += into[i] = less;
    }
    for (let i = 0; i < this.#inputs; i++) into[i] = total > 0 ? into[i]! / total : 1 / this.#inputs;
  }

  /** Rows stand for themselves: there is no context. */
  forgetContext(): void {}

  save(to: StateWriter): void {
    to.counts(this.#reference);
    to.counts(this.#latest);
    to.numbers(this.#least);
    to.numbers(this.#most);
    to.numbers(this.#sums);
    to.number(this.#windows);
    to.number(this.#rows);
  }

  load(from: StateReader): void {
    from.counts(this.#reference);
    from.counts(this.#latest);
    from.numbers(this.#least);
    from.numbers(this.#most);
    from.numbers(this.#sums);
    this.#windows = from.number();
    this.#rows = from.number();
  }
}
