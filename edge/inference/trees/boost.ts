import type { Matrix } from "../learn/matrix.ts";
import { binned, type Binned } from "./binning.ts";
import { leafOf, TreeGrower, type GrownTree, type GrowOptions } from "./grow.ts";
import { drawToFront, seededRandom } from "../../../src/random.ts";
import { probability, type Trees } from "./trees.ts";

export interface BoostOptions extends GrowOptions {
  /** Squared error for quantities; logistic for a label of 0 or 1: predictions are then log odds. */
  readonly loss: "squared" | "logistic";
  readonly trees: number;
  /** Part of each tree's correction that is taken. */
  readonly rate: number;
  /** Part of the rows and of the columns that each tree sees. */
  readonly rowShare: number;
  readonly columnShare: number;
  readonly seed: number;
}

/** Of the recipe for remaining life (400 trees of depth 5); other data may want other numbers. */
export const boostDefaults: BoostOptions = {
  loss: "squared",
  trees: 400,
  depth: 5,
  rate: 0.04,
  leafRowsMin: 20,
  regularisation: 1,
  rowShare: 0.5,
  columnShare: 0.3,
  seed: 1,
};

/**
 * Gradient-boosted trees with histogram splits (Friedman 2001 and 2002; Chen and Guestrin 2016; Ke et al. 2017).
 * The same rows, labels and options give the same trees, bit for bit. NaN is a missing input.
 */
export function fitTrees(rows: Matrix, labels: Float64Array, options: BoostOptions): Trees {
  if (rows.rows === 0 || rows.rows !== labels.length) throw new RangeError("trees need rows, and a label for each");
  const data = binned(rows);
  const random = seededRandom(options.seed);
  const grower = new TreeGrower(data, options);
  const base = baseOf(labels, options.loss);
  const predictions = new Float64Array(labels.length).fill(base);
  const derivatives = { first: new Float64Array(labels.length), second: new Float64Array(labels.length) };
  const rowOrder = Int32Array.from(labels, (_, i) => i);
  const columnOrder = Int32Array.from({ length: rows.columns }, (_, i) => i);
  const rowCount = Math.ceil(options.rowShare * rows.rows);
  const columnCount = Math.ceil(options.columnShare * rows.columns);
  const grown: GrownTree[] = [];
  for (let t = 0; t < options.trees; t++) {
    derive(options.loss, labels, predictions, derivatives);
    drawToFront(random, rowOrder, rowCount);
    drawToFront(random, columnOrder, columnCount);
    // In ascending order memory is read forwards.
    const drawn = rowOrder.slice(0, rowCount).sort();
    const tree = grower.grow(drawn, columnOrder.slice(0, columnCount).sort(), derivatives);
    for (let i = 0; i < tree.leaves.length; i++) tree.leaves[i]! *= options.rate;
    for (let r = 0; r < labels.length; r++) predictions[r]! += tree.leaves[leafOf(tree, data, r, options.depth)]!;
    grown.push(tree);
  }
  return flatten(grown, data, options.depth, base);
}

/** The best constant. */
function baseOf(labels: Float64Array, loss: BoostOptions["loss"]): number {
  const mean = labels.reduce((sum, label) => sum + label, 0) / labels.length;
  if (loss === "squared") return mean;
  const within = Math.min(Math.max(mean, 1e-6), 1 - 1e-6);
  return Math.log(within / (1 - within));
}

function derive(
  loss: BoostOptions["loss"],
  labels: Float64Array,
  predictions: Float64Array,
  { first, second }: { first: Float64Array; second: Float64Array },
): void {
  for (let i = 0; i < labels.length; i++) {
    if (loss === "squared") {
      first[i] = predictions[i]! - labels[i]!;
      second[i] = 1;
    } else {
      const p = probability(predictions[i]!);
      first[i] = p - labels[i]!;
      second[i] = p * (1 - p);
    }
  }
}

function flatten(grown: readonly GrownTree[], { columns, edges }: Binned, depth: number, base: number): Trees {
  const inner = 2 ** depth - 1;
  const trees = {
    inputs: columns,
    depth,
    count: grown.length,
    features: new Uint16Array(grown.length * inner),
    thresholds: new Float64Array(grown.length * inner),
    leaves: new Float64Array(grown.length * (inner + 1)),
    leafRows: new Uint32Array(grown.length * (inner + 1)),
    base,
  };
  grown.forEach(({ features, lastBins, leaves, leafRows }, t) => {
    trees.features.set(features, t * inner);
    trees.leaves.set(leaves, t * (inner + 1));
    trees.leafRows.set(leafRows, t * (inner + 1));
    lastBins.forEach((bin, i) => {
      trees.thresholds[t * inner + i] = edges[features[i]!]![bin] ?? Infinity;
    });
  });
  return trees;
}
