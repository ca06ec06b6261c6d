/**
 * Of many tests, the largest p-value that may count as a discovery when at most `share` of the discoveries may be
 * false (Benjamini and Hochberg 1995); -1 where none may. It holds for tests that depend on each other positively, as
 * those of one machine do (Benjamini and Yekutieli 2001).
 */
export function discoveryLimit(pValues: Float64Array, share: number): number {
  const sorted = pValues.toSorted();
  for (let i = sorted.length - 1; i >= 0; i--) {
    if (sorted[i]! <= (share * (i + 1)) / sorted.length) return sorted[i]!;
  }
  return -1;
}
