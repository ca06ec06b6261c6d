import { binsMax, type Binned } from "./binning.ts";

export interface GrowOptions {
  readonly depth: number;
  /** Fewest rows in a leaf. */
  readonly leafRowsMin: number;
  /** Draws leaves towards 0: added to the sum of second derivatives (λ of Chen and Guestrin 2016). */
  readonly regularisation: number;
}

/** Slope and curvature of the loss per row. */
export interface Derivatives {
  readonly first: Float64Array;
  readonly second: Float64Array;
}

/** One tree over bins. */
export interface GrownTree {
  readonly features: Uint16Array;
  /** The last bin that goes left; 255 where all do. */
  readonly lastBins: Uint8Array;
  readonly leaves: Float64Array;
  readonly leafRows: Uint32Array;
}

const endsHere = 255;

/** Per bin: sum of first derivatives, sum of second ones, rows. */
const cell = 3;

interface Node {
  readonly first: number;
  readonly end: number;
  readonly histogram: Float64Array;
}

/**
 * Grows a tree level by level, choosing for every node the split that lowers the second-order approximation of the
 * loss most. Only the smaller child of a node is counted: the other's histogram is the difference (Ke et al. 2017).
 */
export class TreeGrower {
  readonly #data: Binned;
  readonly #options: GrowOptions;
  readonly #pool: Float64Array[] = [];
  readonly #scratch: Int32Array;

  constructor(data: Binned, options: GrowOptions) {
    this.#data = data;
    this.#options = options;
    this.#scratch = new Int32Array(data.rows);
  }

  /** `rows` is put in another order. Only `columns` are looked at. */
  grow(rows: Int32Array, columns: Int32Array, derivatives: Derivatives): GrownTree {
    const { depth } = this.#options;
    const inner = 2 ** depth - 1;
    const tree = {
      features: new Uint16Array(inner),
      lastBins: new Uint8Array(inner).fill(endsHere),
      leaves: new Float64Array(inner + 1),
      leafRows: new Uint32Array(inner + 1),
    };
    let level = new Map([[0, this.#count(rows, 0, rows.length, columns, derivatives)]]);
    for (let d = 0; d < depth; d++) {
      const next = new Map<number, Node>();
      for (const [at, node] of level) this.#split(tree, at, node, next, rows, columns, derivatives);
      level = next;
    }
    for (const [at, node] of level) {
      tree.leaves[at - inner] = this.#leafOf(node, columns);
      tree.leafRows[at - inner] = node.end - node.first;
      this.#release(node);
    }
    return tree;
  }

  #split(
    tree: GrownTree,
    at: number,
    node: Node,
    next: Map<number, Node>,
    rows: Int32Array,
    columns: Int32Array,
    derivatives: Derivatives,
  ): void {
    const best = this.#bestSplit(node, columns);
    if (best === undefined) {
      next.set(2 * at + 1, node);
      return;
    }
    tree.features[at] = best.column;
    tree.lastBins[at] = best.bin;
    const middle = this.#partition(rows, node, best.column, best.bin);
    const leftIsSmaller = middle - node.first <= node.end - middle;
    const smaller = leftIsSmaller
      ? this.#count(rows, node.first, middle, columns, derivatives)
      : this.#count(rows, middle, node.end, columns, derivatives);
    for (let i = 0; i < node.histogram.length; i++) node.histogram[i]! -= smaller.histogram[i]!;
    const larger = {
      first: leftIsSmaller ? middle : node.first,
      end: leftIsSmaller ? node.end : middle,
      histogram: node.histogram,
    };
    next.set(2 * at + 1, leftIsSmaller ? smaller : larger);
    next.set(2 * at + 2, leftIsSmaller ? larger : smaller);
  }

  #count(
    rows: Int32Array,
    first: number,
    end: number,
    columns: Int32Array,
    { first: g, second: h }: Derivatives,
  ): Node {
    const histogram = this.#pool.pop() ?? new Float64Array(this.#data.columns * binsMax * cell);
    histogram.fill(0);
    const { bins, rows: rowCount } = this.#data;
    for (let k = 0; k < columns.length; k++) {
      const column = columns[k]! * rowCount;
      const base = columns[k]! * binsMax * cell;
      for (let i = first; i < end; i++) {
        const row = rows[i]!;
        const at = base + bins[column + row]! * cell;
        histogram[at]! += g[row]!;
        histogram[at + 1]! += h[row]!;
        histogram[at + 2]! += 1;
      }
    }
    return { first, end, histogram };
  }

  #release({ histogram }: Node): void {
    this.#pool.push(histogram);
  }

  #bestSplit({ histogram, first, end }: Node, columns: Int32Array): { column: number; bin: number } | undefined {
    const { leafRowsMin, regularisation } = this.#options;
    const count = end - first;
    if (count < 2 * leafRowsMin) return undefined;
    const total = this.#sums(histogram, columns[0]!);
    const whole = (total.g * total.g) / (total.h + regularisation);
    // Rounding alone must not look like a gain.
    let bestGain = 1e-9 * (1 + whole);
    let best: { column: number; bin: number } | undefined;
    for (let k = 0; k < columns.length; k++) {
      const column = columns[k]!;
      const bins = this.#data.edges[column]!.length;
      let [g, h, n] = [0, 0, 0];
      for (let bin = 0, at = column * binsMax * cell; bin < bins; bin++, at += cell) {
        g += histogram[at]!;
        h += histogram[at + 1]!;
        n += histogram[at + 2]!;
        if (n < leafRowsMin) continue;
        if (count - n < leafRowsMin) break;
        const right = total.g - g;
        const gain = (g * g) / (h + regularisation) + (right * right) / (total.h - h + regularisation) - whole;
        if (gain <= bestGain) continue;
        bestGain = gain;
        best = { column, bin };
      }
    }
    return best;
  }

  #leafOf({ histogram }: Node, columns: Int32Array): number {
    const { g, h } = this.#sums(histogram, columns[0]!);
    return -g / (h + this.#options.regularisation);
  }

  #sums(histogram: Float64Array, column: number): { g: number; h: number } {
    let [g, h] = [0, 0];
    const first = column * binsMax * cell;
    for (let at = first; at < first + binsMax * cell; at += cell) {
      g += histogram[at]!;
      h += histogram[at + 1]!;
    }
    return { g, h };
  }

  /** Rows that go left come first, in the order they had. Returns where the others begin. */
  #partition(rows: Int32Array, { first, end }: Node, column: number, lastBin: number): number {
    const { bins, rows: rowCount } = this.#data;
    let left = first;
    let right = 0;
    for (let i = first; i < end; i++) {
      const row = rows[i]!;
      if (bins[column * rowCount + row]! <= lastBin) rows[left++] = row;
      else this.#scratch[right++] = row;
    }
    rows.set(this.#scratch.subarray(0, right), left);
    return left;
  }
}

/** Where a row of the training data ends up. */
export function leafOf(tree: GrownTree, { bins, rows }: Binned, row: number, depth: number): number {
  let node = 0;
  for (let level = 0; level < depth; level++) {
    node = 2 * node + (bins[tree.features[node]! * rows + row]! <= tree.lastBins[node]! ? 1 : 2);
  }
  return node - (2 ** depth - 1);
}
