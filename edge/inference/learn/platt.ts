import { probability } from "../trees/trees.ts";

const stepsMax = 50;

/**
 * The straight line that turns log odds of a model into log odds that come true as often as they say (J. Platt 1999,
 * with his smoothed labels, so that a perfect separation gives no certainty), by Newton's method. Margins are those of
 * rows that the model was not fitted on.
 */
export function fitPlatt(
  margins: Float64Array,
  labels: Float64Array,
): { readonly slope: number; readonly offset: number } {
  const positives = labels.reduce((count, label) => count + label, 0);
  const negatives = labels.length - positives;
  const [high, low] = [(positives + 1) / (positives + 2), 1 / (negatives + 2)];
  let slope = 1;
  let offset = 0;
  for (let step = 0; step < stepsMax; step++) {
    let [gSlope, gOffset, hSlope, hBoth, hOffset] = [0, 0, 1e-9, 0, 1e-9];
    for (let i = 0; i < margins.length; i++) {
      const p = probability(slope * margins[i]! + offset);
      const error = p - (labels[i] === 1 ? high : low);
      const weight = p * (1 - p);
      gSlope += error * margins[i]!;
      gOffset += error;
      hSlope += weight * margins[i]! * margins[i]!;
      hBoth += weight * margins[i]!;
      hOffset += weight;
    }
    const determinant = hSlope * hOffset - hBoth * hBoth;
    const moveSlope = (hOffset * gSlope - hBoth * gOffset) / determinant;
    const moveOffset = (hSlope * gOffset - hBoth * gSlope) / determinant;
    if (!Number.isFinite(moveSlope + moveOffset)) break;
    slope -= moveSlope;
    offset -= moveOffset;
    if (Math.abs(moveSlope) + Math.abs(moveOffset) < 1e-9) break;
  }
  return { slope, offset };
}
