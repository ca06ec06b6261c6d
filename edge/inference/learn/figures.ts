/* How good predictions were. */

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** Of probabilities it is the Brier score. */
export function meanSquaredError(predictions: ArrayLike<number>, truths: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < truths.length; i++) sum += (predictions[i]! - truths[i]!) ** 2;
  return sum / truths.length;
}

/** Mann and Whitney: the part of pairs of a failure and a normal row that are in order; ties count half. NaN of one class. */
export function areaUnderCurve(labels: Float64Array, probabilities: Float64Array): number {
  const order = [...labels.keys()].sort((a, b) => probabilities[a]! - probabilities[b]!);
  let [normal, failures, pairs] = [0, 0, 0];
  for (let i = 0; i < order.length;) {
    let [tiedNormal, tiedFailures] = [0, 0];
    const value = probabilities[order[i]!];
    for (; i < order.length && probabilities[order[i]!] === value; i++) {
      if (labels[order[i]!] === 1) tiedFailures++;
      else tiedNormal++;
    }
    pairs += tiedFailures * (normal + tiedNormal / 2);
    normal += tiedNormal;
    failures += tiedFailures;
  }
  return pairs / (normal * failures);
}
