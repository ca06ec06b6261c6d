import type { Trees } from "./trees.ts";

/**
 * Says what each input added to a prediction: on its way through a tree a row passes nodes, and from one to the next the
 * mean of the training rows below changes; the change is given to the input that was looked at (A. Saabas 2014,
 * "Interpreting random forests"). With the base they add up to the prediction. It looks at one way only: of two inputs
 * that say the same, the one that the trees happened to split by is named.
 */
export class TreeAttribution {
  /** What is predicted of a row of which nothing is known: the mean of the training rows, as the trees see it. */
  readonly base: number;
  readonly #trees: Trees;
  /** Per tree and inner node, the mean of the leaves below by rows of the training. */
  readonly #means: Float64Array;

  constructor(trees: Trees) {
    this.#trees = trees;
    const inner = 2 ** trees.depth - 1;
    this.#means = new Float64Array(trees.count * inner);
    let base = trees.base;
    for (let tree = 0; tree < trees.count; tree++) {
      this.#measure(tree, inner);
      base += this.#means[tree * inner]!;
    }
    this.base = base;
  }

  #measure(tree: number, inner: number): void {
    const { leaves, leafRows } = this.#trees;
    const first = tree * (inner + 1) - inner;
    const rows = new Float64Array(2 * inner + 1);
    const means = new Float64Array(2 * inner + 1);
    for (let node = 2 * inner; node >= 0; node--) {
      if (node >= inner) {
        rows[node] = leafRows[first + node]!;
        means[node] = leaves[first + node]!;
        continue;
      }
      const [left, right] = [2 * node + 1, 2 * node + 2];
      rows[node] = rows[left]! + rows[right]!;
      const sum = rows[left]! * means[left]! + rows[right]! * means[right]!;
      means[node] = rows[right] === 0 ? means[left]! : sum / rows[node]!;
    }
    this.#means.set(means.subarray(0, inner), tree * inner);
  }

  /** Per input; together the sum of all trees for the row less the base. */
  attribute(row: Float64Array, into: Float64Array): void {
    const { count, depth, features, thresholds, leaves } = this.#trees;
    const inner = 2 ** depth - 1;
    into.fill(0);
    for (let tree = 0; tree < count; tree++) {
      let node = 0;
      while (node < inner) {
        const at = tree * inner + node;
        const input = features[at]!;
        node = 2 * node + 1 + Number(row[input]! > thresholds[at]!);
        const mean = node < inner ? this.#means[tree * inner + node]! : leaves[tree * (inner + 1) + node - inner]!;
        into[input]! += mean - this.#means[at]!;
      }
    }
  }
}
